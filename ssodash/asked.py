"""What the dashboard's address asks for: which users, at which sites, in which state, from where on. Made to be shared as a link."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import urlencode

from django.conf import settings
from django.http import HttpRequest
from django.urls import reverse
from django.utils.translation import gettext as _

from sync.status import COLUMNS, LABELS, STATES, Filters, SiteOverview, sites_with

SEARCH_LENGTH = 200


@dataclass(frozen=True)
class Asked:
    """The address as it was understood. What was not is told in `faults`, and left out."""

    search: str = ""
    status: str = ""
    role: str = ""
    sites: tuple[str, ...] = ()
    """Names of the sites that are looked at; empty: all."""
    after: int | None = None
    before: int | None = None
    column: int = 0
    """How many columns come before the first that is shown."""
    all_cards: bool = False
    faults: list[str] = field(default_factory=list)

    @property
    def where(self) -> dict[str, Any]:
        """As parameters of an address, only those that say something."""
        named = {
            "q": self.search,
            "status": self.status,
            "role": self.role,
            "site": list(self.sites),
            "cards": "all" if self.all_cards else "",
            "col": self.column or "",
            "after": self.after,
            "before": self.before,
        }
        return {name: value for name, value in named.items() if value not in ("", None, [])}

    @property
    def address(self) -> str:
        """Of the page that shows this."""
        return _address(self.where)

    def leading(self, **changes: Any) -> str:
        """The address with something else, from the newest user on unless a key is given."""
        return replace(self, **{"after": None, "before": None, **changes}).address

    @property
    def is_narrowed(self) -> bool:
        return bool(self.search or self.status or self.role or self.sites)

    def filters(self, active: Sequence[SiteOverview]) -> Filters:
        """For the list of users."""
        sites = [overview for overview in active if not self.sites or overview.site.name in self.sites]
        return Filters(self.search, self.status, self.role, tuple(sites))

    def columns(self, active: Sequence[SiteOverview]) -> list[SiteOverview]:
        """The sites to go through side by side: those chosen; else, where there are very many, those in the state that is asked for."""
        chosen = list(self.filters(active).sites)
        return chosen if self.sites or len(chosen) <= COLUMNS else sites_with(chosen, self.status)

    def first_column(self, columns: int) -> int:
        """Where to begin among so many; at the beginning where the address says more than there are."""
        return self.column if self.column < columns else 0


def asked(request: HttpRequest, active: Sequence[SiteOverview]) -> Asked:
    """Reads the address. A link that names what is not there any more still shows the rest, and says so."""
    faults = []
    given = request.GET
    state, role = given.get("status", ""), given.get("role", "").replace("\x00", "")[:100]
    if state and state not in STATES:
        faults.append(
            _("Status: “%(given)s” is none. Choose one of: %(known)s.")
            % {"given": state[:50], "known": ", ".join(str(LABELS[key]) for key in STATES)}
        )
        state = ""
    names = {overview.site.name for overview in active}
    sites = list(dict.fromkeys(name for name in given.getlist("site") if name))
    for name in [name for name in sites if name not in names][:3]:
        faults.append(_("Site: no active site is named “%(given)s”. Choose from the list.") % {"given": name[:50]})
    return Asked(
        search=given.get("q", "").replace("\x00", "").strip()[:SEARCH_LENGTH],
        status=state,
        role=role,
        sites=tuple(name for name in sites if name in names),
        after=_number(given.get("after", "")),
        before=_number(given.get("before", "")),
        column=_number(given.get("col", "")) or 0,
        all_cards=given.get("cards") == "all",
        faults=faults,
    )


def roles(chosen: str) -> list[str]:
    """What can be chosen: the roles that forms accept, and the one chosen already, which only the database may know."""
    known = [str(role) for role in settings.SYNC_ROLES]
    return known if not chosen or chosen in known else [*known, chosen]


def _address(where: dict[str, Any]) -> str:
    return reverse("admin:index") + (f"?{urlencode(where, doseq=True)}" if where else "")


def _number(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else None
