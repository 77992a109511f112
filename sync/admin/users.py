"""A user's page and the list of users, with where everybody stands."""

import time
from functools import partial
from typing import Any

from django.conf import settings
from django.contrib import admin, messages
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.safestring import SafeString
from unfold.decorators import display

from sync import operations, status, views
from sync.admin.shared import status_badge
from users.admin import Changed, UserProfileAdmin
from users.models import UserProfile

MOMENT = 1.0
"""Seconds that a bulk action waits for requests that another process sends."""
HEARD_OF = {"email", "full_name", "role", "is_active"}
"""The fields that sites hear of."""

admin.site.unregister(UserProfile)


@admin.register(UserProfile)
class SyncedUserAdmin(UserProfileAdmin):
    list_display = ["email", "full_name", "role", "shown_active", "shown_status"]
    actions = ["sync_selected", *UserProfileAdmin.actions]
    change_form_outer_after_template = "admin/sync/user_panels.html"

    def has_sync_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm(views.MAY_SYNC)

    # --- the list ----------------------------------------------------------------------------------------------------

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        changelist = super().get_changelist_instance(request)
        states = status.of_users([user.user_id for user in changelist.result_list])
        for user in changelist.result_list:
            user.sync_state = states.get(user.user_id)
        return changelist

    @display(description="Sites")
    def shown_status(self, user: UserProfile) -> SafeString:
        state: status.UserStatus | None = getattr(user, "sync_state", None)
        if state is None:
            return status_badge("none", "remove", "No active site")
        look, symbol, text = status.in_short(state)
        return status_badge(look, symbol, text, status.sentence(state))

    @admin.action(permissions=["sync"], description="Sync selected users to all sites")
    def sync_selected(self, request: HttpRequest, queryset: QuerySet[UserProfile]) -> None:
        user_ids = list(queryset.values_list("user_id", flat=True))
        started = operations.sync_users(user_ids, cause=views.CAUSE, actor=request.user.get_username())
        messages.add_message(request, messages.SUCCESS if started.as_asked else messages.WARNING, started.message)

    def after_change(self, request: HttpRequest, changed: Changed) -> None:
        if not changed.number:
            return
        if not changed.user_ids:
            messages.info(request, f"The worker tells the sites about all {changed.number:,}.{_worker_warning()}")
            return
        operations.await_answers(changed.user_ids, ends=time.monotonic() + MOMENT)
        states = status.of_users(changed.user_ids)
        unsettled = [state for state in states.values() if state.status != "success"]
        if not unsettled:
            messages.success(request, "The sites have heard of it." if states else "No site is concerned.")
            return
        names = status.listed([state.email or state.user_id for state in unsettled])
        messages.warning(request, f"Not yet everywhere: {names}. {status.sentence(unsettled[0])}{_worker_warning()}")

    # --- one user ----------------------------------------------------------------------------------------------------

    def save_model(self, request: HttpRequest, obj: UserProfile, form: Any, change: bool) -> None:
        super().save_model(request, obj, form, change)
        heard = not change or bool(HEARD_OF.intersection(form.changed_data))
        _tell_on_commit(request, obj.user_id, heard)

    def delete_model(self, request: HttpRequest, obj: UserProfile) -> None:
        user_id = obj.user_id
        super().delete_model(request, obj)
        _tell_on_commit(request, user_id, True)

    def render_change_form(self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any) -> HttpResponse:
        user: UserProfile | None = kwargs.get("obj")
        if user is not None:
            context["sync_state"] = status.of_user(user.user_id)
            context["attempts"] = status.last_attempts(user_id=user.user_id)
            context["may_sync"] = self.has_sync_permission(request)
            context["sees_log"] = request.user.has_perm("sync.view_usersynclog")
        response: HttpResponse = super().render_change_form(request, context, *args, **kwargs)
        return response


def _tell_on_commit(request: HttpRequest, user_id: str, heard: bool) -> None:
    """After the push, which the save itself registered before; within the same deadline as that."""
    ends = time.monotonic() + settings.SYNC_PUSH_DEADLINE
    transaction.on_commit(partial(tell, request, user_id, heard, ends), robust=True)


def tell(request: HttpRequest, user_id: str, heard: bool, ends: float) -> None:
    """Adds what came of a save at the sites to its answer."""
    if not heard:
        messages.info(request, "Nothing that sites hear of changed, so nothing was sent.")
        return
    operations.await_answers([user_id], ends=ends)
    state = status.of_user(user_id)
    if state is None and not UserProfile.objects.filter(user_id=user_id).exists():
        messages.info(request, "Every site that had this user has removed it, or none had it.")
        return
    settled = state is None or state.status == "success"
    messages.add_message(
        request, messages.SUCCESS if settled else messages.WARNING, status.sentence(state) + ("" if settled else _worker_warning())
    )


def _worker_warning() -> str:
    warning = status.no_worker()
    return f" {warning}" if warning else ""
