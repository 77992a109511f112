"""A run on the page, in the admin and in the API: what came of it is said, site by site, and it can be cancelled and resumed from each."""

from datetime import UTC, datetime

import pytest
from django.urls import reverse
from werkzeug import Response

from sync import operations
from sync.models import SyncRun
from tests.api import error_of, with_token
from tests.commands import people
from tests.pages import Person, root, text, told
from tests.scripted_site import ScriptedSite
from tests.sync.conftest import Connect, drain

pytestmark = pytest.mark.django_db(transaction=True)
DASHBOARD = reverse("admin:index")
CANCEL, RESUME = reverse("admin:cancel_run"), reverse("admin:resume_run")


@pytest.fixture
def run(hrms: ScriptedSite) -> SyncRun:
    """A run over five users that waits for a worker."""
    people(5)
    drain()
    return operations.sync_all(cause="sync_all").run


@pytest.fixture
def partly(hrms: ScriptedSite, connect: Connect) -> SyncRun:
    """A run that is over and did not deliver all."""
    connect("cms", hrms.url)
    people(5)
    drain()
    hrms.answer = lambda request: Response(status=422 if request.get_json()["id"] == "user_003" else 204)
    return operations.run_here(operations.sync_all(cause="sync_all").run)


def test_a_cancelled_run_is_resumed_from_the_dashboard(run: SyncRun, hrms: ScriptedSite) -> None:
    person = root()
    assert "Resume" not in text(person.get(DASHBOARD))
    assert "It can be resumed." in text(person.click(CANCEL, run=run.public_id))
    page = text(person.get(DASHBOARD))
    assert "Cancelled just now: 0 of 5 delivered, 5 not sent." in page
    assert "Resume" in page
    assert "The run goes on: 5 deliveries to come." in text(person.click(RESUME, run=run.public_id))
    before = len(hrms.requests)
    operations.run_here(run)
    assert len(hrms.requests) - before == 5
    assert "Finished just now: 5 of 5 delivered." in text(person.get(DASHBOARD))


def test_a_cancelled_run_is_resumed_from_its_own_page(run: SyncRun) -> None:
    person, page = root(), reverse("admin:sync_syncrun_change", args=[run.pk])
    operations.cancel_run(run)
    assert "Resume this run" in text(person.get(page))
    assert told(person.post(RESUME, run=run.public_id, next=page))[0].startswith("The run goes on")
    assert "Cancel this run" in text(person.get(page))


def test_a_runs_page_is_called_by_when_it_began_and_not_by_its_id(run: SyncRun) -> None:
    began = datetime(2026, 11, 22, 21, 42, 7, tzinfo=UTC)
    SyncRun.objects.update(created_at=began, started_at=None)
    page = root().get(reverse("admin:sync_syncrun_change", args=[run.pk])).content.decode()
    assert "Run of 2026-11-22 21:42:07" in page.split("</title>")[0].split("<title>")[1]
    assert f"run {run.public_id}" not in page


def test_whoever_may_not_cancel_may_not_resume(run: SyncRun) -> None:
    operations.cancel_run(run)
    person = Person("sync.view_syncrun")
    assert person.post(RESUME, run=run.public_id).status_code == 403
    assert "Resume" not in text(person.get(reverse("admin:sync_syncrun_change", args=[run.pk])))
    assert SyncRun.objects.get().state == "cancelled"


def test_an_unknown_run_is_not_resumed(db: None) -> None:
    assert "There is no such run." in text(root().click(RESUME, run="nonsense"))


def test_a_run_that_did_not_deliver_all_does_not_look_finished(partly: SyncRun) -> None:
    person = root()
    for page in (DASHBOARD, reverse("admin:sync_syncrun_changelist"), reverse("admin:sync_syncrun_change", args=[partly.pk])):
        shown = person.get(page)
        assert "Not all delivered" in text(shown)
        assert "8 of 10 delivered, 2 not accepted or not reached at the first try. HRMS: 1 failed; CMS: 1 failed." in text(shown)
        assert "100 %" not in text(shown)
        assert "hub-is-warning" in shown.content.decode()


def test_the_list_of_runs_costs_the_same_number_of_queries_whatever_their_number(
    partly: SyncRun, django_assert_max_num_queries: object
) -> None:
    person, page = root(), reverse("admin:sync_syncrun_changelist")
    person.get(page)
    with django_assert_max_num_queries(14):  # type: ignore[operator]
        person.get(page)
    for _ in range(5):
        operations.run_here(operations.sync_all(cause="sync_all").run)
    with django_assert_max_num_queries(14):  # type: ignore[operator]
        person.get(page)


def test_the_api_says_what_was_delivered_and_what_was_not_at_each_site(partly: SyncRun) -> None:
    shown = with_token().get(f"/api/sync/runs/{partly.public_id}").json()
    assert (shown["state"], shown["percent"], shown["succeeded"], shown["failed"], shown["leftOwed"]) == ("finished", 80, 8, 2, 0)
    assert [(site["site"], site["succeeded"], site["failed"], site["leftOwed"]) for site in shown["sites"]] == [
        ("hrms", 4, 1, 0),
        ("cms", 4, 1, 0),
    ]


def test_the_api_cancels_and_resumes(run: SyncRun) -> None:
    api = with_token()
    assert api.post(f"/api/sync/runs/{run.public_id}/cancel").json()["state"] == "cancelled"
    resumed = api.post(f"/api/sync/runs/{run.public_id}/resume").json()
    assert (resumed["success"], resumed["state"], resumed["runId"]) == (True, "queued", str(run.public_id))
    again = api.post(f"/api/sync/runs/{run.public_id}/resume").json()
    assert (again["success"], again["message"]) == (False, "The run was not cancelled and goes on; nothing was resumed.")
    assert "There is no run 'nonsense'" in error_of(api.post("/api/sync/runs/nonsense/resume"), 404)
