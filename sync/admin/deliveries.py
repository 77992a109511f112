"""Deliveries: what each site is owed about each user, as the database holds it."""

from typing import Any

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString
from unfold.decorators import display

from sync import status
from sync.admin.filters import SiteFilter
from sync.admin.shared import ReadOnlyAdmin, status_badge
from sync.models import Delivery

LOOKS = {
    "pending": ("pending", "schedule"),
    "in_progress": ("in_progress", "progress_activity"),
    "success": ("success", "check_circle"),
    "failed": ("failed", "error"),
}
FOUND_USERS = 100


@admin.register(Delivery)
class DeliveryAdmin(ReadOnlyAdmin):
    list_display = ["user_id", "site", "wanted_action", "shown_status", "tries", "shown_next", "shown_synced", "last_error"]
    list_filter = [SiteFilter, "status", "wanted_action"]
    list_select_related = ["site"]
    search_fields = ["user_id"]
    search_help_text = "Search by email, name or user id"
    ordering = ["-id"]
    fieldsets = [
        (None, {"fields": ["user_id", "site", "shown_status", "last_error", "tries", "next_attempt_at", "last_synced_at"]}),
        ("Wanted", {"fields": ["wanted_action", "wanted_version", "wanted_generation", "cause", "actor", "run_id"]}),
        ("Last attempted", {"fields": ["attempted_action", "attempted_version", "attempted_generation", "attempted_email", "lease_until"]}),
        ("Acknowledged", {"fields": ["acked_action", "acked_version", "acked_generation", "acked_email", "remote_id"]}),
    ]

    def get_readonly_fields(self, request: HttpRequest, obj: Delivery | None = None) -> list[str]:
        return [field for _, options in self.fieldsets for field in options["fields"]]

    def get_search_results(self, request: HttpRequest, queryset: QuerySet[Delivery], search_term: str) -> tuple[QuerySet[Delivery], bool]:
        text = search_term.replace("\x00", "").strip()
        if not text:
            return queryset, False
        user_ids: list[Any] = list(status.find(text).values_list("user_id", flat=True)[:FOUND_USERS])
        return queryset.filter(Q(user_id__in=[*user_ids, text])), False

    @display(description="Status")
    def shown_status(self, delivery: Delivery) -> SafeString:
        return status_badge(*LOOKS[delivery.status], delivery.get_status_display(), delivery.last_error)

    @display(description="Next try")
    def shown_next(self, delivery: Delivery) -> str:
        return status.until(delivery.next_attempt_at) if delivery.status == "pending" else "–"

    @display(description="Last delivered")
    def shown_synced(self, delivery: Delivery) -> str:
        return status.ago(delivery.last_synced_at)
