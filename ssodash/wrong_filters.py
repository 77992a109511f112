"""What a list's address asks for and the list does not know: said, with what can be asked for instead."""

from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.views.main import ERROR_FLAG, IGNORED_PARAMS, PAGE_VAR
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext as _
from unfold.admin import ModelAdmin

LONGEST = 50
"""Characters of what was asked for that are repeated."""
NAMED = 12
"""Choices that are named at the most."""


class ToldFilters(ModelAdmin):
    """For an admin whose list says which filter of its address it did not understand: in messages, or as its own page has it."""

    tells_by_messages = True

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        changelist = super().get_changelist_instance(request)
        changelist.wrong_filters = wrong_filters(request, changelist)
        return changelist

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        response: HttpResponse = super().changelist_view(request, extra_context)
        changelist = (getattr(response, "context_data", None) or {}).get("cl")
        if self.tells_by_messages and request.method == "GET" and changelist is not None:
            for told in changelist.wrong_filters.values():
                messages.warning(request, told)
        return response


def wrong_filters(request: HttpRequest, changelist: Any) -> dict[str, str]:
    """By parameter of the address, a sentence about each that the list does not know."""
    said = {}
    for spec in changelist.filter_specs:
        for name in spec.expected_parameters():
            given = request.GET.get(name or "", "")
            if given and not any(choice.get("selected") for choice in spec.choices(changelist)) and name not in _own(spec):
                said[str(name)] = _not_a_choice(spec, given, changelist)
    offered = ", ".join(str(spec.title) for spec in changelist.filter_specs) or _("none")
    for name in request.GET:
        if name not in {*IGNORED_PARAMS, PAGE_VAR, ERROR_FLAG, *_expected(changelist)}:
            text = _("The address filters by “%(name)s”, which this list does not offer. Its filters are: %(known)s.")
            said[name] = text % {"name": _short(f"{name}={request.GET[name]}"), "known": offered}
    if ERROR_FLAG in request.GET:
        text = _("The address asked for a filter or a page that is not there, so it was left out. The filters are: %(known)s.")
        said[ERROR_FLAG] = text % {"known": offered}
    return said


def _own(spec: Any) -> set[str]:
    """Parameters whose values the filter itself speaks of."""
    return {str(name) for name in spec.expected_parameters()} - {spec.parameter_name} if hasattr(spec, "parameter_name") else set()


def _expected(changelist: Any) -> set[str]:
    """The parameters of all filters, of those too that have nothing to choose from now."""
    known = {str(name) for spec in changelist.filter_specs for name in spec.expected_parameters()}
    return known | {each.parameter_name for each in changelist.list_filter if getattr(each, "parameter_name", None)}


def _not_a_choice(spec: Any, given: str, changelist: Any) -> str:
    choices = [str(choice["display"]) for choice in spec.choices(changelist)][1:]
    known = ", ".join(choices[:NAMED]) + (" …" if len(choices) > NAMED else "")
    title = str(spec.title)
    if isinstance(spec, admin.SimpleListFilter) and not getattr(spec, "keeps_unknown", False):
        text = _("%(filter)s: “%(given)s” is not known here, so it was left out. Choose one of: %(known)s.")
    else:
        text = _("%(filter)s: “%(given)s” is not known here. Choose one of: %(known)s.")
    return text % {"filter": title[:1].upper() + title[1:], "given": _short(given), "known": known}


def _short(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}…"
