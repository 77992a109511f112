"""Deliveries: what each site is owed about each user, with the same truth as every other screen."""

from typing import Any

from django.contrib import admin, messages
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.decorators import display

from sync import operations, status, views
from sync.admin import delivery as delivery_page
from sync.admin.filters import DeliveryFilter, SiteFilter
from sync.admin.shared import ReadOnlyAdmin, status_badge
from sync.models import Delivery
from users.models import UserProfile

LOOKS = {
    "pending": ("pending", "schedule"),
    "success": ("success", "check_circle"),
    "failed": ("failed", "error"),
}
FOUND_USERS = 100
UNSEEN = gettext_lazy("An inactive site is sent nothing. What it is owed waits until it is active.")


@admin.register(Delivery)
class DeliveryAdmin(ReadOnlyAdmin):
    nothing_yet = gettext_lazy("A delivery is one user at one site. There is none yet: add a user and connect a site.")
    list_display = ["shown_user", "shown_site", "shown_wanted", "shown_status", "tries", "shown_next", "shown_synced", "shown_why"]
    list_filter = [SiteFilter, DeliveryFilter, "wanted_action"]
    list_select_related = ["site"]
    search_fields = ["user_id"]
    search_help_text = gettext_lazy("Search by email, name or user id")
    actions = ["resend_selected"]
    ordering = ["-id"]

    def has_sync_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm(views.MAY_SYNC)

    @admin.action(permissions=["sync"], description=gettext_lazy("Send again selected"))
    def resend_selected(self, request: HttpRequest, queryset: QuerySet[Delivery]) -> None:
        pairs = list(queryset.values_list("user_id", "site_id")[: self.list_per_page])
        resent = operations.resend_pairs(pairs, cause=views.CAUSE, actor=request.user.get_username())
        messages.add_message(request, messages.SUCCESS if resent.all_delivered else messages.WARNING, resent.message)

    def change_view(self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None) -> HttpResponse:
        return delivery_page.show(self, request, object_id)

    def get_search_results(self, request: HttpRequest, queryset: QuerySet[Delivery], search_term: str) -> tuple[QuerySet[Delivery], bool]:
        text = search_term.replace("\x00", "").strip()
        if not text:
            return queryset, False
        user_ids: list[Any] = list(status.find(text).values_list("user_id", flat=True)[:FOUND_USERS])
        return queryset.filter(Q(user_id__in=[*user_ids, text])), False

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        changelist = super().get_changelist_instance(request)
        _look_up(list(changelist.result_list))
        return changelist

    @display(description=gettext_lazy("User"))
    def shown_user(self, delivery: Delivery) -> str:
        return _seen(delivery).email or delivery.user_id

    @display(description=gettext_lazy("Site"))
    def shown_site(self, delivery: Delivery) -> str:
        return str(delivery.site)

    @display(description=gettext_lazy("Wanted"))
    def shown_wanted(self, delivery: Delivery) -> str:
        return delivery.get_wanted_action_display()

    @display(description=gettext_lazy("Status"))
    def shown_status(self, delivery: Delivery) -> SafeString:
        at = _seen(delivery).at
        if at is None:
            return status_badge(*LOOKS[delivery.status], delivery.get_status_display(), delivery.last_error)
        return status_badge(at.look, at.symbol, at.label, " ".join(at.details))

    @display(description=gettext_lazy("Next try"))
    def shown_next(self, delivery: Delivery) -> str:
        at = _seen(delivery).at
        if at is None or not at.site_active:
            return _("When the site is active") if delivery.status == "pending" else "–"
        if at.is_paused:
            return _("When the site is resumed")
        return (at.next_words or _("The worker sends it")) if at.status == "pending" else "–"

    @display(description=gettext_lazy("Last delivered"))
    def shown_synced(self, delivery: Delivery) -> str:
        return status.ago(delivery.last_synced_at)

    @display(description=gettext_lazy("Why"))
    def shown_why(self, delivery: Delivery) -> str:
        at = _seen(delivery).at
        if at is None:
            return delivery.last_error or (str(UNSEEN) if delivery.status == "pending" else "–")
        if at.wait and not at.is_paused:
            return at.wait.sentence
        return at.error_message or "–"


class _Seen:
    """What the other screens show of a delivery: who, and where they stand. `at` is None where no screen shows it: the site is inactive."""

    def __init__(self, email: str = "", at: status.SiteStatus | None = None) -> None:
        self.email = email
        self.at = at


def _look_up(deliveries: list[Delivery]) -> None:
    """Puts what the other screens show beside each of these, in two queries whatever their number."""
    states = status.of_pairs([(delivery.user_id, delivery.site_id) for delivery in deliveries])
    people = UserProfile.objects.filter(user_id__in={delivery.user_id for delivery in deliveries})
    emails = dict(people.values_list("user_id", "email"))
    for delivery in deliveries:
        state = states.get(delivery.user_id)
        at = next((site for site in state.sites if site.site_id == delivery.site_id), None) if state else None
        email = emails.get(delivery.user_id) or (state.email if state else "") or delivery.attempted_email or ""
        delivery.seen = _Seen(email, at)  # type: ignore[attr-defined]


def _seen(delivery: Delivery) -> _Seen:
    seen: _Seen = getattr(delivery, "seen", None) or _Seen()
    return seen
