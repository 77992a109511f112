"""The log of attempts: read-only; what it tells of can be sent again."""

import json

from django.contrib import admin, messages
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.decorators import display

from sync import operations, status, views
from sync.admin.filters import CauseFilter, PeriodFilter, SiteFilter, TypeFilter
from sync.admin.shared import ReadOnlyAdmin, exactly, link, moment, status_badge
from sync.models import Action, UserSyncLog
from users.models import UserProfile

FOUND_USERS = 100


@admin.register(UserSyncLog)
class UserSyncLogAdmin(ReadOnlyAdmin):
    nothing_yet = "Every try to send a user to a site is a row here. Nothing was sent yet: add a user and a site, or press Sync All Users."
    list_display = ["shown_time", "shown_email", "site_name", "shown_type", "shown_result", "shown_answer", "shown_cause", "shown_actor"]
    list_filter = [SiteFilter, "status", TypeFilter, CauseFilter, PeriodFilter]
    search_fields = ["user_id"]
    search_help_text = "Search by email, name, user id or message id"
    actions = ["retry_selected"]
    fieldsets = [
        (None, {"fields": ["shown_status", "shown_user", "user_id", "site_name", "shown_type", "error"]}),
        ("Request and answer", {"fields": ["message_id", "shown_attributes", "http_code", "shown_duration", "shown_response"]}),
        ("Why", {"fields": ["shown_cause", "actor", "shown_run", "version", "generation"]}),
        ("When", {"fields": ["shown_started", "shown_completed", "attempt_id"]}),
    ]

    def has_sync_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm(views.MAY_SYNC)

    def get_readonly_fields(self, request: HttpRequest, obj: UserSyncLog | None = None) -> list[str]:
        return [field for _, options in self.fieldsets for field in options["fields"]]

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[UserSyncLog], search_term: str
    ) -> tuple[QuerySet[UserSyncLog], bool]:
        """By index: a message id or user id as it is, or whoever in the directory has this in name or email, under any email they had.

        Only a whole email that the directory does not have is looked for in the log itself.
        """
        text = search_term.replace("\x00", "").strip()
        if not text:
            return queryset, False
        user_ids = list(status.find(text).values_list("user_id", flat=True)[:FOUND_USERS])
        if not user_ids and "@" in text:
            return queryset.filter(email__iexact=text), False
        return queryset.filter(Q(user_id__in=[*user_ids, text]) | Q(message_id=text)), False

    @display(description="Time")
    def shown_time(self, row: UserSyncLog) -> SafeString:
        return moment(row.completed_at)

    @display(description="User")
    def shown_email(self, row: UserSyncLog) -> str:
        return row.email or row.user_id

    @display(description="User")
    def shown_user(self, row: UserSyncLog) -> str | SafeString:
        key = UserProfile.objects.filter(user_id=row.user_id).values_list("pk", flat=True).first()
        if key is None:
            return f"{row.email or row.user_id} (no longer in the directory)"
        return link(row.email or row.user_id, "users_userprofile_change", key)

    @display(description="Type")
    def shown_type(self, row: UserSyncLog) -> str:
        return str(dict(Action.choices).get(row.type, row.type))

    @display(description="Status")
    def shown_result(self, row: UserSyncLog) -> SafeString:
        return status_badge(*status.look_of(row), row.error)

    @display(description="Status")
    def shown_status(self, row: UserSyncLog) -> SafeString:
        look, symbol, _ = status.look_of(row)
        return status_badge(look, symbol, row.get_status_display())

    @display(description="Answer")
    def shown_answer(self, row: UserSyncLog) -> str:
        parts = [f"HTTP {row.http_code}" if row.http_code else "", f"{row.duration_ms:,} ms" if row.duration_ms is not None else ""]
        return ", ".join(filter(None, parts)) or "none"

    @display(description="Who")
    def shown_actor(self, row: UserSyncLog) -> str:
        return row.actor or "–"

    @display(description="Duration")
    def shown_duration(self, row: UserSyncLog) -> str:
        return "–" if row.duration_ms is None else f"{row.duration_ms:,} ms"

    @display(description="Attributes sent")
    def shown_attributes(self, row: UserSyncLog) -> SafeString | str:
        if row.attributes is None:
            return "Not known: the sender ended before it could write them down."
        return format_html('<pre class="hub-pre">{}</pre>', json.dumps(row.attributes, indent=2, ensure_ascii=False))

    @display(description="Answer received")
    def shown_response(self, row: UserSyncLog) -> SafeString | str:
        return format_html('<pre class="hub-pre">{}</pre>', row.response) if row.response else "None, or an empty one."

    @display(description="Started at")
    def shown_started(self, row: UserSyncLog) -> str:
        return exactly(row.started_at)

    @display(description="Completed at")
    def shown_completed(self, row: UserSyncLog) -> str:
        return exactly(row.completed_at)

    @display(description="Run")
    def shown_run(self, row: UserSyncLog) -> SafeString | str:
        if row.run_id is None:
            return "–"
        return link(f"Run {row.run_id}", "sync_syncrun_change", row.run_id)

    @admin.action(permissions=["sync"], description="Retry selected")
    def retry_selected(self, request: HttpRequest, queryset: QuerySet[UserSyncLog]) -> None:
        keys = list(queryset.values_list("pk", flat=True)[: self.list_per_page])
        retried = operations.retry_attempts(keys, cause="retry", actor=request.user.get_username())
        messages.add_message(request, messages.SUCCESS if retried.all_delivered else messages.WARNING, retried.message)
