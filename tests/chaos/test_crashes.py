"""Real processes killed at the worst moment: nothing is lost, and nothing is sent more than once more."""

import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from django.db import connection

from sync.models import Delivery, Lease, UserSyncLog
from tests.processes import HubProcess, worker
from tests.scripted_site import ScriptedSite
from tests.sync.conftest import deliveries_under_way, shown, sql
from users.models import UserProfile

pytestmark = pytest.mark.django_db(transaction=True)
Eventually = Callable[..., object]


def in_sync() -> bool:
    with connection.cursor() as cursor:
        cursor.execute("select count(*) filter (where sync_status <> 'success') from user_sync_status")
        return bool(cursor.fetchone()[0] == 0)


def test_a_web_process_killed_between_commit_and_push_loses_nothing(hrms: ScriptedSite, tmp_path: Path, eventually: Eventually) -> None:
    hrms.hold()
    code = "from users.models import UserProfile; UserProfile.objects.create(user_id='user_1', email='ann@example.com', full_name='Ann')"
    with HubProcess("shell", "-v0", "-c", code, log=tmp_path / "web.log", SYNC_PUSH_DEADLINE="30") as web:
        eventually(lambda: UserProfile.objects.exists(), 90)
        web.kill()
    hrms.let_go()
    sql("update user_sync_lease set until = now()")
    with worker(tmp_path) as process:
        eventually(in_sync, 90)
        eventually(lambda: shown("user_1").status == "success", 90)
        assert process.stop() == 0
    assert 1 <= len(hrms.requests) <= 2
    assert len({received.message_id for received in hrms.requests}) == 1


def test_a_worker_killed_in_the_middle_is_replaced_and_everything_arrives_once_more_at_most(
    hrms: ScriptedSite, tmp_path: Path, eventually: Eventually
) -> None:
    with worker(tmp_path) as first:
        sql("insert into user_profiles (email, full_name) select 'u' || n || '@example.com', 'U' from generate_series(1, 300) n")
        eventually(lambda: len(hrms.requests) >= 20, 90)
        first.kill()
    under_way = set(deliveries_under_way().values_list("user_id", flat=True))
    sql("update user_sync_lease set until = now()")
    with worker(tmp_path) as second:
        eventually(in_sync, 90)
        second.stop()
    times = Counter(str(body["id"]) for body in hrms.bodies)
    assert set(times) == set(UserProfile.objects.values_list("user_id", flat=True))
    assert {user_id for user_id, number in times.items() if number > 1} <= under_way
    assert max(times.values()) <= 2
    logged = set(UserSyncLog.objects.values_list("message_id", flat=True))
    assert {received.message_id for received in hrms.requests} <= logged
    assert UserSyncLog.objects.filter(status="lost").count() == len(under_way)


def test_a_worker_told_to_stop_finishes_what_is_under_way_or_gives_it_back(
    hrms: ScriptedSite, tmp_path: Path, eventually: Eventually
) -> None:
    sql("update connected_sites set timeout = 60")
    hrms.hold()
    with worker(tmp_path) as process:
        sql("insert into user_profiles (email, full_name) values ('ann@example.com', 'Ann')")
        eventually(lambda: len(hrms.requests) == 1, 90)
        started = time.monotonic()
        assert process.stop(within=12) == 0
        assert time.monotonic() - started < 11
    row = Delivery.objects.get()
    assert (row.status, Lease.objects.count()) == ("pending", 0)
    assert "was stopped before the answer came" in row.last_error
    hrms.let_go()


def test_the_worker_outlives_a_lost_database_connection(hrms: ScriptedSite, tmp_path: Path, eventually: Eventually) -> None:
    with worker(tmp_path) as process:
        sql("insert into user_profiles (email, full_name) values ('ann@example.com', 'Ann')")
        eventually(in_sync, 90)
        sql("select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()")
        sql("insert into user_profiles (email, full_name) values ('bob@example.com', 'Bob')")
        eventually(lambda: len(hrms.requests) == 2, 90)
        sql("select sync_all_users()")
        eventually(lambda: len(hrms.requests) == 4, 90)
        assert process.stop() == 0


def test_a_run_whose_worker_is_killed_is_finished_by_the_next(hrms: ScriptedSite, tmp_path: Path, eventually: Eventually) -> None:
    sql("insert into user_profiles (email, full_name) select 'u' || n || '@example.com', 'U' from generate_series(1, 1500) n")
    with worker(tmp_path) as first:
        eventually(in_sync, 90)
        before = len(hrms.requests)
        sql("select sync_all_users()")
        eventually(lambda: len(hrms.requests) >= before + 200, 90)
        first.kill()
    under_way = set(deliveries_under_way().values_list("user_id", flat=True))
    sql("update user_sync_lease set until = now()")
    sql("update user_sync_run set lease_until = now()")
    with worker(tmp_path):
        eventually(lambda: _run_state() == "finished", 90)
        eventually(in_sync, 90)
    sent = Counter(str(body["id"]) for body in hrms.bodies[before:])
    assert len(sent) == 1500
    assert {user_id for user_id, number in sent.items() if number > 1} <= under_way
    assert max(sent.values()) <= 2


def _run_state() -> str:
    with connection.cursor() as cursor:
        cursor.execute("select state from user_sync_run")
        return str(cursor.fetchone()[0])
