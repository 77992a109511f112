"""How the sites are doing."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import connection
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from sites.models import ConnectedSite
from sync.models import SiteHealth
from sync.status import words
from sync.status.waits import Wait, wait_of


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


LABELS: dict[str, str | Promise] = {
    "ok": gettext_lazy("In sync"),
    "pending": gettext_lazy("Pending"),
    "failing": gettext_lazy("Failing"),
    "paused": gettext_lazy("Paused"),
    "quarantined": gettext_lazy("Quarantined"),
    "waiting": gettext_lazy("Asked to wait"),
    "inactive": gettext_lazy("Inactive"),
    "empty": gettext_lazy("No users"),
}
LOOKS = {
    "ok": ("success", "check_circle"),
    "pending": ("pending", "schedule"),
    "failing": ("failed", "error"),
    "paused": ("pending", "pause_circle"),
    "quarantined": ("failed", "sync_problem"),
    "waiting": ("pending", "hourglass_top"),
    "inactive": ("none", "block"),
    "empty": ("none", "person_off"),
}
URGENCY = ("quarantined", "failing", "waiting", "paused", "pending", "ok", "empty", "inactive")
"""Which of very many sites a person wants to see first."""
SOON = timedelta(seconds=15)
"""What is tried within this time is moving, for who looks on."""


@dataclass(frozen=True)
class SiteOverview:
    """A site card: what it is and how it is doing, in words."""

    site: ConnectedSite
    counts: Counts
    health: SiteHealth | None
    state: str
    """ok, pending, failing, paused, quarantined, waiting, inactive or empty."""
    words: str
    next_attempt_at: datetime | None = None
    wait: Wait | None = None
    """Why the hub waits with the whole site; of an inactive one, why it would."""
    access: str = ""
    """That access may remain at the site, where removals failed."""

    @property
    def label(self) -> str:
        return str(LABELS[self.state])

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
    def since(self) -> datetime | None:
        """Since when the hub waits with the whole site."""
        return self.wait.since if self.wait and self.state == self.wait.kind else None

    @property
    def reason(self) -> str:
        """What is the matter, where `label` and `since` say that the site is quarantined; else its `words`."""
        if self.state != "quarantined" or self.wait is None or not self.wait.reason:
            return self.words
        told = [f"{self.wait.reason.rstrip('.')}."]
        if self.counts.open:
            told.append(_("%(users)s.") % {"users": words.count(self.counts.open, "user waits", "users wait")})
        else:
            told.append(_("Nothing is owed to it now: the next change for it is the probe."))
        return " ".join(filter(None, [*told, self.access]))

    @property
    def is_compared(self) -> bool:
        """Whether users are not written down as owed yet: the site is new, moved, re-scoped or activated, and its reconcile is not done."""
        health = self.health
        return (
            health is not None
            and health.reconcile_wanted != health.reconcile_done
            and health.reconcile_reason not in {"daily", "asked for"}
        )

    @property
    def is_moving(self) -> bool:
        """Whether its counts may change any moment, without anybody's doing. What a paused site is owed waits for a person."""
        if not self.site.is_active:
            return False
        if self.counts.in_progress:
            return True
        if not self.counts.open or self.wait:
            return False
        return self.counts.next_attempt_at is None or self.counts.next_attempt_at < timezone.now() + SOON

    @property
    def last_success(self) -> str:
        """When the site last accepted something."""
        return words.ago(self.health.last_success_at if self.health else None)

    @property
    def can_resume(self) -> bool:
        """Whether the hub waits with the whole site, which a person can end."""
        return self.wait is not None

    @property
    def can_pause(self) -> bool:
        """Whether a person can have the hub wait with it."""
        return self.wait is None or self.wait.kind != "paused"

    @property
    def can_probe(self) -> bool:
        """Whether a probe now, instead of within the minute, would tell something."""
        return self.state == "quarantined" and self.counts.open > 0


def counts_by_site(site_id: int | None = None) -> dict[int, Counts]:
    """The counts of every active site (or of one), by its key, in one query, at the cost of what is not in sync."""
    with connection.cursor() as cursor:
        cursor.execute("select site_id, in_sync, pending, in_progress, failed, next_attempt_at from user_sync_counts(%s)", [site_id])
        return {key: Counts(*numbers) for key, *numbers in cursor.fetchall()}


LOOKED_AT = 10_000
"""Failed deliveries that are looked through for removals, over all sites together."""

FAILED = """
select s.id, coalesce(u.email, f.attempted_email, f.user_id), f.last_error, f.removals
from unnest(%s::bigint[]) s (id)
cross join lateral (
    select user_id, attempted_email, last_error, count(*) filter (where wanted_action = 'delete') over () as removals
    from (
        select user_id, attempted_email, last_error, wanted_action from user_sync_delivery d
        where d.site_id = s.id and d.status = 'failed' order by d.user_id limit %s
    ) looked
    order by wanted_action = 'delete' desc, user_id limit 1
) f
left join user_profiles u on u.user_id = f.user_id
"""


@dataclass(frozen=True)
class Failures:
    """Of those who failed at a site: one of them and why, a removal if there is one, and that removals are among them."""

    example: str = ""
    access: str = ""


def sites_overview() -> list[SiteOverview]:
    """All sites with their health and counts, in three queries, and a fourth where a site fails."""
    # A table before the function that counts: where neither is there, "relation … does not exist" is what has a remedy.
    health = {row.site_id: row for row in SiteHealth.objects.all()}
    counts = counts_by_site()
    failures = _failures(counts)
    now = timezone.now()
    return [
        _overview(site, counts.get(site.pk, Counts()), health.get(site.pk), failures.get(site.pk, Failures()), now)
        for site in ConnectedSite.objects.all()
    ]


def site_overview(site: ConnectedSite) -> SiteOverview:
    """One site with its health and counts, in two queries, or three where it fails."""
    health = SiteHealth.objects.filter(pk=site.pk).first()
    counts = counts_by_site(site.pk)
    return _overview(site, counts.get(site.pk, Counts()), health, _failures(counts).get(site.pk, Failures()), timezone.now())


def _failures(counts: dict[int, Counts]) -> dict[int, Failures]:
    """What there is to say of those who failed, at each site where some did."""
    failing = [site_id for site_id, numbers in counts.items() if numbers.failed]
    if not failing:
        return {}
    at_each = LOOKED_AT // len(failing) + 1
    with connection.cursor() as cursor:
        cursor.execute(FAILED, [failing, at_each])
        return {
            site_id: Failures(f"{who}: {error.rstrip('.')}.", _access(removals, is_all=counts[site_id].failed <= at_each))
            for site_id, who, error, removals in cursor.fetchall()
        }


def _access(removals: int, *, is_all: bool) -> str:
    if not removals:
        return ""
    if not is_all:
        return _("Removals are among what failed: access may remain at this site.")
    said = ngettext(
        "%(count)s removal failed: access may remain at this site.", "%(count)s removals failed: access may remain at this site.", removals
    )
    return said % {"count": words.number(removals)}


def _overview(site: ConnectedSite, counts: Counts, health: SiteHealth | None, failures: Failures, now: datetime) -> SiteOverview:
    wait = wait_of(health, now)
    if not site.is_active:
        told = [_("Receives nothing. Activate it, and it catches up.")]
        told += [wait.sentence] if wait and wait.kind == "paused" else []
        return SiteOverview(site, counts, health, "inactive", " ".join(told), wait=wait)
    if wait:
        return SiteOverview(site, counts, health, wait.kind, _waiting(wait, counts, health, failures), wait.until, wait, failures.access)
    numbers = {"failed": words.number(counts.failed), "pending": words.number(counts.open), "total": words.number(counts.total)}
    if counts.failed:
        told = [
            (_("%(failed)s of %(total)s failed, %(pending)s pending.") if counts.open else _("%(failed)s of %(total)s failed.")) % numbers
        ]
        return SiteOverview(
            site, counts, health, "failing", " ".join(filter(None, [*told, failures.access, failures.example])), access=failures.access
        )
    if counts.open:
        told = [_("%(pending)s of %(total)s pending.") % numbers]
        failing = bool(health and health.failures_in_row and health.last_error)
        if health and failing:
            told.append(_("Last error: %(error)s.") % {"error": health.last_error.rstrip(".")})
        return SiteOverview(site, counts, health, "pending", " ".join(told), counts.next_attempt_at if failing else None)
    if not counts.total:
        return SiteOverview(site, counts, health, "empty", _("No user belongs here yet."))
    return SiteOverview(site, counts, health, "ok", _("All %(users)s.") % {"users": words.count(counts.total, "user")})


def _waiting(wait: Wait, counts: Counts, health: SiteHealth | None, failures: Failures) -> str:
    said = [wait.sentence]
    if wait.kind == "paused":
        waiting = _("%(users)s.") % {"users": words.count(counts.open, "user waits", "users wait")}
        said.append(waiting if counts.open else _("Nothing waits yet."))
        if health and health.last_error and (health.failures_in_row or health.quarantined_at):
            said.append(_("Last error: %(error)s.") % {"error": health.last_error.rstrip(".")})
    elif wait.kind == "quarantined" and not counts.open:
        said.append(_("Nothing is owed to it now: the next change for it is the probe."))
    return " ".join(filter(None, [*said, failures.access]))


def by_urgency(overviews: Sequence[SiteOverview]) -> list[SiteOverview]:
    """Those that need somebody first, else in their order."""
    return sorted(overviews, key=lambda overview: URGENCY.index(overview.state))


def totals(overviews: Sequence[SiteOverview]) -> Counts:
    """The sum over active sites."""
    every = [overview.counts for overview in overviews]
    return Counts(*(sum(getattr(c, name) for c in every) for name in ("success", "pending", "in_progress", "failed")))
