"""The history of sites as a whole: quarantines, waits, pauses. Written down once, and kept within a limit."""

from datetime import datetime, timedelta

from django.conf import settings
from django.db import connection, transaction
from django.utils import timezone

from sync import redact
from sync.models import SiteEvent

KEPT_PER_SITE = 1000
"""A site that comes and goes all the time would otherwise fill the table within the age that is kept."""
REASON_LENGTH = 500
CHUNK = 5000

INSERT = """
insert into user_sync_site_event (site_id, site_name, kind, reason, actor)
select id, name, %s, %s, %s from connected_sites where id = %s
"""

TOO_OLD = "delete from user_sync_site_event where id in (select id from user_sync_site_event where at < %s order by at limit %s)"

TOO_MANY = """
delete from user_sync_site_event e using (
    select site_id, (select id from user_sync_site_event f where f.site_id = s.site_id order by id desc offset %s limit 1) as last
    from (select distinct site_id from user_sync_site_event) s
) t where e.site_id = t.site_id and e.id <= t.last
"""


def note(site_id: int, kind: str, *, reason: str = "", actor: str = "") -> None:
    """Adds an event to a site's history, in the caller's transaction. A site that is gone has none to add to."""
    with connection.cursor() as cursor:
        cursor.execute(INSERT, [kind, redact.line(reason)[:REASON_LENGTH], actor[:150], site_id])


def expired_events() -> int:
    """How many events are older than `SYNC_LOG_DAYS`."""
    return SiteEvent.objects.filter(at__lt=_limit()).count()


def prune_events(chunk: int = CHUNK) -> int:
    """Deletes events older than `SYNC_LOG_DAYS`, in chunks, and all but the newest thousand of a site; returns how many."""
    limit, total = _limit(), 0
    while True:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(TOO_OLD, [limit, chunk])
            deleted: int = cursor.rowcount
        total += deleted
        if deleted < chunk:
            break
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(TOO_MANY, [KEPT_PER_SITE])
        return total + int(cursor.rowcount)


def _limit() -> datetime:
    return timezone.now() - timedelta(days=settings.SYNC_LOG_DAYS)
