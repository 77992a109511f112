"""Every number and word that a screen shows, computed here, in a fixed number of queries."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import connection
from django.utils import timezone

from sites.models import ConnectedSite
from sync.models import SiteHealth, SyncRun

PAGE_SIZE = 50

LABELS = {"pending": "Pending", "in_progress": "In progress", "success": "In sync", "failed": "Failed"}


@dataclass(frozen=True)
class SiteStatus:
    """Where one user stands at one site."""

    site_name: str
    display_name: str
    status: str
    last_synced_at: datetime | None
    attempts: int
    next_attempt_at: datetime | None
    error_message: str | None
    in_scope: bool
    wanted_action: str
    site_id: int

    @property
    def label(self) -> str:
        """The status in a word or two; a settled removal is not called in sync."""
        if self.status == "success" and not self.in_scope:
            return "Removed" if self.last_synced_at else "Not needed"
        if self.status == "pending" and self.wanted_action == "delete":
            return "Removal pending"
        if self.status == "failed" and self.wanted_action == "delete":
            return "Removal failed"
        return LABELS[self.status]


@dataclass(frozen=True)
class UserStatus:
    """Where one user stands everywhere. `status` is the worst of the sites': failed, then pending, in_progress, success."""

    user_id: str
    email: str
    full_name: str
    status: str
    sites: list[SiteStatus] = field(default_factory=list)


WORST = ("failed", "pending", "in_progress", "success")

ROWS = """
select user_id, email, full_name, site_name, site_display_name, sync_status, last_synced_at, attempts, next_attempt_at, error_message,
    in_scope, wanted_action, site_id
from user_sync_status where user_id = any (%s) order by user_id, site_id
"""


def of_users(user_ids: Sequence[str]) -> dict[str, UserStatus]:
    """The status of these users, by public id, in one query. A user who is gone is there while a removal is unsettled."""
    with connection.cursor() as cursor:
        cursor.execute(ROWS, [list(user_ids)])
        rows = cursor.fetchall()
    people: dict[str, tuple[str, str]] = {}
    sites: dict[str, list[SiteStatus]] = {}
    for user_id, email, full_name, name, display, state, synced, tries, next_try, error, in_scope, action, site_id in rows:
        people[user_id] = (email, full_name)
        sites.setdefault(user_id, []).append(
            SiteStatus(name, display, state, synced, tries, next_try, error, in_scope, action, site_id)
        )
    found = {}
    for user_id, (email, full_name) in people.items():
        found[user_id] = UserStatus(user_id, email, full_name, worst(row.status for row in sites[user_id]), sites[user_id])
    return found


def of_user(user_id: str) -> UserStatus | None:
    """The status of one user; None when nobody of that id is known, or no site is active."""
    return of_users([user_id]).get(user_id)


def worst(states: Any) -> str:
    """The status that needs attention most; `success` of none."""
    present = set(states)
    return next((state for state in WORST if state in present), "success")


@dataclass(frozen=True)
class Counts:
    """How many users are in which state at a site (or in sum)."""

    success: int = 0
    pending: int = 0
    in_progress: int = 0
    failed: int = 0

    @property
    def total(self) -> int:
        return self.success + self.pending + self.in_progress + self.failed


@dataclass(frozen=True)
class SiteOverview:
    """A site card: what it is and how it is doing, in words."""

    site: ConnectedSite
    counts: Counts
    health: SiteHealth | None
    state: str
    """ok, pending, failing, quarantined, waiting or inactive."""
    words: str
    next_attempt_at: datetime | None = None


COUNTS = """
select s.id, v.sync_status, count(*)
from connected_sites s join user_sync_status v on v.site_id = s.id
where s.is_active group by s.id, v.sync_status
"""


def counts_by_site() -> dict[int, Counts]:
    """The counts of every active site, by its key, in one query."""
    with connection.cursor() as cursor:
        cursor.execute(COUNTS)
        rows = cursor.fetchall()
    raw: dict[int, dict[str, int]] = {}
    for site_id, state, number in rows:
        raw.setdefault(site_id, {})[state] = number
    return {site_id: Counts(**numbers) for site_id, numbers in raw.items()}


def sites_overview() -> list[SiteOverview]:
    """All sites with their health and counts, in three queries."""
    counts = counts_by_site()
    health = {row.site_id: row for row in SiteHealth.objects.all()}
    now = timezone.now()
    return [_overview(site, counts.get(site.pk, Counts()), health.get(site.pk), now) for site in ConnectedSite.objects.all()]


def _overview(site: ConnectedSite, counts: Counts, health: SiteHealth | None, now: datetime) -> SiteOverview:
    if not site.is_active:
        return SiteOverview(site, counts, health, "inactive", "Inactive: receives nothing; catches up when it is active again")
    if health and health.quarantined_at:
        words = f"Quarantined: {health.quarantine_reason}"
        return SiteOverview(site, counts, health, "quarantined", words, max(filter(None, [health.next_probe_at, now])))
    if health and health.throttled_until and health.throttled_until > now:
        return SiteOverview(site, counts, health, "waiting", "The site asked the hub to wait", health.throttled_until)
    open_ones = counts.pending + counts.in_progress
    if counts.failed:
        words = f"{counts.failed:,} failed" + (f", {open_ones:,} pending" if open_ones else "")
        return SiteOverview(site, counts, health, "failing", words)
    if open_ones:
        reason = f". Last error: {health.last_error}" if health and health.failures_in_row and health.last_error else ""
        return SiteOverview(site, counts, health, "pending", f"{open_ones:,} pending{reason}")
    return SiteOverview(site, counts, health, "ok", "In sync")


def totals(overviews: Sequence[SiteOverview]) -> Counts:
    """The sum over active sites."""
    every = [overview.counts for overview in overviews]
    return Counts(*(sum(getattr(c, name) for c in every) for name in ("success", "pending", "in_progress", "failed")))


@dataclass(frozen=True)
class RunProgress:
    """A run's counts. `rate` is deliveries per second since it started."""

    run: SyncRun
    total: int
    succeeded: int
    failed: int
    left_owed: int
    sites: int
    rate: float | None

    @property
    def done(self) -> int:
        return self.succeeded + self.failed + self.left_owed

    @property
    def percent(self) -> int:
        if self.run.state in {SyncRun.State.FINISHED}:
            return 100
        return min(99, 100 * self.done // self.total) if self.total else 0

    @property
    def is_over(self) -> bool:
        return self.run.state in {SyncRun.State.FINISHED, SyncRun.State.CANCELLED}


def progress(run: SyncRun) -> RunProgress:
    """How far a run is, in one query."""
    parts = list(run.parts.all())
    sums = {name: sum(getattr(part, name) for part in parts) for name in ("total", "succeeded", "failed", "left_owed")}
    ended = run.finished_at or timezone.now()
    seconds = (ended - run.started_at).total_seconds() if run.started_at else 0
    rate = (sums["succeeded"] + sums["failed"]) / seconds if seconds > 0.5 else None
    return RunProgress(run, sites=len(parts), rate=rate, **sums)


def current_run() -> RunProgress | None:
    """The run that is under way, or else the latest; None when there never was one."""
    run = SyncRun.objects.filter(state__in=[SyncRun.State.QUEUED, SyncRun.State.RUNNING]).first() or SyncRun.objects.first()
    return progress(run) if run else None


def worker_alive() -> bool:
    """Whether a worker reported lately."""
    with connection.cursor() as cursor:
        cursor.execute(
            "select exists (select from procrastinate_workers where last_heartbeat > now() - %s::interval)",
            [timedelta(seconds=settings.SYNC_WORKER_SILENT_SECONDS)],
        )
        return bool(cursor.fetchone()[0])
