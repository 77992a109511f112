"""Which stretch of time a list shows: a period counted from now, or from one day to another, in the viewer's time zone."""

from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from ssodash.filter_bar import Control, select

PERIODS = {
    "hour": (gettext_lazy("The last hour"), timedelta(hours=1)),
    "day": (gettext_lazy("The last 24 hours"), timedelta(days=1)),
    "week": (gettext_lazy("The last 7 days"), timedelta(days=7)),
}
DAYS = {"today": (gettext_lazy("Today"), 0), "yesterday": (gettext_lazy("Yesterday"), 1)}
FROM, TO = "from", "to"


@dataclass(frozen=True)
class Stretch:
    """From `start` up to `end`, either of them open; `errors` by parameter, each with the remedy. What is wrong bounds nothing."""

    start: datetime | None = None
    end: datetime | None = None
    errors: dict[str, str] = field(default_factory=dict)

    @property
    def is_open(self) -> bool:
        return self.start is None and self.end is None

    def of(self, rows: QuerySet[Any]) -> QuerySet[Any]:
        """Those of these attempts that ended in it."""
        if self.start:
            rows = rows.filter(completed_at__gte=self.start)
        return rows.filter(completed_at__lt=self.end) if self.end else rows


def stretch(period: str, first: str, last: str, now: datetime) -> Stretch:
    """What is asked for. Days that are given go before a period; the last one is within."""
    errors: dict[str, str] = {}
    begins, ends = _day(first, FROM, errors), _day(last, TO, errors)
    if begins and ends and ends < begins:
        errors[TO] = _("It is before “From”. Choose a later day, or clear it.")
        ends = None
    if begins or ends or errors:
        return Stretch(_midnight(begins) if begins else None, _midnight(ends + timedelta(days=1)) if ends else None, errors)
    if period in DAYS:
        day = timezone.localdate(now) - timedelta(days=DAYS[period][1])
        return Stretch(_midnight(day), _midnight(day + timedelta(days=1)))
    return Stretch(now - PERIODS[period][1]) if period in PERIODS else Stretch()


def _day(text: str, name: str, errors: dict[str, str]) -> date | None:
    if not text:
        return None
    try:
        day = date.fromisoformat(text)
    except ValueError:
        day = None
    if day is None or not 2000 <= day.year <= 2200:
        errors[name] = _("Write the day like this: 2026-11-22.")
        return None
    return day


def _midnight(day: date) -> datetime:
    return timezone.make_aware(datetime.combine(day, time.min))


class PeriodFilter(admin.SimpleListFilter):
    """By when the attempt ended. Its dates are parameters of their own."""

    title = gettext_lazy("time")
    parameter_name = "period"

    def __init__(self, request: HttpRequest, params: dict[str, Any], model: Any, model_admin: Any) -> None:
        super().__init__(request, params, model, model_admin)
        for name in (FROM, TO):
            if name in params:
                self.used_parameters[name] = params.pop(name)[-1]
        self.stretch = stretch(self.value() or "", self._given(FROM), self._given(TO), timezone.now())

    def _given(self, name: str) -> str:
        return str(self.used_parameters.get(name, "")).strip()[:40]

    def expected_parameters(self) -> list[str | None]:
        return [self.parameter_name, FROM, TO]

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [(key, label) for key, (label, _length) in (DAYS | PERIODS).items()]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return self.stretch.of(queryset)

    def controls(self) -> list[Control]:
        dated = bool(self._given(FROM) or self._given(TO))
        choices = [(str(key), str(label)) for key, label in self.lookup_choices]
        errors = self.stretch.errors
        return [
            select("period", str(self.title), "" if dated else self.value() or "", choices),
            Control(FROM, _("From"), self._given(FROM), kind="date", error=errors.get(FROM, "")),
            Control(TO, _("To"), self._given(TO), kind="date", error=errors.get(TO, "")),
        ]
