"""The pages of a run and of a user keep themselves up to date, at what cost, and for whom."""

from collections.abc import Callable

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from werkzeug import Response

from sites.models import ConnectedSite
from sync import operations, site_control
from sync.models import SyncRun
from tests.pages import Person, root, text
from tests.scripted_site import ScriptedSite
from tests.sync.conftest import Connect, drain, user

pytestmark = pytest.mark.django_db(transaction=True)

NOWHERE = "http://127.0.0.1:9"


def run_page(run: SyncRun, part: str = "change") -> str:
    return f"/admin/sync/syncrun/{run.pk}/{part}/"


def user_page(key: int, part: str = "change") -> str:
    return f"/admin/users/userprofile/{key}/{part}/"


def test_a_runs_page_is_sent_what_moved_and_looks_no_more_when_it_is_over(hrms: ScriptedSite) -> None:
    user()
    run, person = operations.sync_all(cause="admin").run, root()
    poller = person.get(run_page(run)).context["poller"]
    assert poller["seconds"] == 1
    assert person.get(poller["address"]).status_code == 204
    operations.run_here(SyncRun.objects.get())
    news = person.get(poller["address"])
    page = news.content.decode()
    assert "Finished just now: 1 of 1 delivered." in text(news)
    assert '<span id="live-state" hx-swap-oob="innerHTML">' in page
    assert "Cancel this run" not in page
    assert 'id="hub-poller"' in page
    assert "hx-get" not in page
    assert person.get(run_page(run)).context["poller"]["seconds"] == 0


def test_a_runs_page_looks_on_until_the_worker_has_delivered_what_the_run_left(hrms: ScriptedSite) -> None:
    user()
    drain()
    site_control.pause_site(ConnectedSite.objects.get())
    run, person = operations.run_here(operations.sync_all(cause="admin").run), root()
    assert person.get(run_page(run)).context["poller"]["seconds"] == 15
    site_control.resume_site(ConnectedSite.objects.get())
    drain()
    page = person.get(run_page(run))
    assert page.context["poller"]["seconds"] == 0
    assert "What it left, the worker has delivered since." in text(page)


def test_a_users_page_is_sent_what_moved_and_looks_often_while_something_is_due(hrms: ScriptedSite) -> None:
    hrms.answer = lambda _: Response(status=503)
    ann, person = user(), root()
    poller = person.get(user_page(ann.pk)).context["poller"]
    assert poller["seconds"] == 3
    assert person.get(poller["address"]).status_code == 204
    hrms.answer = lambda _: Response(status=204)
    operations.sync_user(ann.user_id, cause="admin")
    news = person.get(poller["address"])
    assert "HRMS In sync There: HRMS has this user as shown here." in " ".join(text(news).replace("check_circle", "").split())
    assert 'id="live-attempts" hx-swap-oob="innerHTML"' in news.content.decode()
    assert "every 15s" in news.content.decode()


def test_what_waits_for_a_person_is_looked_at_seldom(hrms: ScriptedSite) -> None:
    site_control.pause_site(hrms.row, actor="bob")
    assert root().get(user_page(user().pk)).context["poller"]["seconds"] == 15


def test_it_asks_for_the_sites_that_the_page_shows(connect: Connect) -> None:
    for number in range(30):
        connect(f"site-{number}", NOWHERE)
    poller = root().get(user_page(user().pk), site="site-7").context["poller"]
    assert "site=site-7&seen=" in poller["address"]


@pytest.mark.parametrize("name", ["run", "user"])
def test_who_may_not_see_the_page_gets_403_and_nothing_is_posted_there(name: str, hrms: ScriptedSite) -> None:
    ann = user()
    live = {"run": run_page(operations.sync_all(cause="admin").run, "live"), "user": user_page(ann.pk, "live")}[name]
    person = root()
    assert person.get(live).status_code == 200
    assert person.post(live).status_code == 405
    assert Person("sites.view_connectedsite").get(live).status_code == 403


def test_what_is_gone_is_not_found(db: None) -> None:
    person = root()
    assert person.get("/admin/sync/syncrun/4711/live/").status_code == 404
    assert person.get(user_page(4711, "live")).status_code == 404


def test_looking_costs_at_most_15_queries_however_many_sites_there_are(hrms: ScriptedSite, connect: Connect) -> None:
    ann, person = user(), root()
    run = operations.sync_all(cause="admin").run
    lives: list[Callable[[], object]] = [lambda: person.get(user_page(ann.pk, "live")), lambda: person.get(run_page(run, "live"))]
    counts = []
    for _ in range(3):
        counts.append([counted(look) for look in lives])
        for _number in range(20):
            connect(f"site-{ConnectedSite.objects.count()}", NOWHERE)
    assert counts[1] == counts[2]
    assert max(counts[2]) <= 15


def counted(look: Callable[[], object]) -> int:
    look()
    with CaptureQueriesContext(connection) as captured:
        look()
    return len(captured)
