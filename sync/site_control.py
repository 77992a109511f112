"""What a person can do with a site as a whole: pause it, resume it, probe it. Pages, admin actions, the API and commands end here."""

from dataclasses import dataclass

from django.db import transaction
from django.db.models.functions import Now
from django.utils import timezone
from django.utils.translation import gettext as _

from sites.models import ConnectedSite
from sync import fanout, quarantine, redact, site_history, status, tasks_queue
from sync.models import Delivery, SiteEvent, SiteHealth

MAX_REASON = 300
"""Characters of a pause's reason."""


@dataclass(frozen=True)
class Told:
    """What came of it, in words, and whether anything changed."""

    message: str
    changed: bool


@fanout.retried_on_deadlock
@transaction.atomic
def pause_site(site: ConnectedSite, *, actor: str = "", reason: str = "") -> Told:
    """Has everything for this site wait until it is resumed: changes and removals, no tries spent, no probes. Its users stay pending.

    Other than a site that is made inactive, it is not reconciled for that. What is under way ends by itself.
    """
    health = _locked(site)
    wait = status.wait_of(health)
    if wait and wait.kind == "paused":
        return Told(_("Nothing changed: %(site)s is already %(paused)s.") % {"site": site, "paused": wait.phrase}, False)
    reason = redact.line(reason, MAX_REASON)
    health.paused_at, health.paused_by, health.pause_reason = timezone.now(), actor[:150], reason
    health.save(update_fields=["paused_at", "paused_by", "pause_reason"])
    site_history.note(site.pk, SiteEvent.Kind.PAUSED, reason=reason, actor=actor)
    told = _("%(site)s is paused: what it is owed waits, and no try is spent, until it is resumed.") % {"site": site}
    return Told(told if site.is_active else " ".join([told, _("It is inactive as well.")]), True)


@fanout.retried_on_deadlock
@transaction.atomic
def resume_site(site: ConnectedSite, *, actor: str = "") -> Told:
    """Ends whatever makes the hub wait with this site: a pause, a quarantine, the wait it asked for. What it is owed is due at once."""
    health = _locked(site)
    ended = _ended(health)
    if not ended:
        return Told(_("%(site)s is not paused; nothing changed.") % {"site": site}, False)
    quarantine.close(health)
    health.throttled_until = health.paused_at = None
    health.paused_by = health.pause_reason = ""
    health.save()
    site_history.note(site.pk, SiteEvent.Kind.RESUMED, reason=f"Ended {' and '.join(ended)}.", actor=actor)
    if not site.is_active:
        return Told(_("%(site)s is resumed, but inactive: activate it, and it catches up.") % {"site": site}, True)
    tasks_queue.wake()
    return Told(_with_worker(_("%(site)s receives again: what waited is due now.") % {"site": site}), True)


def _ended(health: SiteHealth) -> list[str]:
    """In English, as all that is kept: whoever reads it may read another language than who did it."""
    ended = []
    if health.paused_at is not None:
        ended.append("the pause")
    if health.quarantined_at is not None:
        ended.append("the quarantine")
    if health.throttled_until is not None and health.throttled_until > timezone.now():
        ended.append("the wait that the site asked for")
    return ended


@fanout.retried_on_deadlock
@transaction.atomic
def probe_site(site: ConnectedSite, *, actor: str = "") -> Told:
    """Has the worker send a quarantined site its next probe now instead of within the minute."""
    health = _locked(site)
    if health.paused_at is not None:
        return Told(_("%(site)s is paused: resume it, and it is sent everything that waits. Nothing was changed.") % {"site": site}, False)
    if health.quarantined_at is None:
        return Told(_("%(site)s is not quarantined, so there is nothing to probe; nothing changed.") % {"site": site}, False)
    if not site.is_active:
        return Told(_("%(site)s is inactive: activate it first. Nothing was changed.") % {"site": site}, False)
    if not Delivery.objects.filter(site_id=site.pk, status="pending").exists():
        told = _("%(site)s is owed nothing that a probe could be made with: the next change for it is one. Nothing was changed.")
        return Told(told % {"site": site}, False)
    health.next_probe_at, health.throttled_until = Now(), None  # by the database's clock, which the senders compare with
    health.save(update_fields=["next_probe_at", "throttled_until"])
    site_history.note(site.pk, SiteEvent.Kind.PROBE, actor=actor)
    tasks_queue.wake()
    told = _(
        "The worker sends %(site)s one delivery now. If it is answered, all that waits follows; if not, the next probe is in a minute."
    )
    return Told(_with_worker(told % {"site": site}), True)


def _locked(site: ConnectedSite) -> SiteHealth:
    SiteHealth.objects.get_or_create(site_id=site.pk)  # a trigger made it with the site
    return SiteHealth.objects.select_for_update(no_key=True).get(pk=site.pk)


def _with_worker(told: str) -> str:
    warning = status.no_worker()
    return f"{told} {warning}" if warning else told
