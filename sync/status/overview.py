"""How the sites are doing."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import connection
from django.utils import timezone

from sites.models import ConnectedSite
from sync.models import SiteHealth
from sync.status import words


@dataclass(frozen=True)
class Counts:
    """How many users are in which state at a site (or in sum)."""

    success: int = 0
    pending: int = 0
    in_progress: int = 0
    failed: int = 0
    next_attempt_at: datetime | None = None
    """When the first of the pending ones is tried next."""

    @property
    def total(self) -> int:
        return self.success + self.pending + self.in_progress + self.failed

    @property
    def open(self) -> int:
        """What is still to be sent, or under way."""
        return self.pending + self.in_progress


LABELS = {
    "ok": "In sync",
    "pending": "Pending",
    "failing": "Failing",
    "quarantined": "Quarantined",
    "waiting": "Asked to wait",
    "inactive": "Inactive",
    "empty": "No users",
}
LOOKS = {
    "ok": ("success", "check_circle"),
    "pending": ("pending", "schedule"),
    "failing": ("failed", "error"),
    "quarantined": ("failed", "pause_circle"),
    "waiting": ("pending", "hourglass_top"),
    "inactive": ("none", "block"),
    "empty": ("none", "person_off"),
}


@dataclass(frozen=True)
class SiteOverview:
    """A site card: what it is and how it is doing, in words."""

    site: ConnectedSite
    counts: Counts
    health: SiteHealth | None
    state: str
    """ok, pending, failing, quarantined, waiting, inactive or empty."""
    words: str
    next_attempt_at: datetime | None = None

    @property
    def label(self) -> str:
        return LABELS[self.state]

    @property
    def look(self) -> str:
        """The state's name for styles, the same as for a user's statuses."""
        return LOOKS[self.state][0]

    @property
    def symbol(self) -> str:
        """The icon beside the label, a Material Symbol."""
        return LOOKS[self.state][1]

    @property
    def next_words(self) -> str:
        """When the hub tries the site again, if it waits with all of it."""
        return words.until(self.next_attempt_at)

    @property
    def last_success(self) -> str:
        """When the site last accepted something."""
        return words.ago(self.health.last_success_at if self.health else None)

    @property
    def can_resume(self) -> bool:
        """Whether the hub waits with the whole site, which a person can end."""
        return self.state in {"quarantined", "waiting"}


COUNTS = """
select s.id, v.sync_status, count(*), min(v.next_attempt_at)
from connected_sites s join user_sync_status v on v.site_id = s.id
where s.is_active and (%(site)s::bigint is null or s.id = %(site)s::bigint) group by s.id, v.sync_status
"""


def counts_by_site(site_id: int | None = None) -> dict[int, Counts]:
    """The counts of every active site (or of one), by its key, in one query."""
    with connection.cursor() as cursor:
        cursor.execute(COUNTS, {"site": site_id})
        rows = cursor.fetchall()
    raw: dict[int, dict[str, Any]] = {}
    for key, state, number, next_attempt_at in rows:
        raw.setdefault(key, {})[state] = number
        if state == "pending":
            raw[key]["next_attempt_at"] = next_attempt_at
    return {key: Counts(**numbers) for key, numbers in raw.items()}


def sites_overview() -> list[SiteOverview]:
    """All sites with their health and counts, in three queries."""
    counts = counts_by_site()
    health = {row.site_id: row for row in SiteHealth.objects.all()}
    now = timezone.now()
    return [_overview(site, counts.get(site.pk, Counts()), health.get(site.pk), now) for site in ConnectedSite.objects.all()]


def site_overview(site: ConnectedSite) -> SiteOverview:
    """One site with its health and counts, in two queries."""
    health = SiteHealth.objects.filter(pk=site.pk).first()
    return _overview(site, counts_by_site(site.pk).get(site.pk, Counts()), health, timezone.now())


def _overview(site: ConnectedSite, counts: Counts, health: SiteHealth | None, now: datetime) -> SiteOverview:
    if not site.is_active:
        return SiteOverview(site, counts, health, "inactive", "Receives nothing. Activate it, and it catches up.")
    if health and health.quarantined_at:
        told = f"Paused {words.ago(health.quarantined_at, now)}: {health.quarantine_reason.rstrip('.')}."
        return SiteOverview(site, counts, health, "quarantined", told, max(filter(None, [health.next_probe_at, now])))
    if health and health.throttled_until and health.throttled_until > now:
        return SiteOverview(site, counts, health, "waiting", "The site asked the hub to wait.", health.throttled_until)
    if counts.failed:
        told = f"{counts.failed:,} of {counts.total:,} failed" + (f", {counts.open:,} pending" if counts.open else "") + "."
        return SiteOverview(site, counts, health, "failing", told)
    if counts.open:
        reason = f" Last error: {health.last_error.rstrip('.')}." if health and health.failures_in_row and health.last_error else ""
        next_try = counts.next_attempt_at if reason else None
        return SiteOverview(site, counts, health, "pending", f"{counts.open:,} of {counts.total:,} pending.{reason}", next_try)
    if not counts.total:
        return SiteOverview(site, counts, health, "empty", "No user belongs here yet.")
    return SiteOverview(site, counts, health, "ok", f"All {words.count(counts.total, 'user')}.")


def totals(overviews: Sequence[SiteOverview]) -> Counts:
    """The sum over active sites."""
    every = [overview.counts for overview in overviews]
    return Counts(*(sum(getattr(c, name) for c in every) for name in ("success", "pending", "in_progress", "failed")))
