"""Keep what only tells of the past within its limits: the log of attempts, its hourly figures, finished runs, the sites' history."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.db import connection, transaction
from django.utils import timezone

from sync import hourly, site_history
from sync.models import UserSyncLog

CHUNK = 5000
RUNS = 500

PRUNE = """
delete from user_sync_log where id in (
    select id from user_sync_log where completed_at < %s order by completed_at limit %s for update skip locked
)
"""

PRUNE_MANY = """
delete from user_sync_log where id in (select id from user_sync_log where id <= %s order by id limit %s for update skip locked)
"""

PRUNE_RUNS = """
with old as materialized (
    select id from user_sync_run where state in ('finished', 'cancelled') and finished_at < %s order by id limit %s for update skip locked
), parts as (
    delete from user_sync_run_site where run_id in (select id from old)
)
delete from user_sync_run where id in (select id from old)
"""


@dataclass(frozen=True)
class Expired:
    """What is over the limits, or went because of that. An attempt that is too old is not counted again as one too many."""

    attempts_by_age: int
    attempts_by_count: int
    runs: int
    events: int


def expired() -> Expired:
    """What `prune` would delete. Reads what would go, and nothing else."""
    limit, last = _oldest(), _last_too_many()
    with connection.cursor() as cursor:
        cursor.execute("select count(*) from user_sync_run where state in ('finished', 'cancelled') and finished_at < %s", [limit])
        (runs,) = cursor.fetchone()
    return Expired(
        attempts_by_age=UserSyncLog.objects.filter(completed_at__lt=limit).count(),
        attempts_by_count=UserSyncLog.objects.filter(pk__lte=last, completed_at__gte=limit).count(),
        runs=runs,
        events=site_history.expired_events(),
    )


def prune(chunk: int = CHUNK) -> Expired:
    """Deletes attempts, finished runs and events of sites older than `SYNC_LOG_DAYS`, and attempts beyond the newest `SYNC_LOG_ROWS`;
    returns how many.

    In chunks of a transaction each, so that nobody waits for a long one, and two at once share the work. The hourly figures go by the
    same age; what is not counted in them yet is counted before it goes.
    """
    hourly.roll_up()
    hourly.prune()
    limit = _oldest()
    return Expired(
        attempts_by_age=_delete(PRUNE, limit, chunk),
        attempts_by_count=_delete(PRUNE_MANY, _last_too_many(), chunk),
        runs=_delete(PRUNE_RUNS, limit, min(chunk, RUNS)),
        events=site_history.prune_events(),
    )


def _delete(statement: str, limit: datetime | int, chunk: int) -> int:
    total = 0
    while True:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(statement, [limit, chunk])
            deleted: int = cursor.rowcount
        total += deleted
        if deleted < chunk:
            return total


def _last_too_many() -> int:
    """The id up to which attempts are too many; 0 for none. Ids are counted, not rows, which costs one look at an index: an id that a
    failed commit left unused counts as a row."""
    if not settings.SYNC_LOG_ROWS:
        return 0
    newest = UserSyncLog.objects.order_by("-pk").values_list("pk", flat=True).first() or 0
    return max(0, newest - int(settings.SYNC_LOG_ROWS))


def _oldest() -> datetime:
    return timezone.now() - timedelta(days=settings.SYNC_LOG_DAYS)
