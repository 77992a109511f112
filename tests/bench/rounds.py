"""What a round delivered, read from the log."""

from dataclasses import dataclass
from datetime import datetime

from tests.bench.database import Database
from tests.bench.worker import until

OVER = """
select not exists (select from user_sync_outbox) and not exists (select from user_sync_delivery where status in ('pending', 'in_progress'))
"""


@dataclass(frozen=True)
class Round:
    """So many deliveries, each logged and settled."""

    count: int
    first: datetime
    """When the first was claimed."""
    last: datetime
    """When the last was settled."""

    @property
    def rate(self) -> float:
        """A second, from the first claim to the last settle."""
        return self.count / (self.last - self.first).total_seconds()


def position(db: Database) -> int:
    """Where the log ends now."""
    return int(db.value("select coalesce(max(id), 0) from user_sync_log"))


def delivered(db: Database, count: int, *, since: int, within: float = 120) -> Round:
    """Waits until so many attempts are logged behind this position and nothing is owed. Raises when one of them was not delivered."""
    try:
        # The first question is cheap, and keeps us from asking the second while the worker is busy.
        until(lambda: position(db) >= since + count and db.value(OVER), within, every=0.1)
    except TimeoutError:
        left = db.sql("select status, tries, count(*), max(last_error) from user_sync_delivery where status <> 'success' group by 1, 2")
        logged = db.sql("select outcome, count(*), max(error) from user_sync_log where id > %s group by 1", since)
        raise TimeoutError(f"{count:,} deliveries were not done within {within:g} s; left: {left}; logged: {logged}") from None
    logged, good, first, last = db.sql(
        "select count(*), count(*) filter (where outcome = 'delivered'), min(started_at), max(completed_at)"
        " from user_sync_log where id > %s",
        since,
    )[0]
    if not logged == good == count:
        raise RuntimeError(f"{count:,} deliveries were due; {logged:,} were logged, {good:,} of them delivered")
    return Round(count, first, last)
