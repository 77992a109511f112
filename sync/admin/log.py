"""The log of attempts: read-only; what it tells of can be sent again."""

from dataclasses import dataclass, field
from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.urls import URLPattern, path, reverse
from django.utils.safestring import SafeString
from django.utils.text import Truncator
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.decorators import display

from ssodash import csv_file
from ssodash.filter_bar import FilterBar, Link
from sync import operations, status, views
from sync.admin import attempt
from sync.admin.filters import CauseFilter, PeriodFilter, ResultFilter, SiteFilter, TypeFilter
from sync.admin.log_list import COLUMNS, AttemptList
from sync.admin.shared import ReadOnlyAdmin, moment, status_badge
from sync.models import Action, UserSyncLog

FOUND_USERS = 100
FIRST_WORDS = 80
"""Characters of an error that the list shows; the attempt's own page has all of it."""


@dataclass(frozen=True)
class Search:
    """What a search term names: users, by public id, or an email that only the log may know (`reads_emails`), or a message."""

    text: str = ""
    user_ids: list[str] = field(default_factory=list)
    reads_emails: bool = False

    @property
    def is_narrow(self) -> bool:
        """Whether an index leads to the few attempts that match."""
        return bool(self.text) and not self.reads_emails

    @property
    def is_cut(self) -> bool:
        return len(self.user_ids) >= FOUND_USERS


@admin.register(UserSyncLog)
class UserSyncLogAdmin(FilterBar, ReadOnlyAdmin):
    nothing_yet = gettext_lazy(
        "Every try to send a user to a site is a row here. Nothing was sent yet: add a user and a site, or press Sync All Users."
    )
    list_display = ["shown_time", "shown_email", "shown_site", "shown_type", "shown_result", "shown_answer", "shown_cause", "shown_actor"]
    list_filter = [SiteFilter, ResultFilter, PeriodFilter, CauseFilter, TypeFilter]
    search_fields = ["user_id"]
    search_help_text = gettext_lazy("Email, name, user id or message id")
    actions = ["retry_selected"]

    def has_sync_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm(views.MAY_SYNC)

    def change_view(self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None) -> HttpResponse:
        return attempt.show(self, request, object_id)

    # --- the list ----------------------------------------------------------------------------------------------------

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[AttemptList]:
        return AttemptList

    def search(self, request: HttpRequest, text: str) -> Search:
        """What the term names, looked up once a request."""
        text = text.replace("\x00", "").strip()
        known: Search | None = getattr(request, "attempt_search", None)
        if known is None or known.text != text:
            user_ids = list(status.find(text).values_list("user_id", flat=True)[:FOUND_USERS]) if text else []
            known = Search(text, user_ids, not user_ids and "@" in text)
            request.attempt_search = known  # type: ignore[attr-defined]
        return known

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[UserSyncLog], search_term: str
    ) -> tuple[QuerySet[UserSyncLog], bool]:
        """By index: a message id or user id as it is, or whoever in the directory has this in name or email, under any email they had.

        Only a whole email that the directory does not have is looked for in the log itself, as far back as `log_list.LOOK` goes.
        """
        found = self.search(request, search_term)
        if not found.text:
            return queryset, False
        if found.reads_emails:
            return queryset.filter(email__iexact=found.text), False
        return queryset.filter(Q(user_id__in=[*found.user_ids, found.text]) | Q(message_id=found.text)), False

    def bar_links(self, request: HttpRequest, query: str) -> list[Link]:
        address = reverse("admin:sync_usersynclog_export") + (f"?{query}" if query else "")
        return [Link(_("Export CSV"), "download", address, _("All attempts that are filtered, on every page"))]

    def bar_notes(self, request: HttpRequest, changelist: Any) -> list[str]:
        said: list[str] = changelist.notes()
        if self.search(request, changelist.query).is_cut:
            text = _(
                "The search names more than %(count)s users: attempts of %(count)s of them are shown. Write more of the name or email."
            )
            said.append(text % {"count": FOUND_USERS})
        return said

    def get_urls(self) -> list[URLPattern]:
        export = path("export/csv/", self.admin_site.admin_view(self.export_csv), name="sync_usersynclog_export")
        return [export, *super().get_urls()]

    def export_csv(self, request: HttpRequest) -> HttpResponseBase:
        """What is filtered, as a file that is sent while the log is read."""
        if not self.has_view_permission(request):
            raise PermissionDenied(_("Your login may not see the log of attempts."))
        return csv_file.response("attempts.csv", COLUMNS, self.get_changelist_instance(request).exported())

    @display(description=gettext_lazy("Time"))
    def shown_time(self, row: UserSyncLog) -> SafeString:
        return moment(row.completed_at)

    @display(description=gettext_lazy("User"))
    def shown_email(self, row: UserSyncLog) -> str:
        return row.email or row.user_id

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        changelist = super().get_changelist_instance(request)
        # The filter has read all sites already.
        names = {int(key): name for spec in changelist.filter_specs if isinstance(spec, SiteFilter) for key, name in spec.lookup_choices}
        for row in changelist.result_list:
            row.site_shown = names.get(row.site_id, row.site_name)
        return changelist

    @display(description=gettext_lazy("Site"))
    def shown_site(self, row: UserSyncLog) -> str:
        """As every other page names it; a site that is gone has the name that the log keeps."""
        return str(getattr(row, "site_shown", row.site_name))

    @display(description=gettext_lazy("Type"))
    def shown_type(self, row: UserSyncLog) -> str:
        return str(dict(Action.choices).get(row.type, row.type))

    @display(description=gettext_lazy("Status"))
    def shown_result(self, row: UserSyncLog) -> SafeString:
        return status_badge(*status.look_of(row), row.error)

    @display(description=gettext_lazy("Answer"))
    def shown_answer(self, row: UserSyncLog) -> str:
        told = " ".join(row.error.split()) if row.status != UserSyncLog.Result.SUCCESS else ""
        code = f"HTTP {row.http_code}" if row.http_code else ""
        took = f"{status.number(row.duration_ms)} ms" if row.duration_ms is not None else ""
        # Most errors begin with the code, or with what came in its place.
        said = [Truncator(told).chars(FIRST_WORDS), took] if told else [code, took]
        return ", ".join(filter(None, said)) or _("none")

    @display(description=gettext_lazy("Who"))
    def shown_actor(self, row: UserSyncLog) -> str:
        return row.actor or "–"

    @admin.action(permissions=["sync"], description=gettext_lazy("Retry selected"))
    def retry_selected(self, request: HttpRequest, queryset: QuerySet[UserSyncLog]) -> None:
        keys = list(queryset.values_list("pk", flat=True)[: self.list_per_page])
        retried = operations.retry_attempts(keys, cause="retry", actor=request.user.get_username())
        messages.add_message(request, messages.SUCCESS if retried.all_delivered else messages.WARNING, retried.message)
