"""Runs: feed a Sync All, or a bulk action, to the deliveries, a window at a time.

A run marks nothing in advance. Per site it owes the next users after its cursor and moves the cursor in the same transaction; the
senders (of any process) deliver; the settle counts. So a run survives its process, can be cancelled, and its cost is bounded.
"""

import logging
import uuid
from collections.abc import Sequence
from dataclasses import dataclass

from django.db import connection, transaction
from django.db.models import F, Q, QuerySet
from django.db.models.expressions import RawSQL
from django.utils import timezone

from sites.models import ConnectedSite
from sync import fanout, tasks_queue
from sync.models import UNDER_WAY, Delivery, RunSite, SyncRun
from sync.walk import Walk

logger = logging.getLogger(__name__)

WINDOW = 500
"""Users per site that are owed ahead of the deliveries, at the most."""
LEASE_SECONDS = 30
LONG_WAIT = 10
"""Seconds that a run waits for a site which asked for a pause (Retry-After), at the most."""
OPEN_STATES = (SyncRun.State.QUEUED, SyncRun.State.RUNNING)
END = "\U0010ffff"
"""A cursor behind every user id: the walk is over, the deliveries may not be."""


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
    _one_at_a_time()
    chosen = list(sites if sites is not None else _active_sites())
    wanted = {site.pk for site in chosen}
    only = None if user_ids is None else list(user_ids)
    if scope != SyncRun.Scope.USERS and (open_run := _same(scope, only, wanted)):
        return open_run, False
    run = SyncRun.objects.create(scope=scope, user_ids=only, cause=cause, actor=actor)
    add_parts(run, chosen)
    if chosen and not run.parts.filter(finished=False).exists():
        # Nothing to send. Whoever asks the next moment does not join this.
        run.state, run.started_at, run.finished_at = SyncRun.State.FINISHED, run.created_at, timezone.now()
        run.save(update_fields=["state", "started_at", "finished_at"])
    return run, True


def _same(scope: str, user_ids: list[str] | None, site_ids: set[int]) -> SyncRun | None:
    """The run over the same that is not over yet."""
    for run in SyncRun.objects.filter(state__in=OPEN_STATES, scope=scope).prefetch_related("parts"):
        # Started by SQL and not yet begun, it names no sites: all active ones.
        its_sites = {part.site_id for part in run.parts.all()} or set(_active_sites().values_list("pk", flat=True))
        if run.user_ids == user_ids and its_sites == site_ids:
            return run
    return None


def _active_sites() -> QuerySet[ConnectedSite]:
    return ConnectedSite.objects.filter(is_active=True)


def walk_of(run: SyncRun) -> Walk:
    """Whom the run walks."""
    return Walk(run.user_ids, only_outdated=run.scope == SyncRun.Scope.PENDING)


def add_parts(run: SyncRun, sites: Sequence[ConnectedSite]) -> None:
    """Gives the run its sites, each with the number of deliveries to expect."""
    expected = walk_of(run).expected([site.pk for site in sites])
    RunSite.objects.bulk_create([_part(run, site, *expected[site.pk]) for site in sites], ignore_conflicts=True)


def _part(run: SyncRun, site: ConnectedSite, expected: int, is_exact: bool) -> RunSite:
    # Where there is certainly nothing to send, nobody need look again.
    over = is_exact and not expected
    return RunSite(run=run, site=site, total=expected, finished=over, cursor=END if over else "")


@fanout.retried_on_deadlock
@transaction.atomic
def cancel(run: SyncRun) -> bool:
    """Stops feeding the run and forgets that what it owes belongs to it; returns False when it was over already.

    What is already owed is still delivered: it cannot be known to be unneeded.
    """
    cancelled = SyncRun.objects.filter(pk=run.pk, state__in=OPEN_STATES).update(
        state=SyncRun.State.CANCELLED, finished_at=timezone.now(), lease_token=None, lease_until=None
    )
    if cancelled:
        # What is under way stays the run's, which waits for it should it be resumed.
        Delivery.objects.filter(run_id=run.pk, status="pending").exclude(pk__in=RawSQL(UNDER_WAY, [])).update(run_id=None)  # noqa: S611
    return bool(cancelled)


@transaction.atomic
def resume(run: SyncRun) -> SyncRun | None:
    """Has a cancelled run go on where it stopped, at each of its sites; returns it, or the run over the same that is under way instead.

    None when there is nothing to resume: it is not cancelled.
    """
    _one_at_a_time()
    run = SyncRun.objects.select_for_update().get(pk=run.pk)
    if run.state != SyncRun.State.CANCELLED:
        return None
    if run.scope != SyncRun.Scope.USERS:
        site_ids = set(run.parts.values_list("site_id", flat=True))
        if site_ids and (under_way := _same(run.scope, run.user_ids, site_ids)):
            return under_way
    run.state, run.finished_at, run.resumed_at = SyncRun.State.QUEUED, None, timezone.now()
    run.save(update_fields=["state", "finished_at", "resumed_at"])
    return run


def _one_at_a_time() -> None:
    with connection.cursor() as cursor:
        cursor.execute("select pg_advisory_xact_lock(hashtext('user_sync_run'))")


# What a paused site, one in quarantine, or one that asked for a long wait, is owed is the worker's: the run does not wait. Nor for a
# delivery that another operation's failed attempt had put off. Each site is looked at once and by index, whatever the statistics say: they
# are mostly of a moment at which nothing was pending, and with them a join of the two would compare each with each.
GIVE_UP = """
with troubled as materialized (
    select s.id from connected_sites s join user_sync_site_health h on h.site_id = s.id
    where h.quarantined_at is not null or h.paused_at is not null or not s.is_active
        or h.throttled_until > now() + make_interval(secs => %(wait)s)
), stuck as materialized (
    select d.id from troubled t cross join lateral (
        select d.id from user_sync_delivery d where d.site_id = t.id and d.status = 'pending' and d.run_id = %(run)s offset 0
    ) d
    union all
    -- By user_sync_delivery_due: what is due now is not read.
    select d.id from user_sync_run_site r cross join lateral (
        select d.id from user_sync_delivery d
        where d.site_id = r.site_id and d.run_id = r.run_id and d.status = 'pending'
            and d.next_attempt_at > now() + make_interval(secs => %(wait)s)
        offset 0
    ) d
    where r.run_id = %(run)s and not r.finished
)
update user_sync_delivery set run_id = null
where id = any (array(select id from stuck)) and run_id = %(run)s and status = 'pending' and id not in {under_way}
""".replace("{under_way}", UNDER_WAY)
# The total was an estimate made before the walk.
FED = "update user_sync_run_site set cursor = %(cursor)s, fed = fed + %(owed)s, total = greatest(total, fed + %(owed)s) where id = %(part)s"
FED_ALL = "update user_sync_run_site set cursor = %(cursor)s, fed = fed + %(owed)s, total = fed + %(owed)s where id = %(part)s"


@dataclass
class Feeder:
    """Holds the run's lease and feeds it. Any process can take over when the lease expires."""

    run: SyncRun

    def __post_init__(self) -> None:
        self._token = uuid.uuid4()
        self._walk = walk_of(self.run)

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
                add_parts(self.run, list(_active_sites()))
        return taken

    def step(self) -> bool:
        """Owes the next users where there is room, and renews the lease; returns whether the run is over (or another's)."""
        if not self.take():
            return True
        parts = list(self.run.parts.filter(finished=False).select_related("site").order_by("site_id"))
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

    @fanout.retried_on_deadlock
    def _outstanding(self) -> dict[int, int]:
        with connection.cursor() as cursor:
            cursor.execute(GIVE_UP, {"run": self.run.pk, "wait": LONG_WAIT})
            cursor.execute("select site_id, count(*) from user_sync_delivery where run_id = %s group by site_id", [self.run.pk])
            return dict(cursor.fetchall())

    def _advance(self, part: RunSite, outstanding: int) -> None:
        # A site that was deactivated meanwhile is owed nothing more; activated again, it catches up by itself.
        if part.cursor == END or not part.site.is_active:
            if not outstanding:
                self._finish(part)
            return
        if outstanding > WINDOW // 2:
            return
        self._feed(part, WINDOW - outstanding)

    @fanout.retried_on_deadlock
    @transaction.atomic
    def _feed(self, part: RunSite, limit: int) -> None:
        with connection.cursor() as cursor:
            # Held until the commit, so that neither a cancellation nor another feeder comes in between.
            cursor.execute(
                "select from user_sync_run where id = %s and state = 'running' and lease_token = %s for no key update",
                [self.run.pk, self._token],
            )
            if not cursor.rowcount:
                return
            owed, reached = self._walk.owe_next(
                part.site_id, part.cursor, limit, run_id=self.run.pk, cause=self.run.cause, actor=self.run.actor
            )
            if reached is not None:
                cursor.execute(FED, {"part": part.pk, "cursor": reached, "owed": owed})
            else:
                cursor.execute(FED_ALL, {"part": part.pk, "cursor": END, "owed": owed})
            tasks_queue.wake()

    def _finish(self, part: RunSite) -> None:
        # What another operation took over, or a site that cannot be sent to still waits for, is owed, not lost.
        RunSite.objects.filter(pk=part.pk).update(finished=True, total=F("fed"))


def waiting() -> list[int]:
    """Keys of runs that nobody feeds: new ones, and those whose process ended."""
    unheld = Q(lease_until=None) | Q(lease_until__lt=timezone.now())
    return list(SyncRun.objects.filter(unheld, state__in=OPEN_STATES).values_list("pk", flat=True))
