"""The users of a list as a file, in the columns that an import reads."""

import tempfile
from collections.abc import Iterator
from itertools import chain, islice
from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import FileResponse, HttpRequest, HttpResponseBase, HttpResponseRedirect
from django.urls import URLPattern, path, reverse
from django.utils.translation import gettext as _

from ssodash import csv_file
from ssodash.filter_bar import FilterBar, Link
from users.history import grouped
from users.imports.lines import FIELDS, shown
from users.models import UserProfile

CHUNK = 2000
WORKBOOK_ROWS = 50_000
"""A workbook cannot be sent while it is made; more than this is for CSV. An import takes as many."""
XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"


class ExportPages(FilterBar):
    """Adds the exports of what is filtered to the admin of users."""

    def get_urls(self) -> list[URLPattern]:
        own = [
            path("export/csv/", self.admin_site.admin_view(self.export_csv), name="users_userprofile_export"),
            path("export/xlsx/", self.admin_site.admin_view(self.export_xlsx), name="users_userprofile_export_xlsx"),
        ]
        return [*own, *super().get_urls()]

    def bar_links(self, request: HttpRequest, query: str) -> list[Link]:
        what = _("The users that are filtered, in the columns that an import reads")
        asked = f"?{query}" if query else ""
        return [
            *super().bar_links(request, query),
            Link(_("Export CSV"), "download", reverse("admin:users_userprofile_export") + asked, what),
            Link(_("Export XLSX"), "download", reverse("admin:users_userprofile_export_xlsx") + asked, what),
        ]

    def _filtered(self, request: HttpRequest) -> QuerySet[UserProfile]:
        if not self.has_view_or_change_permission(request):
            raise PermissionDenied
        found: QuerySet[UserProfile] = self.get_changelist_instance(request).get_queryset(request)
        return found

    def export_csv(self, request: HttpRequest) -> HttpResponseBase:
        return csv_file.response("users.csv", FIELDS, in_chunks(self._filtered(request)))

    def export_xlsx(self, request: HttpRequest) -> HttpResponseBase:
        rows = in_chunks(self._filtered(request))
        first = list(islice(rows, WORKBOOK_ROWS + 1))
        if len(first) > WORKBOOK_ROWS:
            text = _("More than %(limit)s users are too many for a workbook. Filter them, or export CSV.")
            messages.warning(request, text % {"limit": grouped(WORKBOOK_ROWS)})
            return HttpResponseRedirect(f"{reverse('admin:users_userprofile_changelist')}?{request.GET.urlencode()}")
        return FileResponse(workbook(first), as_attachment=True, filename="users.xlsx", content_type=XLSX)


def in_chunks(users: QuerySet[UserProfile]) -> Iterator[list[str]]:
    """Users as lines of a file, oldest first; never more than `CHUNK` of them in memory, and no cursor is held open."""
    wanted = users.order_by("pk")
    last = 0
    while chunk := list(wanted.filter(pk__gt=last).values_list("pk", *FIELDS)[:CHUNK]):
        for _key, *values in chunk:
            yield [shown(value) for value in values]
        last = chunk[-1][0]


def workbook(rows: list[list[str]]) -> Any:
    """A workbook in a temporary file: every cell is a text, so that nothing is calculated and no zero is lost."""
    import openpyxl  # here, for it is a quarter of a second of every start

    book = openpyxl.Workbook(write_only=True)
    sheet = book.create_sheet("users")
    for letter, width in zip("ABCDE", (34, 34, 28, 14, 12), strict=True):
        sheet.column_dimensions[letter].width = width
    for row in chain([FIELDS], rows):
        sheet.append([_text_cell(sheet, text) for text in row])
    file = tempfile.TemporaryFile()  # noqa: SIM115  (the response closes it)
    book.save(file)
    file.seek(0)
    return file


def _text_cell(sheet: Any, text: str) -> Any:
    from openpyxl.cell import WriteOnlyCell

    # A text cell is never calculated. Only what an import would take for a guard needs one.
    cell = WriteOnlyCell(sheet, text if csv_file.unguarded(text) == text else csv_file.guarded(text))
    cell.data_type = "s"
    return cell
