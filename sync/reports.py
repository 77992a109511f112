"""What a run would send, what it did at each site, and what went wrong: the numbers behind a report of one run."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.db import connection

from sites.models import ConnectedSite
from sync import status
from sync.models import Action, RunSite, SyncRun, UserSyncLog
from sync.outcomes import Outcome

PLAN = """
select v.site_id, v.user_id, v.email, case when v.in_scope then 'upsert' else 'delete' end as action
from user_sync_status v
left join user_sync_delivery d on d.site_id = v.site_id and d.user_id = v.user_id
left join user_profiles u on u.user_id = v.user_id
where v.site_id = any (%(sites)s) and (%(user_ids)s::text[] is null or v.user_id = any (%(user_ids)s::text[]))
    and (v.in_scope or d.attempted_version is not null)
    -- A user who is gone is told of once; those who are there, as often as asked.
    and (v.sync_status <> 'success' or (not %(only_pending)s and u.id is not null))
"""
COUNTS = f"select site_id, action, count(*) from ({PLAN}) p group by site_id, action"  # noqa: S608
MESSAGES = f"select email, user_id, site_id, action from ({PLAN}) p order by user_id, site_id limit %(limit)s"  # noqa: S608

OPEN = """
select site_id, count(*) from user_sync_status
where site_id = any (%(sites)s) and user_id = any (%(user_ids)s) and sync_status in ('pending', 'in_progress')
group by site_id
"""

CLOCKS_APART = timedelta(minutes=5)
"""How far the clocks of the machines that write the log may be apart."""


@dataclass(frozen=True)
class Planned:
    """What a run would send to a site."""

    site: ConnectedSite
    upserts: int
    removals: int

    @property
    def total(self) -> int:
        return self.upserts + self.removals


@dataclass(frozen=True)
class Message:
    """One delivery that a run would make, or that failed in it. `error` is empty in a plan."""

    user_id: str
    email: str
    site_name: str
    action: str
    error: str = ""


def plan(sites: Sequence[ConnectedSite], user_ids: Sequence[str] | None = None, *, only_pending: bool = False) -> list[Planned]:
    """What a run over these sites and users (all by default) would send if it started now. Writes nothing."""
    with connection.cursor() as cursor:
        cursor.execute(COUNTS, _parameters(sites, user_ids, only_pending))
        counts = {(site_id, action): number for site_id, action, number in cursor.fetchall()}
    return [Planned(site, counts.get((site.pk, Action.UPSERT), 0), counts.get((site.pk, Action.DELETE), 0)) for site in sites]


def planned_messages(
    sites: Sequence[ConnectedSite], user_ids: Sequence[str] | None = None, *, only_pending: bool = False, limit: int
) -> list[Message]:
    """The same one by one, at most `limit` of them."""
    names = {site.pk: site.name for site in sites}
    with connection.cursor() as cursor:
        cursor.execute(MESSAGES, {**_parameters(sites, user_ids, only_pending), "limit": limit})
        return [Message(user_id, email, names[site_id], action) for email, user_id, site_id, action in cursor.fetchall()]


def _parameters(sites: Sequence[ConnectedSite], user_ids: Sequence[str] | None, only_pending: bool) -> dict[str, Any]:
    return {
        "sites": [site.pk for site in sites],
        "user_ids": None if user_ids is None else list(user_ids),
        "only_pending": only_pending,
    }


@dataclass(frozen=True)
class RunAtSite:
    """What a run did at one site. `left` are deliveries that are owed and not made yet: the worker makes them."""

    site: ConnectedSite
    total: int
    delivered: int
    failed: int
    left: int


def run_at_sites(run: SyncRun) -> list[RunAtSite]:
    """One row per site of the run, in the sites' order."""
    parts = list(run.parts.select_related("site").order_by("site_id"))
    left = {part.site_id: _unsettled(run, part) for part in parts}
    still_open = _still_open(run, [site_id for site_id, number in left.items() if number])
    # What the run did not settle itself may have been settled by another process since: a user who was saved meanwhile, for one.
    return [
        RunAtSite(part.site, part.total, part.succeeded, part.failed, min(left[part.site_id], still_open.get(part.site_id, 0)))
        for part in parts
    ]


def _unsettled(run: SyncRun, part: RunSite) -> int:
    # What a cancelled run did not come to, nobody owes. One that goes on will come to it.
    if run.state == SyncRun.State.CANCELLED:
        return part.unsettled
    return max(0, part.total - part.succeeded - part.failed)


def _still_open(run: SyncRun, site_ids: Sequence[int]) -> dict[int, int]:
    if not site_ids:
        return {}
    if run.user_ids is None:
        return {site_id: counts.open for site_id, counts in status.counts_by_site().items()}
    with connection.cursor() as cursor:
        cursor.execute(OPEN, {"sites": list(site_ids), "user_ids": run.user_ids})
        return dict(cursor.fetchall())


def failures(run: SyncRun, limit: int) -> list[Message]:
    """The first attempts of the run that did not deliver, oldest first."""
    rows = (
        # The time is what the log has an index on.
        UserSyncLog.objects.filter(run_id=run.pk, completed_at__gte=run.created_at - CLOCKS_APART)
        .exclude(outcome=Outcome.DELIVERED)
        .order_by("completed_at", "id")[:limit]
    )
    return [Message(row.user_id, row.email, row.site_name, row.type, row.error) for row in rows]
