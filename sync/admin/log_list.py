"""The list of attempts over a log of any size: every query looks at a bounded number of rows, and says so where that hides something."""

import time
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext as _
from unfold.views import ChangeList

from sync import status
from sync.admin.period import PeriodFilter, Stretch
from sync.admin.shared import COUNTED
from sync.models import UserSyncLog

LOOK = 100_000
"""Attempts that are looked through, newest first, for what no index knows: cause, type, and the email of someone who is gone."""
WINDOW = 5_000
EXPORT_SECONDS = 120
EXPORT_ROWS = 500_000
NO_INDEX = ("cause", "type")

COLUMNS = (
    "completed_at", "started_at", "user_id", "email", "site", "type", "status", "outcome", "http_code", "duration_ms", "error", "cause",
    "actor", "message_id", "version", "generation", "run", "attempt_id",
)  # fmt: skip
NEWEST_FIRST = ("-completed_at", "-id")


class AttemptList(ChangeList):
    """`queryset` is what the list shows; `everything` is all that is asked for, to be read by `exported` only."""

    everything: QuerySet[UserSyncLog]
    must_look = False
    """Whether rows must be read to know whether they match, and nothing else says which few."""
    looked_since: datetime | None = None
    """Attempts before it were not looked through."""

    def get_queryset(self, request: HttpRequest, exclude_parameters: list[str | None] | None = None) -> QuerySet[UserSyncLog]:
        rows: QuerySet[UserSyncLog] = super().get_queryset(request, exclude_parameters)
        self.everything = rows
        if not self.stretch.is_open:
            # By the index on the time. In the order of ids the planner would walk from the newest attempt to the day that is asked for.
            rows = rows.order_by(*NEWEST_FIRST)
        self.must_look = self._must_look(request)
        if self.must_look:
            self.looked_since = self._reach(LOOK)
            rows = (rows.filter(completed_at__gte=self.looked_since) if self.looked_since else rows).order_by(*NEWEST_FIRST)
        return rows

    @property
    def stretch(self) -> Stretch:
        """The time that is asked for."""
        return next((spec.stretch for spec in self.filter_specs if isinstance(spec, PeriodFilter)), Stretch())

    def _must_look(self, request: HttpRequest) -> bool:
        found = self.model_admin.search(request, self.query)
        if found.is_narrow:
            return False
        return found.reads_emails or any(spec.parameter_name in NO_INDEX and spec.value() for spec in self.filter_specs)

    def _reach(self, number: int, before: datetime | None = None) -> datetime | None:
        """When the attempt ended that has so many newer ones in the time that is asked for; None where there are not so many."""
        rows = self.stretch.of(UserSyncLog.objects.order_by("-completed_at"))
        if before:
            rows = rows.filter(completed_at__lt=before)
        return rows.values_list("completed_at", flat=True)[number : number + 1].first()

    def notes(self) -> list[str]:
        """What the person must know to read the list rightly."""
        said = []
        if self.looked_since:
            text = _("Only the %(count)s newest attempts were looked through, back to %(when)s. Choose a time before that to look further.")
            said.append(text % {"count": status.number(LOOK), "when": status.exact(self.looked_since)})
        if self.result_count >= COUNTED:
            text = _("More than %(count)s attempts match. Choose a site or a time to see older ones; the CSV has them all.")
            said.append(text % {"count": status.number(COUNTED)})
        return said

    def exported(self) -> Iterator[list[str]]:
        """All that is asked for, newest first, as lines of a file: some thousand at a time, and not for ever."""
        ends = time.monotonic() + EXPORT_SECONDS
        rows = 0
        for chunk in self._windows() if self.must_look or not self.stretch.is_open else self._chunks():
            yield from map(_line, chunk)
            rows += len(chunk)
            if rows >= EXPORT_ROWS or time.monotonic() > ends:
                text = _("Not complete: the file ends here, after %(count)s attempts. Choose a shorter time, and export again.")
                yield [text % {"count": status.number(rows)}]
                return

    def _chunks(self) -> Iterator[list[UserSyncLog]]:
        """By key: the index of what is filtered by is in that order."""
        wanted = self.everything.order_by("-id")
        last: int | None = None
        while chunk := list((wanted if last is None else wanted.filter(pk__lt=last))[:WINDOW]):
            yield chunk
            last = chunk[-1].pk

    def _windows(self) -> Iterator[list[UserSyncLog]]:
        """So many attempts at a time, whether they match or not: one that matches none costs no more than another."""
        wanted = self.everything.order_by(*NEWEST_FIRST)
        before: datetime | None = None
        while True:
            # The window begins with all attempts of that same moment: none of them may fall between two windows.
            floor = self._reach(WINDOW, before)
            window = Q(completed_at__gte=floor) if floor else Q()
            if before:
                window &= Q(completed_at__lt=before)
            yield list(wanted.filter(window))
            if floor is None:
                return
            before = floor


def _line(row: UserSyncLog) -> list[str]:
    values: tuple[Any, ...] = (
        _moment(row.completed_at), _moment(row.started_at), row.user_id, row.email, row.site_name, row.type, row.status, row.outcome,
        row.http_code, row.duration_ms, row.error, row.cause, row.actor, row.message_id, row.version, row.generation, row.run_id,
        row.attempt_id,
    )  # fmt: skip
    return ["" if value is None else str(value) for value in values]


def _moment(at: datetime) -> str:
    return timezone.localtime(at).isoformat(timespec="milliseconds")
