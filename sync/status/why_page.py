"""The sites on a user's page: all of few; of many a page at a time, those that need attention first, and those that are looked for."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from urllib.parse import urlencode

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy

from sites.models import ConnectedSite
from sync.status.pairs import LABELS, SiteStatus, UserStatus
from sync.status.why import Why, all_sites, why
from users.models import UserProfile

PAGE_SIZE = 25
STATES: dict[str, str | Promise] = {
    "failed": LABELS["failed"],
    "pending": LABELS["pending"],
    "in_progress": LABELS["in_progress"],
    "success": LABELS["success"],
    "removed": gettext_lazy("Removed"),
    "none": gettext_lazy("Not needed"),
    "inactive": gettext_lazy("Site inactive"),
}
"""What can be looked for."""
URGENCY = {"failed": 0, "pending": 1, "in_progress": 2, "warning": 3}


@dataclass(frozen=True)
class Asked:
    """Which sites are looked for, and which page of them, as the address says it."""

    search: str = ""
    state: str = ""
    page: int = 1
    list_filters: str = ""
    """Those of the list of users, to which the admin leads back from here."""

    @classmethod
    def of(cls, given: Mapping[str, str]) -> "Asked":
        """Of an address; what it says wrongly is left out."""
        number = given.get("sites_page", "")
        return cls(
            given.get("site", "").replace("\x00", "").strip()[:200],
            given.get("site_status", "") if given.get("site_status") in STATES else "",
            max(1, int(number)) if number.isascii() and number.isdigit() and len(number) < 9 else 1,
            given.get("_changelist_filters", ""),
        )

    @property
    def address(self) -> str:
        """Of the same page with this."""
        page = str(self.page) if self.page > 1 else ""
        named = {"site": self.search, "site_status": self.state, "sites_page": page, "_changelist_filters": self.list_filters}
        return f"?{urlencode({name: value for name, value in named.items() if value})}"


@dataclass(frozen=True)
class WhyPage:
    """A page of the sites."""

    whys: list[Why]
    asked: Asked
    total: int
    """Sites there are."""
    found: int
    """Sites that match."""
    states: list[tuple[str, str, int]]
    """What can be looked for: name, label, and at how many sites it is so."""

    @property
    def is_paged(self) -> bool:
        """Whether there are more sites than a page shows, so that there is something to look for."""
        return self.total > PAGE_SIZE

    @property
    def is_narrowed(self) -> bool:
        """Whether some of the sites are looked for."""
        return bool(self.asked.search or self.asked.state)

    @property
    def everything(self) -> str:
        """Where all sites are."""
        return replace(self.asked, search="", state="", page=1).address

    @property
    def first(self) -> int:
        """The number of the first site that is shown."""
        return (self.asked.page - 1) * PAGE_SIZE + 1

    @property
    def last(self) -> int:
        return self.first + len(self.whys) - 1

    @property
    def earlier(self) -> str:
        """Where the page before is; empty on the first."""
        return replace(self.asked, page=self.asked.page - 1).address if self.asked.page > 1 else ""

    @property
    def later(self) -> str:
        """Where the next page is; empty on the last."""
        return replace(self.asked, page=self.asked.page + 1).address if self.last < self.found else ""


def why_page(user: UserProfile, state: UserStatus | None, asked: Asked) -> WhyPage:
    """Why this user is, or is not, at the sites of this page. In as many queries as `why`."""
    at = {site.site_id: site for site in state.sites} if state else {}
    sites = all_sites()
    counts = Counter(_state(site, at.get(site.pk)) for site in sites)
    states = [(name, str(label), counts[name]) for name, label in STATES.items() if counts[name]]
    if len(sites) <= PAGE_SIZE:
        return WhyPage(why(user, state, sites), Asked(), len(sites), len(sites), states)
    found = [site for site in sites if _matches(site, at.get(site.pk), asked)]
    found.sort(key=lambda site: _urgency(at.get(site.pk)))
    pages = max(1, -(-len(found) // PAGE_SIZE))
    asked = replace(asked, page=min(asked.page, pages))
    shown: Sequence[ConnectedSite] = found[(asked.page - 1) * PAGE_SIZE : asked.page * PAGE_SIZE]
    return WhyPage(why(user, state, shown), asked, len(sites), len(found), states)


def _state(site: ConnectedSite, at: SiteStatus | None) -> str:
    if at is None:
        return "none" if site.is_active else "inactive"
    return "success" if at.look == "warning" else at.look


def _matches(site: ConnectedSite, at: SiteStatus | None, asked: Asked) -> bool:
    named = asked.search.lower()
    called = not named or named in site.name.lower() or named in str(site).lower()
    return called and (not asked.state or asked.state == _state(site, at))


def _urgency(at: SiteStatus | None) -> int:
    return URGENCY.get(at.look, len(URGENCY)) if at else len(URGENCY)
