"""Reconcile: walk all users and deliveries of a site in key order and write down what it is owed."""

import logging
from collections.abc import Sequence

from django.db import connection, transaction
from django.db.models import F, Q
from django.utils import timezone

from sync import fanout
from sync.models import SiteHealth

logger = logging.getLogger(__name__)

CHUNK = 1000
LOCK = 7_236_001
"""The advisory locks of reconcile: this number and the site's key."""

NEXT_USERS = """
(select user_id from user_profiles where user_id > %(cursor)s order by user_id limit %(limit)s)
union
(select user_id from user_sync_delivery where site_id = %(site)s and user_id > %(cursor)s order by user_id limit %(limit)s)
order by user_id limit %(limit)s
"""


def request_all(reason: str, site_ids: Sequence[int] | None = None) -> int:
    """Marks sites (all, or those given) to be reconciled by the worker; returns how many."""
    sites = SiteHealth.objects.all() if site_ids is None else SiteHealth.objects.filter(site_id__in=site_ids)
    return sites.update(reconcile_wanted=F("reconcile_wanted") + 1, reconcile_reason=reason, reconcile_cursor="")


@fanout.retried_on_deadlock
@transaction.atomic
def step(limit: int = CHUNK) -> bool:
    """Reconciles one chunk of one marked site, if any; returns whether there was one. Another process's site is left to it.

    Inactive sites are walked as well: what they must unlearn is written down, and waits.
    """
    for health in SiteHealth.objects.filter(~Q(reconcile_wanted=F("reconcile_done"))).order_by("site_id"):
        # Not the row's lock: a settle locks deliveries before it, and this walk locks them after.
        with connection.cursor() as cursor:
            cursor.execute("select pg_try_advisory_xact_lock(%s, %s::int)", [LOCK, health.site_id % 2**31])
            if cursor.fetchone()[0]:
                # What the row said before the lock was ours may be another process's past.
                health.refresh_from_db()
                if health.reconcile_wanted != health.reconcile_done:
                    _walk(health, limit)
                    return True
    return False


def _walk(health: SiteHealth, limit: int) -> None:
    with connection.cursor() as cursor:
        cursor.execute(NEXT_USERS, {"cursor": health.reconcile_cursor, "site": health.site_id, "limit": limit})
        user_ids = [user_id for (user_id,) in cursor.fetchall()]
    owed = 0
    if user_ids:
        retry = health.reconcile_reason in {"activated", "moved"}
        owed = fanout.owe(((u, None) for u in user_ids), cause="reconcile", site_ids=[health.site_id], retry_failed=retry)
    if owed:
        logger.info("reconcile of site %s (%s): %s deliveries owed", health.site_id, health.reconcile_reason, owed)
    # Marked anew meanwhile: the walk starts over, its cursor was reset by whoever marked it.
    unchanged = SiteHealth.objects.filter(pk=health.pk, reconcile_wanted=health.reconcile_wanted)
    if len(user_ids) < limit:
        unchanged.update(reconcile_done=health.reconcile_wanted, reconcile_cursor="", reconciled_at=timezone.now())
    else:
        unchanged.update(reconcile_cursor=user_ids[-1])
