"""The schedule by which a transient delivery is tried again."""

from datetime import timedelta

import pytest

from sync import backoff

PLAN = [(1, "5 s"), (2, "5 min"), (3, "30 min"), (4, "2 h"), (5, "5 h"), (6, "10 h"), (7, "14 h"), (8, "20 h"), (9, "24 h")]
UNITS = {"s": timedelta(seconds=1), "min": timedelta(minutes=1), "h": timedelta(hours=1)}


def length(text: str) -> timedelta:
    number, unit = text.split()
    return int(number) * UNITS[unit]


@pytest.mark.parametrize(("tries", "wait"), PLAN)
def test_after_each_failed_try_the_wait_is_the_planned_one_within_a_fifth(tries: int, wait: str) -> None:
    planned = length(wait)
    for _ in range(300):
        delay = backoff.delay_after(tries)
        assert delay is not None
        assert planned * 0.8 <= delay <= planned * 1.2


@pytest.mark.parametrize(("tries", "wait"), PLAN)
def test_the_waits_of_many_are_spread_over_that_fifth(tries: int, wait: str) -> None:
    planned = length(wait)
    delays = [backoff.delay_after(tries) or timedelta() for _ in range(300)]
    assert min(delays) < planned * 0.9
    assert max(delays) > planned * 1.1
    assert len(set(delays)) > 250


def test_there_are_ten_tries_and_no_eleventh() -> None:
    assert backoff.delay_after(9) is not None
    assert backoff.delay_after(10) is None
    assert backoff.delay_after(11) is None
    assert backoff.delay_after(1_000_000) is None


def test_all_tries_together_take_a_little_more_than_three_days() -> None:
    assert sum(backoff.SCHEDULE, timedelta()) == timedelta(hours=75, minutes=35, seconds=5)


def test_a_delivery_that_counts_no_try_waits_as_after_the_first() -> None:
    delay = backoff.delay_after(0)
    assert delay is not None
    assert timedelta(seconds=4) <= delay <= timedelta(seconds=6)
