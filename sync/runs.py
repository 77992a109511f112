"""Runs: feed a Sync All, or a bulk action, to the deliveries, a window at a time.

A run marks nothing in advance. Per site it owes the next users after its cursor and moves the cursor in the same transaction; the
senders (of any process) deliver; the settle counts. So a run survives its process, can be cancelled, and its cost is bounded.
"""

import logging
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.db import connection, transaction
from django.db.models import Q
from django.utils import timezone

from sites.models import ConnectedSite
from sync import fanout
from sync.models import Delivery, RunSite, SyncRun

logger = logging.getLogger(__name__)

WINDOW = 500
"""Users per site that are owed ahead of the deliveries, at the most."""
LEASE_SECONDS = 30
LONG_WAIT = 10
"""Seconds that a run waits for a site which asked for a pause (Retry-After), at the most."""

FEED = """
with site as (
    select s.id, s.roles, s.epoch, h.quarantined_at is not null as quarantined
    from connected_sites s left join user_sync_site_health h on h.site_id = s.id where s.id = %(site)s
), chunk as materialized (
    select u.user_id, u.version, user_sync_in_scope(u.is_active, u.role, site.roles) as belongs
    from user_profiles u cross join site
    left join user_sync_delivery d on d.site_id = site.id and d.user_id = u.user_id
    where u.user_id > %(cursor)s and (%(user_ids)s::text[] is null or u.user_id = any (%(user_ids)s::text[]))
        and (not %(only_pending)s
            or (user_sync_in_scope(u.is_active, u.role, site.roles)
                and (d.id is null or d.status <> 'success' or d.wanted_action <> 'upsert' or d.wanted_version < u.version
                    or d.acked_epoch <> site.epoch))
            or (not user_sync_in_scope(u.is_active, u.role, site.roles) and d.attempted_version is not null
                and not (d.wanted_action = 'delete' and d.status = 'success')))
    order by u.user_id limit %(limit)s
), upserts as (
    insert into user_sync_delivery as d (user_id, site_id, wanted_action, wanted_version, cause, actor, run_id)
    select c.user_id, %(site)s, 'upsert', c.version, %(cause)s, %(actor)s, case when site.quarantined then null else %(run)s::bigint end
    from chunk c cross join site where c.belongs
    on conflict (site_id, user_id) do update set
        wanted_action = 'upsert', wanted_version = greatest(d.wanted_version, excluded.wanted_version),
        wanted_generation = d.wanted_generation + 1, tries = 0, next_attempt_at = now(),
        cause = excluded.cause, actor = excluded.actor, run_id = excluded.run_id,
        status = case when d.status = 'in_progress' then d.status else 'pending' end
    returning d.id
), removals as (
    update user_sync_delivery d set
        wanted_action = 'delete', wanted_version = greatest(d.wanted_version, c.version), wanted_generation = d.wanted_generation + 1,
        tries = 0, next_attempt_at = now(), cause = %(cause)s, actor = %(actor)s,
        run_id = case when site.quarantined then null else %(run)s::bigint end,
        status = case when d.status = 'in_progress' then d.status else 'pending' end
    from chunk c cross join site
    where not c.belongs and d.site_id = %(site)s and d.user_id = c.user_id and d.attempted_version is not null
    returning d.id
)
select (select count(*) from chunk), (select max(user_id) from chunk),
    (select count(*) from upserts) + (select count(*) from removals), coalesce((select quarantined from site), true)
"""

LEAVERS = """
update user_sync_delivery d set wanted_generation = wanted_generation + 1, tries = 0, next_attempt_at = now(), cause = %(cause)s,
    actor = %(actor)s, run_id = case when %(quarantined)s then null else %(run)s::bigint end, status = 'pending'
where d.id in (
    select id from user_sync_delivery e
    where e.site_id = %(site)s and e.wanted_action = 'delete' and e.status in ('pending', 'failed') and e.attempted_version is not null
        and not exists (select from user_profiles u where u.user_id = e.user_id)
        and (%(user_ids)s::text[] is null or e.user_id = any (%(user_ids)s::text[]))
    order by e.id limit 100000 for no key update skip locked
)
"""

TOTALS = """
update user_sync_run_site r set total = t.n from (
    select s.id, (select count(*) from user_profiles u left join user_sync_delivery d on d.site_id = s.id and d.user_id = u.user_id
        where (user_sync_in_scope(u.is_active, u.role, s.roles) or d.attempted_version is not null)
            and (%(user_ids)s::text[] is null or u.user_id = any (%(user_ids)s::text[]))
            and (not %(only_pending)s
                or case when user_sync_in_scope(u.is_active, u.role, s.roles)
                    then d.id is null or d.status <> 'success' or d.wanted_action <> 'upsert' or d.wanted_version < u.version
                        or d.acked_epoch <> s.epoch
                    else not (d.wanted_action = 'delete' and d.status = 'success') end)) as n
    from connected_sites s
) t where t.id = r.site_id and r.run_id = %(run)s
"""


@transaction.atomic
def start(
    *,
    cause: str,
    actor: str = "",
    scope: str = SyncRun.Scope.ALL,
    user_ids: Sequence[str] | None = None,
    sites: Sequence[ConnectedSite] | None = None,
) -> tuple[SyncRun, bool]:
    """A new run over these sites (all active ones by default); returns it and whether it is new.

    A run of the same scope over the same sites and users that is not over yet is returned instead, so that two clicks are one run.
    """
    with connection.cursor() as cursor:
        cursor.execute("select pg_advisory_xact_lock(hashtext('user_sync_run'))")
    chosen = list(sites) if sites is not None else list(ConnectedSite.objects.filter(is_active=True))
    wanted = {site.pk for site in chosen}
    only = None if user_ids is None else list(user_ids)
    if scope != SyncRun.Scope.USERS:
        for run in SyncRun.objects.filter(state__in=[SyncRun.State.QUEUED, SyncRun.State.RUNNING], scope=scope):
            if run.user_ids == only and set(run.parts.values_list("site_id", flat=True)) == wanted:
                return run, False
    run = SyncRun.objects.create(scope=scope, user_ids=only, cause=cause, actor=actor)
    add_parts(run, chosen)
    return run, True


def add_parts(run: SyncRun, sites: Sequence[ConnectedSite]) -> None:
    """Gives the run its sites, each with the number of deliveries to expect."""
    RunSite.objects.bulk_create([RunSite(run=run, site=site) for site in sites], ignore_conflicts=True)
    with connection.cursor() as cursor:
        cursor.execute(TOTALS, {"run": run.pk, "user_ids": run.user_ids, "only_pending": run.scope == SyncRun.Scope.PENDING})


def cancel(run: SyncRun) -> bool:
    """Stops feeding the run and forgets that what it owes belongs to it; returns False when it was over already.

    What is already owed is still delivered: it cannot be known to be unneeded.
    """
    open_states = [SyncRun.State.QUEUED, SyncRun.State.RUNNING]
    cancelled = SyncRun.objects.filter(pk=run.pk, state__in=open_states).update(
        state=SyncRun.State.CANCELLED, finished_at=timezone.now(), lease_token=None, lease_until=None
    )
    if cancelled:
        Delivery.objects.filter(run_id=run.pk, status="pending").update(run_id=None)
    return bool(cancelled)


@dataclass
class Feeder:
    """Holds the run's lease and feeds it. Any process can take over when the lease expires."""

    run: SyncRun

    def __post_init__(self) -> None:
        self._token = uuid.uuid4()

    def take(self) -> bool:
        """Takes the run's lease; False when another process feeds it, or it is over."""
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(
                "update user_sync_run set lease_token = %s, lease_until = now() + make_interval(secs => %s), state = 'running',"
                " started_at = coalesce(started_at, now()) where id = %s and state in ('queued', 'running')"
                " and (lease_until is null or lease_until < now() or lease_token = %s)",
                [self._token, LEASE_SECONDS, self.run.pk, self._token],
            )
            taken: bool = cursor.rowcount == 1
            if taken and self.run.started_at is None and not self.run.parts.exists():
                # Started by SQL, which names no sites: all active ones.
                add_parts(self.run, list(ConnectedSite.objects.filter(is_active=True)))
        return taken

    def step(self) -> bool:
        """Owes the next users where there is room, and renews the lease; returns whether the run is over (or another's)."""
        if not self.take():
            return True
        parts = list(self.run.parts.filter(finished=False).order_by("site_id"))
        outstanding = self._outstanding()
        for part in parts:
            self._advance(part, outstanding.get(part.site_id, 0))
        if parts and self.run.parts.filter(finished=False).exists():
            return False
        SyncRun.objects.filter(pk=self.run.pk, lease_token=self._token).update(
            state=SyncRun.State.FINISHED, finished_at=timezone.now(), lease_token=None, lease_until=None
        )
        return True

    def let_go(self) -> None:
        """Gives the lease up, so that another process can go on at once."""
        SyncRun.objects.filter(pk=self.run.pk, lease_token=self._token).update(lease_token=None, lease_until=None)

    def _outstanding(self) -> dict[int, int]:
        with connection.cursor() as cursor:
            cursor.execute(
                # What a site in quarantine, or one that asked for a long wait, is owed is the worker's to deliver: the run does not wait.
                "update user_sync_delivery d set run_id = null from user_sync_site_health h, connected_sites s"
                " where d.run_id = %s and h.site_id = d.site_id and s.id = d.site_id"
                " and (h.quarantined_at is not null or not s.is_active or h.throttled_until > now() + make_interval(secs => %s))"
                " and d.status = 'pending'",
                [self.run.pk, LONG_WAIT],
            )
            cursor.execute("select site_id, count(*) from user_sync_delivery where run_id = %s group by site_id", [self.run.pk])
            return dict(cursor.fetchall())

    def _advance(self, part: RunSite, outstanding: int) -> None:
        if part.cursor == END:
            if not outstanding:
                self._finish(part)
            return
        if outstanding > WINDOW // 2:
            return
        self._feed(part, WINDOW - outstanding)

    @fanout.retried_on_deadlock
    def _feed(self, part: RunSite, limit: int) -> None:
        parameters: dict[str, Any] = {
            "run": self.run.pk,
            "site": part.site_id,
            "cursor": part.cursor,
            "limit": limit,
            "user_ids": self.run.user_ids,
            "only_pending": self.run.scope == SyncRun.Scope.PENDING,
            "cause": self.run.cause,
            "actor": self.run.actor,
        }
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(FEED, parameters)
            count, last, _, quarantined = cursor.fetchone()
            if count < limit:
                last = END
                cursor.execute(LEAVERS, {**parameters, "quarantined": quarantined})
                if cursor.rowcount:
                    cursor.execute("update user_sync_run_site set total = total + %s where id = %s", [cursor.rowcount, part.pk])
            RunSite.objects.filter(pk=part.pk).update(cursor=last)
            cursor.execute("select pg_notify('user_sync', 'due')")

    def _finish(self, part: RunSite) -> None:
        with connection.cursor() as cursor:
            # What another operation took over, or a quarantined site still waits for, is owed, not lost. The total was an estimate
            # made before the walk: users who came or went meanwhile correct it.
            cursor.execute(
                "update user_sync_run_site set finished = true, left_owed = greatest(0, total - succeeded - failed),"
                " total = greatest(total, succeeded + failed) where id = %s",
                [part.pk],
            )


END = "\U0010ffff"
"""A cursor behind every user id: the walk is over, the deliveries may not be."""


def waiting() -> list[int]:
    """Keys of runs that nobody feeds: new ones, and those whose process ended."""
    unheld = Q(lease_until=None) | Q(lease_until__lt=timezone.now())
    return list(SyncRun.objects.filter(unheld, state__in=[SyncRun.State.QUEUED, SyncRun.State.RUNNING]).values_list("pk", flat=True))
