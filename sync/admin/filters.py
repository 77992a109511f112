"""Filters that never read a whole table to know their choices."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy

from sync import status
from sync.admin.period import PeriodFilter as PeriodFilter
from sync.admin.shared import site_choices
from sync.models import Action, UserSyncLog
from sync.status import standing
from sync.status.attempts import LOOKS


class SiteFilter(admin.SimpleListFilter):
    """By site, of those there are now."""

    title = gettext_lazy("site")
    parameter_name = "site_id"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return list(site_choices())

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(site_id=int(self.value() or 0)) if self.keeps_unknown else queryset

    @property
    def keeps_unknown(self) -> bool:
        """Whether it filters by what is not among its choices: the log still has the attempts of a site that is gone."""
        value = self.value() or ""
        return value.isascii() and value.isdigit() and len(value) < 19


class ResultFilter(admin.SimpleListFilter):
    """By what came of the attempt."""

    title = gettext_lazy("status")
    parameter_name = "status__exact"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Any:
        return [(value, LOOKS[value][2]) for value in UserSyncLog.Result.values]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(status=self.value()) if self.value() in UserSyncLog.Result.values else queryset


class TypeFilter(admin.SimpleListFilter):
    """By what the site was told: add or update, or remove."""

    title = gettext_lazy("type")
    parameter_name = "type"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Any:
        return Action.choices

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(type=self.value()) if self.value() in Action.values else queryset


class CauseFilter(admin.SimpleListFilter):
    """By what caused the attempt."""

    title = gettext_lazy("cause")
    parameter_name = "cause"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return list(status.CAUSES.items())

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(cause=self.value()) if self.value() in status.CAUSES else queryset


class DeliveryFilter(admin.SimpleListFilter):
    """Deliveries by status: the one that every screen shows, which may be ahead of the one that is written down."""

    title = gettext_lazy("status")
    parameter_name = "status__exact"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [(state, status.LABELS[state]) for state in status.STATES]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return standing.deliveries_that_are(queryset, str(self.value())) if self.value() in status.STATES else queryset


class StandingFilter(admin.SimpleListFilter):
    """Users by where they stand at the sites."""

    title = gettext_lazy("sync status")
    parameter_name = "sync_status"
    is_cut = False
    """There is so much that only the newest users were looked at."""

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [
            ("failed", gettext_lazy("Failed somewhere")),
            ("pending", gettext_lazy("Pending somewhere")),
            ("success", gettext_lazy("In sync everywhere")),
        ]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        if self.value() not in standing.STATES:
            return queryset
        found = standing.users_who_are(queryset, str(self.value()))
        self.is_cut = found.is_cut
        return found.users
