"""Keep the log of attempts within its limit."""

from datetime import datetime, timedelta

from django.conf import settings
from django.db import connection, transaction
from django.utils import timezone

from sync.models import UserSyncLog

CHUNK = 5000

PRUNE = """
delete from user_sync_log where id in (
    select id from user_sync_log where completed_at < %s order by completed_at limit %s for update skip locked
)
"""


def expired_attempts() -> int:
    """How many attempts are older than `SYNC_LOG_DAYS`."""
    return UserSyncLog.objects.filter(completed_at__lt=_limit()).count()


def prune(chunk: int = CHUNK) -> int:
    """Deletes the attempts that are older than `SYNC_LOG_DAYS`; returns how many.

    In chunks of a transaction each, so that nobody waits for a long one, and two at once share the work.
    """
    limit, total = _limit(), 0
    while True:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(PRUNE, [limit, chunk])
            deleted: int = cursor.rowcount
        total += deleted
        if deleted < chunk:
            return total


def _limit() -> datetime:
    return timezone.now() - timedelta(days=settings.SYNC_LOG_DAYS)
