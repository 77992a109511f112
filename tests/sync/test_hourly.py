"""The log, counted by the hour: every attempt once, whatever commits late, ends early or runs twice."""

import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection, transaction
from django.utils import timezone

from sync import hourly, retention
from sync.models import HourCursor, SyncHour, UserSyncLog
from sync.tasks import count_hours
from tests.commands import run
from tests.scripted_site import ScriptedSite, json_answer
from tests.sync.conftest import drain, make_due, sql, user

pytestmark = pytest.mark.django_db(transaction=True)

INSERT = """
insert into user_sync_log
    (attempt_id, user_id, site_id, site_name, type, version, status, outcome, message_id, cause, started_at, completed_at)
select gen_random_uuid(), 'user_1', %s, 'site', 'upsert', n, 'success', %s, 'msg_' || n, 'save', %s, %s from generate_series(1, %s) n
"""
AT = datetime(2026, 11, 22, 10, 42, tzinfo=UTC)


def attempt(number: int = 1, *, site: int = 1, outcome: str = "delivered", at: datetime = AT, by: Any = connection) -> None:
    with by.cursor() as cursor:
        cursor.execute(INSERT, [site, outcome, at, at, number])


def counted() -> dict[tuple[int, str, str], int]:
    return {(row.site_id, f"{row.hour:%H:%M}", row.outcome): row.count for row in SyncHour.objects.all()}


def total() -> int:
    return sum(SyncHour.objects.values_list("count", flat=True))


@pytest.fixture
def console(transactional_db: None) -> Iterator[Any]:
    """Another connection, within a transaction."""
    other = connection.copy()
    other.set_autocommit(False)
    yield other
    other.close()


def test_attempts_are_counted_by_site_hour_and_outcome() -> None:
    attempt(3)
    attempt(2, outcome="transient")
    attempt(1, site=2, at=AT + timedelta(minutes=17, seconds=59))
    attempt(1, site=2, at=AT + timedelta(minutes=18))
    assert hourly.roll_up() == 7
    assert counted() == {
        (1, "10:00", "delivered"): 3,
        (1, "10:00", "transient"): 2,
        (2, "10:00", "delivered"): 1,
        (2, "11:00", "delivered"): 1,
    }


def test_what_sites_answer_ends_up_in_the_figures(hrms: ScriptedSite) -> None:
    hrms.answer = lambda _: json_answer({}, 500)
    user()
    hrms.answer = lambda _: json_answer({"success": True})
    make_due()
    drain()
    count_hours(timestamp=0)
    assert {outcome: count for (_, _, outcome), count in counted().items()} == {"transient": 1, "delivered": 1}


def test_counting_again_counts_nothing_twice() -> None:
    attempt(5)
    assert (hourly.roll_up(), hourly.roll_up()) == (5, 0)
    attempt(2)
    assert (hourly.roll_up(), hourly.roll_up()) == (2, 0)
    assert total() == 7


def test_hours_are_those_of_utc_whatever_the_sessions_time_zone() -> None:
    sql("set time zone 'Asia/Kathmandu'")  # a quarter of an hour off
    try:
        attempt()
        hourly.roll_up()
    finally:
        sql("set time zone 'UTC'")
    assert SyncHour.objects.get().hour == AT.replace(minute=0)


def test_much_is_counted_in_chunks_each_complete_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    attempt(10)
    monkeypatch.setattr(hourly, "CHUNKS", 2)
    assert hourly.roll_up(chunk=3) == 6
    assert (total(), HourCursor.objects.get().last_id) == (6, UserSyncLog.objects.order_by("id")[5].pk)
    assert hourly.roll_up(chunk=3) == 4
    assert total() == 10


def test_an_end_in_the_middle_leaves_no_half_counted_chunk(monkeypatch: pytest.MonkeyPatch) -> None:
    attempt(3)
    with pytest.raises(KeyboardInterrupt), transaction.atomic():
        hourly._count(UserSyncLog.objects.order_by("-id")[0].pk, 10)
        raise KeyboardInterrupt
    assert total() == 0
    assert hourly.roll_up() == 3


def test_an_attempt_that_commits_late_with_a_lower_id_is_waited_for(console: Any) -> None:
    attempt(1, by=console)  # draws the lower id, and does not commit
    attempt(2)
    assert hourly.roll_up(patience=0.1) == 0, "who counted now would pass over the one that is not committed"
    console.commit()
    assert hourly.roll_up() == 3


def test_a_commit_while_it_waits_is_counted_in_the_same_go(console: Any) -> None:
    attempt(1, by=console)
    attempt(2)
    later = threading.Timer(0.3, console.connection.commit)  # Django keeps its own to their thread
    later.start()
    try:
        assert hourly.roll_up(patience=20) == 3
    finally:
        later.join()


def test_a_transaction_that_gives_up_holds_nothing_up(console: Any) -> None:
    attempt(1, by=console)
    attempt(2)
    console.rollback()
    assert hourly.roll_up() == 2


def test_writers_that_began_after_the_look_are_not_waited_for(console: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = connection.copy(), connection.copy()
    for other in (first, second):
        other.set_autocommit(False)
    try:
        attempt(1, by=first)
        attempt(2)
        looks = []

        def look(_: float) -> None:
            # A busy hub: at every moment somebody writes, but never the same one for long.
            looks.append(1)
            attempt(1, by=second if len(looks) % 2 else console)
            first.commit()

        monkeypatch.setattr(hourly.time, "sleep", look)
        assert hourly.roll_up() == 3
        assert len(looks) == 1
    finally:
        for other in (first, second):
            other.close()


def test_of_two_workers_one_counts_and_the_other_leaves_it_to_that(console: Any) -> None:
    attempt(2)
    hourly.roll_up()
    attempt(3)
    with console.cursor() as cursor:
        cursor.execute("select last_id from user_sync_hour_cursor for update")
    assert hourly.roll_up() == 0
    console.rollback()
    assert hourly.roll_up() == 3


def test_workers_at_the_same_time_count_every_attempt_once() -> None:
    attempt(400)
    results: list[int] = []

    def work() -> None:
        try:
            while hourly.roll_up(chunk=7):
                results.append(1)
        finally:
            connection.close()

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    hourly.roll_up()
    assert total() == 400


def test_a_log_that_ends_before_the_cursor_is_counted_from_its_end() -> None:
    """An emptied table, or a backup of the log that is older than the figures."""
    attempt(5)
    hourly.roll_up()
    sql("truncate user_sync_log restart identity")
    attempt(2)
    hourly.roll_up()
    attempt(4)
    assert hourly.roll_up() == 4
    assert HourCursor.objects.get().last_id == 6


def test_after_a_restore_of_everything_counting_goes_on_where_the_backup_was() -> None:
    attempt(3)
    hourly.roll_up()
    run("after_restore")
    attempt(2)
    assert hourly.roll_up() == 2
    assert total() == 5


def test_figures_go_with_the_age_of_the_log(settings: Any) -> None:
    now = timezone.now()
    attempt(2, at=now - timedelta(days=settings.SYNC_LOG_DAYS, hours=2))
    attempt(1, at=now)
    hourly.roll_up()
    retention.prune()
    assert total() == 1


def test_what_is_pruned_for_being_too_many_is_counted_before(settings: Any) -> None:
    settings.SYNC_LOG_ROWS = 2
    attempt(9, at=timezone.now())
    assert retention.prune().attempts_by_count == 7
    assert total() == 9
