"""The dashboard keeps itself up to date, and at what cost."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from sites.models import ConnectedSite
from sync import operations, site_control
from sync.models import Delivery, SyncRun
from tests.pages import Person, root, text
from tests.scripted_site import ScriptedSite, json_answer
from tests.sync.conftest import connect, hrms, make_due, scripted, user  # noqa: F401
from users.models import UserProfile

pytestmark = pytest.mark.django_db(transaction=True)

DASHBOARD, LIVE = "/admin/", "/admin/live/"
NOWHERE = "http://127.0.0.1:9"
Connect = Callable[..., ConnectedSite]


def many(number: int) -> None:
    UserProfile.objects.bulk_create(UserProfile(email=f"u{n}@example.com", full_name=f"User {n}") for n in range(number))


def test_the_moving_parts_are_sent_only_when_they_changed(hrms: ScriptedSite) -> None:  # noqa: F811
    user()
    person = root()
    seen = person.get(DASHBOARD).context["poller"]["digest"]
    assert person.get(LIVE, seen=seen).status_code == 204
    user("bob@example.com")
    news = person.get(LIVE, seen=seen)
    assert news.status_code == 200
    assert "bob@example.com" in text(news)
    assert 'id="hub-users" hx-swap-oob="innerHTML"' in news.content.decode()


def test_it_looks_often_while_something_moves_and_seldom_otherwise(hrms: ScriptedSite, connect: Connect) -> None:  # noqa: F811
    person = root()
    person.get(DASHBOARD)

    def pause() -> int:
        seconds: int = person.get(DASHBOARD).context["poller"]["seconds"]
        return seconds

    user()
    assert pause() == 15
    connect("cms", NOWHERE)
    assert 3 <= pause() < 15
    ConnectedSite.objects.filter(name="cms").delete()
    assert pause() == 15
    operations.sync_all(cause="admin")
    assert 3 <= pause() < 15


def test_what_waits_for_a_person_or_for_a_later_try_is_no_reason_to_look_often(hrms: ScriptedSite) -> None:  # noqa: F811
    person = root()

    def pause() -> int:
        seconds: int = person.get(DASHBOARD).context["poller"]["seconds"]
        return seconds

    hrms.answer = lambda _: json_answer({}, 500)
    user()
    assert 3 <= pause() < 15, "the next try is a few seconds away"
    Delivery.objects.update(next_attempt_at=timezone.now() + timedelta(hours=2))
    assert pause() == 15
    make_due()
    assert 3 <= pause() < 15
    site_control.pause_site(ConnectedSite.objects.get(), actor="ann")
    assert pause() == 15
    site_control.resume_site(ConnectedSite.objects.get(), actor="ann")
    assert 3 <= pause() < 15


def test_a_run_that_no_worker_takes_is_looked_at_seldom() -> None:
    ConnectedSite.objects.create(name="hrms", url=NOWHERE)
    user()
    operations.sync_all(cause="admin")
    SyncRun.objects.update(created_at=timezone.now() - timedelta(minutes=1))
    assert 'hx-trigger="every 5s"' in root().get("/admin/live/run/").content.decode()


def test_a_runs_progress_moves_faster_than_the_rest_and_calls_for_it_at_the_end(hrms: ScriptedSite) -> None:  # noqa: F811
    user()
    person = root()
    assert person.get("/admin/live/run/").status_code == 204
    operations.sync_all(cause="admin")
    moving = person.get("/admin/live/run/")
    assert "0 % Sync All, 1 site." in text(moving)
    assert 'hx-trigger="every 1s"' in moving.content.decode()
    operations.run_here(SyncRun.objects.get())
    over = person.get("/admin/live/run/")
    assert "Finished just now: 1 of 1 delivered." in text(over)
    assert "every 1s" not in over.content.decode()
    assert "hub-refresh" in over.headers["HX-Trigger-After-Settle"]


def test_a_search_moves_the_address_along() -> None:
    user()
    answer = root().get(LIVE, q="ann")
    assert answer.headers["HX-Replace-Url"] == "/admin/?q=ann"


def test_it_costs_a_fixed_number_of_queries(hrms: ScriptedSite, connect: Connect) -> None:  # noqa: F811
    user()
    person = Person(
        "users.view_userprofile", "sites.view_connectedsite", "sites.change_connectedsite", "sync.change_delivery", "sync.change_syncrun"
    )
    person.get(DASHBOARD)
    with CaptureQueriesContext(connection) as few:
        person.get(DASHBOARD)
    for n in range(5):
        connect(f"site{n}", NOWHERE)
    many(80)
    before = Delivery.objects.count()
    with CaptureQueriesContext(connection) as more:
        person.get(DASHBOARD)
    assert before == Delivery.objects.count(), "looking must write nothing"
    assert len(few) == len(more) <= 15
