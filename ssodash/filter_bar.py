"""A bar above an admin list: search, filters and what can be done with the list, in sight and without a script."""

from dataclasses import dataclass, field
from typing import Any

from django.contrib.admin.views.main import ORDER_VAR, SEARCH_VAR
from django.http import HttpRequest
from django.utils.translation import gettext as _

from ssodash.wrong_filters import ToldFilters


@dataclass(frozen=True)
class Control:
    """One control of the bar. `choices` are value, label and whether it is chosen; a control without any is an input of this `kind`."""

    name: str
    label: str
    value: str = ""
    choices: list[tuple[str, str, bool]] = field(default_factory=list)
    kind: str = "text"
    error: str = ""


@dataclass(frozen=True)
class Link:
    """A link at the end of the bar."""

    label: str
    icon: str
    url: str
    title: str = ""


@dataclass(frozen=True)
class Bar:
    """What the bar shows."""

    search: Control | None
    controls: list[Control]
    links: list[Link]
    notes: list[str]
    faults: dict[str, str]
    """What the address asks for and the list does not know, by parameter, a sentence each."""
    hidden: list[tuple[str, str]]
    is_filtered: bool


class FilterBar(ToldFilters):
    """For an admin whose filters all are SimpleListFilters. One with controls of its own has a method `controls`."""

    change_list_template = "admin/filtered_list.html"
    tells_by_messages = False

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        changelist = super().get_changelist_instance(request)
        changelist.bar = self._bar(request, changelist)
        changelist.has_filters = False  # or Unfold would show them a second time, in a sheet that needs scripts
        return changelist

    def bar_links(self, request: HttpRequest, query: str) -> list[Link]:
        """What can be done with the list; `query` is what the list is filtered by, for an address."""
        return []

    def bar_notes(self, request: HttpRequest, changelist: Any) -> list[str]:
        """What the person must know to read the list rightly."""
        return []

    def _bar(self, request: HttpRequest, changelist: Any) -> Bar:
        search = Control(SEARCH_VAR, str(self.search_help_text or _("Search")), changelist.query) if self.search_fields else None
        query = request.GET.copy()
        for own in ("p", "all", ORDER_VAR):
            query.pop(own, None)
        ordered = request.GET.get(ORDER_VAR, "")
        return Bar(
            search=search,
            controls=[control for spec in changelist.filter_specs for control in _controls(spec, changelist)],
            links=self.bar_links(request, query.urlencode()),
            notes=self.bar_notes(request, changelist),
            faults=changelist.wrong_filters,
            hidden=[(ORDER_VAR, ordered)] if ordered else [],
            is_filtered=bool(changelist.query or changelist.has_active_filters or changelist.wrong_filters),
        )


def _controls(spec: Any, changelist: Any) -> list[Control]:
    if hasattr(spec, "controls"):
        return list(spec.controls())
    chosen = spec.value() or ""
    name = str(spec.parameter_name)
    return [select(name, str(spec.title), chosen, [(str(value), str(label)) for value, label in spec.lookup_choices])]


def select(name: str, title: str, chosen: str, choices: list[tuple[str, str]]) -> Control:
    """A select that begins with no choice at all."""
    offered = [(value, label, value == chosen) for value, label in choices]
    label = title[:1].upper() + title[1:]
    return Control(name, label, chosen, [("", _("All"), not any(is_chosen for _v, _l, is_chosen in offered)), *offered])
