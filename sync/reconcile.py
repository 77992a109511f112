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


@transaction.atomic
def step(limit: int = CHUNK) -> bool:
    """Reconciles one chunk of one marked site, if any; returns whether there was one. Another process's site is left to it.

    Inactive sites are walked as well: what they must unlearn is written down, and waits.
    """
    health = (
        SiteHealth.objects.select_for_update(no_key=True, skip_locked=True, of=("self",))
        .filter(~Q(reconcile_wanted=F("reconcile_done")))
        .order_by("site_id")
        .first()
    )
    if health is None:
        return False
    with connection.cursor() as cursor:
        cursor.execute(NEXT_USERS, {"cursor": health.reconcile_cursor, "site": health.site_id, "limit": limit})
        user_ids = [user_id for (user_id,) in cursor.fetchall()]
    owed = 0
    if user_ids:
        retry = health.reconcile_reason in {"activated", "moved"}
        owed = fanout.owe(((u, None) for u in user_ids), cause="reconcile", site_ids=[health.site_id], retry_failed=retry)
    if owed:
        logger.info("reconcile of site %s (%s): %s deliveries owed", health.site_id, health.reconcile_reason, owed)
    if len(user_ids) < limit:
        SiteHealth.objects.filter(pk=health.pk).update(
            reconcile_done=health.reconcile_wanted, reconcile_cursor="", reconciled_at=timezone.now()
        )
    else:
        SiteHealth.objects.filter(pk=health.pk).update(reconcile_cursor=user_ids[-1])
    return True
