"""What happened to a site as a whole, in words."""

from dataclasses import dataclass

from django.utils.translation import gettext as _

from sync.models import SiteEvent
from sync.status import words

LOOKS = {
    "quarantined": ("failed", "sync_problem"),
    "reopened": ("success", "check_circle"),
    "throttled": ("pending", "hourglass_top"),
    "paused": ("pending", "pause_circle"),
    "resumed": ("success", "play_circle"),
    "probe": ("in_progress", "network_ping"),
}
SHOWN = 20


@dataclass(frozen=True)
class EventLine:
    """An event in a list."""

    row: SiteEvent

    @property
    def when(self) -> str:
        return words.ago(self.row.at)

    @property
    def look(self) -> str:
        return LOOKS[self.row.kind][0]

    @property
    def symbol(self) -> str:
        return LOOKS[self.row.kind][1]

    @property
    def word(self) -> str:
        return self.row.get_kind_display()

    @property
    def who(self) -> str:
        return self.row.actor or _("The hub")


def site_events(site_id: int, limit: int = SHOWN, offset: int = 0) -> list[EventLine]:
    """The newest events of a site."""
    return [EventLine(row) for row in SiteEvent.objects.filter(site_id=site_id)[offset : offset + limit]]
