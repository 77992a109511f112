"""When a transient delivery is tried again. Pure."""

import random
from datetime import timedelta

SCHEDULE = (
    timedelta(seconds=5),
    timedelta(minutes=5),
    timedelta(minutes=30),
    timedelta(hours=2),
    timedelta(hours=5),
    timedelta(hours=10),
    timedelta(hours=14),
    timedelta(hours=20),
    timedelta(hours=24),
)
"""Waits after the first, second, … failed try. The first try itself goes out at once."""

JITTER = 0.2


def delay_after(tries: int) -> timedelta | None:
    """How long to wait after so many failed tries (1 or more), ±20 %; None when there is no further try."""
    if tries > len(SCHEDULE):
        return None
    return SCHEDULE[max(tries, 1) - 1] * random.uniform(1 - JITTER, 1 + JITTER)  # noqa: S311  (spreads load, guards nothing)
