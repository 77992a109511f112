"""Why the hub waits with all of a site, in words: the same ones on every screen."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext, pgettext

from sites.models import ConnectedSite
from sync.models import SiteHealth
from sync.status import words

NAMED = 4
"""Sites that a message names at the most."""


@dataclass(frozen=True)
class Wait:
    """A site that is paused by a person, quarantined, or asked for a wait: `kind` is paused, quarantined or waiting."""

    kind: str
    since: datetime | None = None
    until: datetime | None = None
    """When it is tried again; None for a pause, which lasts until somebody ends it."""
    by: str = ""
    reason: str = ""

    @property
    def phrase(self) -> str:
        """Within a sentence: `paused by ann 5 min ago: maintenance`."""
        if self.kind == "waiting":
            return _("asked the hub to wait")
        if self.kind == "paused":
            text = _("paused by %(who)s %(when)s") if self.by else _("paused %(when)s")
        else:
            text = _("quarantined %(when)s")
        text %= {"who": self.by, "when": words.ago(self.since)}
        return f"{text}: {self.reason.rstrip('.')}" if self.reason else text

    @property
    def sentence(self) -> str:
        """On its own: `Paused by ann 5 min ago: maintenance.`"""
        if self.kind == "waiting":
            return _("The site asked the hub to wait.")
        phrase = self.phrase
        return f"{phrase[0].upper()}{phrase[1:]}."

    @property
    def then(self) -> str:
        """What ends it: `sent when the site is resumed`, `next try in 1 min`."""
        if self.kind == "paused":
            return _("sent when the site is resumed")
        return _("next try %(when)s") % {"when": words.until(self.until or timezone.now())}

    @property
    def clause(self) -> str:
        """Behind a site's name: `is paused by ann 5 min ago: maintenance; sent when the site is resumed`."""
        phrase = self.phrase if self.kind == "waiting" else pgettext("a site", "is %(waiting)s") % {"waiting": self.phrase}
        return f"{phrase}; {self.then}"


def wait_of(health: SiteHealth | None, now: datetime | None = None) -> Wait | None:
    """Why the hub waits with this site; None when it does not. A pause goes before all else: only a person ends it."""
    if health is None:
        return None
    now = now or timezone.now()
    throttled = health.throttled_until if health.throttled_until and health.throttled_until > now else None
    if health.paused_at:
        return Wait("paused", health.paused_at, None, health.paused_by, health.pause_reason)
    if health.quarantined_at:
        until = max(filter(None, [health.next_probe_at, throttled, now]))
        return Wait("quarantined", health.quarantined_at, until, reason=health.quarantine_reason)
    if throttled:
        return Wait("waiting", until=throttled, reason=health.last_error)
    return None


def waits(site_ids: Sequence[int]) -> dict[int, Wait]:
    """Those of these sites that the hub waits with, by key, in one query."""
    found = {health.site_id: wait_of(health) for health in SiteHealth.objects.filter(site_id__in=site_ids)}
    return {site_id: wait for site_id, wait in found.items() if wait}


def who_waits(sites: Sequence[ConnectedSite]) -> list[str]:
    """Those of these sites that the hub waits with, and why, a sentence each; the first few by name."""
    found = waits([site.pk for site in sites])
    told = [f"{site} {found[site.pk].clause}." for site in sites if site.pk in found]
    more = len(told) - NAMED
    if more <= 0:
        return told
    return [*told[:NAMED], ngettext("%(count)s more waits.", "%(count)s more wait.", more) % {"count": words.number(more)}]
