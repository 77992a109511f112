"""The pages of an import: choose a file, look at what it does row by row, import, and see what came of it."""

import uuid
from collections.abc import Iterator
from functools import partial
from typing import Any

from django import forms
from django.conf import settings
from django.contrib import messages
from django.contrib.admin.models import ADDITION, CHANGE
from django.core.exceptions import PermissionDenied
from django.http import FileResponse, Http404, HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.timezone import localtime
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from ssodash import csv_file
from ssodash.filter_bar import FilterBar, Link
from users import history
from users.export import XLSX, workbook
from users.history import Changed, grouped
from users.imports import lines, preview, sheet, shown, write
from users.models import UserProfile
from users.uploads import UserImport, UserImportRow

NAMED = 500
"""Up to so many users each get an entry in the history, and the sites that hear of them are waited for."""
MEGABYTES = sheet.MAX_BYTES // 1024 // 1024
FILE_HINT = gettext_lazy("CSV or Excel workbook (.xlsx), at most %(mb)s MB and %(rows)s users.")


class UploadForm(forms.Form):
    """One file."""

    file = forms.FileField(
        label=gettext_lazy("File"),
        error_messages={
            "required": gettext_lazy("Choose a file first."),
            "empty": gettext_lazy("The file is empty. Its first line names the columns, the lines below are users."),
        },
    )

    def clean_file(self) -> Any:
        file = self.cleaned_data["file"]
        if file.size > sheet.MAX_BYTES:
            raise forms.ValidationError(_("The file is larger than %(limit)s MB. Split it into several files.") % {"limit": MEGABYTES})
        return file


class ImportPages(FilterBar):
    """Adds the import to the admin of users. Who may not both add and change users does not see it."""

    def get_urls(self) -> list[URLPattern]:
        guarded = self.admin_site.admin_view
        own = [
            path("import/", guarded(self.import_page), name="users_userprofile_import"),
            path("import/template.csv", guarded(self.template_csv), name="users_userprofile_import_template"),
            path("import/template.xlsx", guarded(self.template_xlsx), name="users_userprofile_import_template_xlsx"),
            path("import/<uuid:token>/", guarded(self.preview_page), name="users_userprofile_import_preview"),
            path("import/<uuid:token>/errors.csv", guarded(self.errors_csv), name="users_userprofile_import_errors"),
        ]
        return [*own, *super().get_urls()]

    def bar_links(self, request: HttpRequest, query: str) -> list[Link]:
        links = super().bar_links(request, query)
        if self.may_import(request):
            title = _("Add and change many users from a CSV or Excel file")
            links.insert(0, Link(_("Import"), "upload", reverse("admin:users_userprofile_import"), title))
        return links

    def may_import(self, request: HttpRequest) -> bool:
        """Whether this login may add and change users."""
        return bool(self.has_add_permission(request) and self.has_change_permission(request))

    def after_import(self, request: HttpRequest, changed: Changed) -> None:
        """Called when an import is written and committed, for whoever knows what else there is to say."""

    # --- choosing a file -------------------------------------------------------------------------------------------------

    def import_page(self, request: HttpRequest) -> HttpResponse:
        self._require(request)
        form = UploadForm(request.POST, request.FILES) if request.method == "POST" else UploadForm()
        if form.is_bound and form.is_valid():
            file = form.cleaned_data["file"]
            try:
                kept = preview.upload(file.name, file.read(), history.login(request))
            except sheet.Unreadable as reason:
                form.add_error("file", str(reason))
            else:
                return HttpResponseRedirect(_address(kept.token))
        context = {
            **self._shell(request, _("Import users")),
            "form": form,
            "hint": FILE_HINT % {"mb": MEGABYTES, "rows": grouped(sheet.MAX_ROWS)},
            "roles": ", ".join(settings.SYNC_ROLES),
            "default_role": settings.SYNC_ROLES[0],
            "open": [(kept, _address(kept.token), _kept_until(kept)) for kept in _own(request)[: preview.OPEN_AT_A_TIME]],
        }
        return TemplateResponse(request, "admin/users/userprofile/import.html", context)

    def template_csv(self, request: HttpRequest) -> HttpResponseBase:
        self._require(request)
        return csv_file.response("users-template.csv", lines.FIELDS, [])

    def template_xlsx(self, request: HttpRequest) -> HttpResponseBase:
        self._require(request)
        return FileResponse(workbook([]), as_attachment=True, filename="users-template.xlsx", content_type=XLSX)

    # --- looking, and importing ------------------------------------------------------------------------------------------

    def preview_page(self, request: HttpRequest, token: uuid.UUID) -> HttpResponse:
        self._require(request)
        kept = _own(request).filter(token=token).first()
        if kept is None:
            messages.warning(request, _("This import is gone: it is kept for a day. Choose the file again."))
            return HttpResponseRedirect(reverse("admin:users_userprofile_import"))
        if request.method == "POST":
            self._import(request, kept)
            return HttpResponseRedirect(_address(token))
        counts = preview.counts(kept)
        tiles = shown.tiles(counts, request.GET.get("show", ""))
        show = next((tile.show for tile in tiles if tile.is_shown), "")
        page = shown.page(kept, show, request.GET.get("page", ""))
        context = {
            **self._shell(request, _("Import users")),
            "upload": kept,
            "notes": kept.notes,
            "counts": counts,
            "tiles": tiles,
            "show": show,
            "page": page,
            "rows": shown.rows(list(page.object_list)),
            "import_label": ngettext("Import this %(count)s line", "Import these %(count)s", counts.waiting)
            % {"count": grouped(counts.waiting)},
            "errors_label": ngettext("Download the %(count)s error as CSV", "Download the %(count)s errors as CSV", counts.error)
            % {"count": grouped(counts.error)},
            "summary": shown.summary(counts),
            "kept_until": _kept_until(kept),
        }
        return TemplateResponse(request, "admin/users/userprofile/import_preview.html", context)

    def _import(self, request: HttpRequest, kept: UserImport) -> None:
        revision = request.POST.get("revision", "")
        try:
            seen = int(revision) if revision.isascii() and revision.isdigit() and len(revision) < 10 else -1
            written = write.write(kept.token, history.login(request), seen, partial(self._remember, request))
        except write.Superseded:
            messages.info(request, _("This was imported already. Below is how it stands now; nothing was written twice."))
            return
        said = shown.came_of(written, preview.counts(kept))
        messages.add_message(request, messages.SUCCESS if written.number else messages.WARNING, said)
        if written.left:
            messages.warning(request, shown.left(written.left))
        named = written.number <= NAMED
        if written.number:
            self.after_import(request, Changed(written.number, written.created + written.changed if named else []))

    def _remember(self, request: HttpRequest, kept: UserImport, written: write.Written) -> None:
        text = _("Imported from %(file)s.") % {"file": kept.file_name}
        if written.number > NAMED:
            history.log_many(request, text, written.number)
            return
        for user_ids, flag in ((written.created, ADDITION), (written.changed, CHANGE)):
            history.log(request, list(UserProfile.objects.filter(user_id__in=user_ids)), flag, text)

    def errors_csv(self, request: HttpRequest, token: uuid.UUID) -> HttpResponseBase:
        """The lines with errors as they were written, each with what to do about it: to be corrected and imported."""
        self._require(request)
        kept = _own(request).filter(token=token).first()
        if kept is None:
            raise Http404
        return csv_file.response("users-errors.csv", [*lines.FIELDS, "line", "problem"], map(shown.error_line, _errors(kept)))

    def _require(self, request: HttpRequest) -> None:
        if not self.may_import(request):
            raise PermissionDenied

    def _shell(self, request: HttpRequest, title: str) -> dict[str, Any]:
        return {**self.admin_site.each_context(request), "title": title, "opts": self.opts, "media": self.media}


def _own(request: HttpRequest) -> Any:
    return UserImport.objects.filter(login_id=history.login(request), expires_at__gt=timezone.now())


def _address(token: uuid.UUID) -> str:
    return reverse("admin:users_userprofile_import_preview", args=[token])


def _kept_until(kept: UserImport) -> str:
    return f"{localtime(kept.expires_at):%Y-%m-%d %H:%M}"


def _errors(kept: UserImport) -> Iterator[UserImportRow]:
    """Line by line, some at a time; no cursor is held open."""
    last = 0
    while chunk := list(kept.rows.filter(kind="error", line__gt=last).order_by("line")[:2000]):
        yield from chunk
        last = chunk[-1].line
