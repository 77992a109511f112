"""What the README promises to people with a SQL console and nothing else."""

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import errors
from werkzeug import Request, Response

from sites.models import ConnectedSite
from sync import runs
from sync.deliver.drain import Drain
from sync.models import SyncRun
from tests.processes import database_url
from tests.receivers import SampleSiteProcess
from tests.scripted_site import ScriptedSite, accept
from tests.sync.conftest import Connect, attempts, catch_up, drain, user

pytestmark = pytest.mark.django_db(transaction=True)
Eventually = Callable[..., Any]

WITHIN = 10
"""Seconds in which a site hears of what was done in SQL."""


@pytest.fixture
def console() -> Iterator[psycopg.Connection[Any]]:
    """Somebody's psql: a connection of its own, each statement its own transaction."""
    with psycopg.connect(database_url(), autocommit=True) as connection:
        yield connection


def refuse(_: Request) -> Response:
    return Response(status=422)


def rows(console: psycopg.Connection[Any], statement: str) -> list[tuple[Any, ...]]:
    return console.execute(statement).fetchall()


@contextmanager
def running_drain() -> Iterator[None]:
    """A worker's drain loop, which also picks up runs, at the pace that the hub has by default."""
    stop = threading.Event()

    def carry_out() -> None:
        for run_id in runs.waiting():
            feeder = runs.Feeder(SyncRun.objects.get(pk=run_id))
            feeder.step()
            feeder.let_go()

    thread = threading.Thread(target=Drain(stop, carry_out).run)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(20)
        assert not thread.is_alive()


@pytest.fixture
def two_sites(connect: Connect, tmp_path: Path) -> Iterator[list[SampleSiteProcess]]:
    with ExitStack() as stack:
        sites = []
        for name in ("hrms", "cms"):
            row = connect(name)
            sites.append(stack.enter_context(SampleSiteProcess(name, tmp_path, row.credentials.get().secret)))
            ConnectedSite.objects.filter(pk=row.pk).update(url=sites[-1].url)
        yield sites


def test_email_and_name_are_enough_for_a_new_user(console: psycopg.Connection[Any]) -> None:
    [(user_id, role, active, version)] = rows(
        console,
        "insert into user_profiles (email, full_name) values ('ann@example.com', 'Ann') returning user_id, role, is_active, version",
    )
    assert user_id.startswith("user_")
    assert len(user_id) == len("user_") + 26
    assert (role, active) == ("user", True)
    assert version > 0


def test_an_email_that_differs_in_case_only_is_refused(console: psycopg.Connection[Any]) -> None:
    console.execute("insert into user_profiles (email, full_name) values ('ann@example.com', 'Ann')")
    with pytest.raises(errors.UniqueViolation):
        console.execute("insert into user_profiles (email, full_name) values ('ANN@Example.com', 'Ann')")


def test_a_public_id_never_changes(console: psycopg.Connection[Any]) -> None:
    console.execute("insert into user_profiles (email, full_name) values ('ann@example.com', 'Ann')")
    with pytest.raises(errors.RestrictViolation, match="Delete the user and insert another one instead"):
        console.execute("update user_profiles set user_id = 'user_other'")


def test_sync_user_reaches_the_sites_within_ten_seconds(
    console: psycopg.Connection[Any], two_sites: list[SampleSiteProcess], eventually: Eventually
) -> None:
    with running_drain():
        console.execute("insert into user_profiles (user_id, email, full_name) values ('user_123', 'ann@example.com', 'Ann')")
        eventually(lambda: all(site.user("user_123") for site in two_sites), WITHIN)
        eventually(lambda: rows(console, "select count(*) from user_sync_status where sync_status = 'success'") == [(2,)], WITHIN)
        before = len(attempts("user_123"))
        assert rows(console, "select sync_user('user_123')") == [(2,)]
        eventually(lambda: len(attempts("user_123")) == before + 2, WITHIN, message="sync_user() was not carried out")
    assert {(a.cause, a.status, a.actor) for a in attempts("user_123")[before:]} == {("sql", "success", console.info.user)}
    assert rows(console, "select sync_status from user_sync_status") == [("success",), ("success",)]


def test_sync_all_users_reaches_everybody_within_ten_seconds(
    console: psycopg.Connection[Any], two_sites: list[SampleSiteProcess], eventually: Eventually
) -> None:
    with running_drain():
        console.execute("insert into user_profiles (email, full_name) select 'u' || n || '@example.com', 'U' from generate_series(1, 20) n")
        eventually(lambda: rows(console, "select distinct in_sync from user_sync_summary()") == [(20,)], WITHIN)
        before = len(attempts())
        [(public_id,)] = rows(console, "select sync_all_users()")
        eventually(lambda: rows(console, "select state from user_sync_run") == [("finished",)], WITHIN)
    run = SyncRun.objects.get()
    assert (run.public_id, run.cause, run.actor) == (public_id, "sql", console.info.user)
    assert len(attempts()) - before == 40
    assert {(part.total, part.succeeded) for part in run.parts.all()} == {(20, 20)}


def test_two_calls_of_sync_all_users_are_one_run(console: psycopg.Connection[Any]) -> None:
    assert rows(console, "select sync_all_users()") == rows(console, "select sync_all_users()")
    assert SyncRun.objects.count() == 1


@pytest.mark.parametrize("given", ["user_404", "ann@example.com", "o'neil", ""])
def test_sync_user_names_an_unknown_user(console: psycopg.Connection[Any], given: str) -> None:
    with pytest.raises(errors.NoDataFound) as refused:
        console.execute("select sync_user(%s)", [given])
    quoted = given.replace("'", "''")
    assert refused.value.diag.message_primary == f"There is no user '{quoted}': give the user_id of a row in user_profiles."


def test_sync_user_of_somebody_who_belongs_nowhere_reaches_no_site(console: psycopg.Connection[Any], connect: Connect) -> None:
    connect("hrms", roles=["manager"])
    user(user_id="user_1")
    assert rows(console, "select sync_user('user_1')") == [(0,)]


def test_sync_user_of_somebody_who_left_sends_the_removal_again(console: psycopg.Connection[Any], hrms: ScriptedSite) -> None:
    user(user_id="user_1")
    hrms.answer = refuse
    console.execute("delete from user_profiles")
    drain()
    assert rows(console, "select sync_status from user_sync_status") == [("failed",)]
    assert rows(console, "select sync_user('user_1')") == [(1,)]
    drain()
    assert hrms.paths[-2:] == ["/api/users/sync/delete"] * 2


def test_the_view_has_every_user_at_every_active_site_before_anything_was_sent(console: psycopg.Connection[Any], connect: Connect) -> None:
    connect("hrms")
    connect("cms")
    connect("off", is_active=False)
    connect("managers", roles=["manager"])
    console.execute("insert into user_profiles (user_id, email, full_name) values ('user_1', 'ann@example.com', 'Ann')")
    columns = "user_id, email, full_name, site_name, site_display_name, sync_status, last_synced_at, error_message, attempts"
    assert rows(console, f"select {columns} from user_sync_status order by site_name") == [
        ("user_1", "ann@example.com", "Ann", "cms", "CMS", "pending", None, None, 0),
        ("user_1", "ann@example.com", "Ann", "hrms", "HRMS", "pending", None, None, 0),
        ("user_1", "ann@example.com", "Ann", "managers", "MANAGERS", "success", None, None, 0),
    ]


def test_the_view_is_true_the_moment_a_change_is_committed(console: psycopg.Connection[Any], hrms: ScriptedSite) -> None:
    user(user_id="user_1")
    assert rows(console, "select sync_status from user_sync_status") == [("success",)]
    console.execute("update user_profiles set role = 'lead'")
    assert rows(console, "select sync_status from user_sync_status") == [("pending",)]


def test_the_view_shows_removals_of_users_who_are_gone_until_they_are_settled(console: psycopg.Connection[Any], hrms: ScriptedSite) -> None:
    user(user_id="user_1")
    console.execute("delete from user_profiles")
    seen = "select user_id, email, full_name, site_name, sync_status from user_sync_status"
    assert rows(console, seen) == [("user_1", "ann@example.com", "", "hrms", "pending")]
    hrms.answer = refuse
    drain()
    [failed] = rows(console, "select sync_status, error_message, attempts from user_sync_status")
    assert failed == ("failed", "HTTP 422: the site refused this user", 1)
    console.execute("select sync_user('user_1')")
    hrms.answer = accept
    drain()
    assert rows(console, seen) == []


def test_a_removal_owed_to_a_site_that_was_switched_off_stays_visible(console: psycopg.Connection[Any], hrms: ScriptedSite) -> None:
    user(user_id="user_1")
    console.execute("update connected_sites set is_active = false")
    console.execute("delete from user_profiles")
    catch_up()
    assert rows(console, "select user_id, site_name, sync_status from user_sync_status") == [("user_1", "hrms", "pending")]


def test_the_summary_counts_users_by_site(console: psycopg.Connection[Any], hrms: ScriptedSite, connect: Connect) -> None:
    connect("off", is_active=False)
    user("a@example.com")
    user("b@example.com")
    hrms.answer = refuse
    user("c@example.com")
    console.execute("insert into user_profiles (email, full_name) values ('d@example.com', 'D')")
    summary = rows(console, "select site_name, in_sync, pending, in_progress, failed, last_synced_at is not null from user_sync_summary()")
    assert summary == [("hrms", 2, 1, 0, 1, True)]
