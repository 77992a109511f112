"""The log keeps what is young enough and not too much, and nothing else; so do the runs."""

from typing import Any

import pytest

from sync import operations, retention
from sync.models import Delivery, RunSite, SyncRun, UserSyncLog
from tests.commands import run
from tests.scripted_site import ScriptedSite
from tests.sync.conftest import sql, user

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def five(hrms: ScriptedSite) -> None:
    for number in range(5):
        user(f"u{number}@example.com")
    sql(
        "update user_sync_log set completed_at = now() - interval '400 days' - interval '1 minute'"
        " where id in (select id from user_sync_log order by id limit 3)"
    )


def newest(number: int) -> set[int]:
    return set(UserSyncLog.objects.order_by("-id").values_list("pk", flat=True)[:number])


def kept() -> set[int]:
    return set(UserSyncLog.objects.values_list("pk", flat=True))


def test_old_attempts_go_in_chunks_and_young_ones_stay(five: None) -> None:
    young = newest(2)
    assert retention.prune(chunk=2).attempts_by_age == 3
    assert kept() == young


def test_the_age_is_a_setting(five: None, settings: Any) -> None:
    settings.SYNC_LOG_DAYS = 500
    assert retention.prune().attempts_by_age == 0


def test_without_a_limit_of_rows_any_number_stays(five: None, settings: Any) -> None:
    settings.SYNC_LOG_DAYS = 500
    assert (settings.SYNC_LOG_ROWS, retention.prune().attempts_by_count) == (0, 0)
    assert len(kept()) == 5


def test_what_is_too_many_goes_in_chunks_the_oldest_first(five: None, settings: Any) -> None:
    settings.SYNC_LOG_DAYS, settings.SYNC_LOG_ROWS = 500, 2
    young = newest(2)
    assert retention.prune(chunk=2) == retention.Expired(attempts_by_age=0, attempts_by_count=3, runs=0, events=0)
    assert kept() == young


def test_an_attempt_that_is_too_old_is_not_counted_as_one_too_many_as_well(five: None, settings: Any) -> None:
    settings.SYNC_LOG_ROWS = 1
    before = retention.expired()
    assert (before.attempts_by_age, before.attempts_by_count) == (3, 1)
    assert retention.prune() == before
    assert kept() == newest(1)


def test_the_command_counts_first_and_deletes_when_told(five: None, settings: Any) -> None:
    settings.SYNC_LOG_ROWS = 1
    counts = [
        "3 attempts older than 400 days (SYNC_LOG_DAYS)",
        "1 more beyond the newest 1 (SYNC_LOG_ROWS)",
        "0 runs and 0 events of sites older than 400 days (SYNC_LOG_DAYS)",
    ]
    assert run("prune_sync_log", "--dry-run").out.splitlines() == [*counts, "Nothing was deleted."]
    assert len(kept()) == 5
    assert run("prune_sync_log").out.splitlines() == [*counts, "All of these were deleted."]
    assert len(kept()) == 1


def test_old_runs_go_with_their_parts_and_those_under_way_stay(hrms: ScriptedSite) -> None:
    user()
    old, young = (operations.run_here(operations.sync_all(cause="sync_all").run) for _ in range(2))
    SyncRun.objects.filter(pk=old.pk).update(finished_at="2001-01-01T00:00:00Z")
    under_way = operations.sync_all(cause="sync_all").run
    SyncRun.objects.filter(pk=under_way.pk).update(created_at="2001-01-01T00:00:00Z")
    assert retention.expired().runs == 1
    assert retention.prune().runs == 1
    assert set(SyncRun.objects.all()) == {young, under_way}
    assert set(RunSite.objects.values_list("run_id", flat=True)) == {young.pk, under_way.pk}


def test_no_status_depends_on_the_log(five: None, settings: Any) -> None:
    settings.SYNC_LOG_ROWS = 1
    before = list(Delivery.objects.order_by("pk").values())
    retention.prune()
    assert list(Delivery.objects.order_by("pk").values()) == before
