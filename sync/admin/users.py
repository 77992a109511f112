"""A user's page and the list of users, with where everybody stands."""

import time
from functools import partial
from typing import Any

from django.conf import settings
from django.contrib import admin, messages
from django.contrib.admin.utils import unquote
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.decorators import display

from sync import operations, signals, status, views
from sync.admin.activation import ActivationMixin
from sync.admin.filters import StandingFilter
from sync.admin.live_user import LiveUserMixin
from sync.admin.shared import BoundedPaginator, status_badge
from sync.context import origin
from sync.status import consequences, role_effects, standing
from users.admin import Changed, UserProfileAdmin
from users.models import UserProfile
from users.roles import Mix

MOMENT = 1.0
"""Seconds that a bulk action waits for requests that another process sends."""
HEARD_OF = {"email", "full_name", "role", "is_active"}
"""The fields that sites hear of."""

admin.site.unregister(UserProfile)


@admin.register(UserProfile)
class SyncedUserAdmin(LiveUserMixin, ActivationMixin, UserProfileAdmin):
    list_display = ["email", "full_name", "role", "shown_active", "shown_status"]
    list_filter = [*UserProfileAdmin.list_filter, StandingFilter]
    actions = ["sync_selected", *UserProfileAdmin.actions]
    change_form_outer_after_template = "admin/sync/user_panels.html"

    def has_sync_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm(views.MAY_SYNC)

    # --- the list ----------------------------------------------------------------------------------------------------

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        changelist = super().get_changelist_instance(request)
        states = status.of_list([user.user_id for user in changelist.result_list])
        for user in changelist.result_list:
            user.sync_state = states.get(user.user_id)
        return changelist

    def get_paginator(self, request: HttpRequest, queryset: Any, per_page: int, *args: Any, **kwargs: Any) -> Any:
        if request.GET.get(StandingFilter.parameter_name):
            return BoundedPaginator(queryset, per_page, *args, **kwargs)
        return super().get_paginator(request, queryset, per_page, *args, **kwargs)

    def bar_notes(self, request: HttpRequest, changelist: Any) -> list[str]:
        said = list(super().bar_notes(request, changelist))
        chosen = next((spec for spec in changelist.filter_specs if isinstance(spec, StandingFilter)), None)
        if chosen is None or not chosen.value():
            return said
        if chosen.is_cut:
            text = _(
                "So many deliveries are open that only the %(count)s newest users were looked at. The others follow as the sites catch up."
            )
            said.append(text % {"count": status.number(standing.NEWEST)})
        compared = standing.compared_sites()
        if compared:
            text = _(
                "The hub is still comparing what %(sites)s should have. Load this page again in a moment: more users may be pending then."
            )
            said.append(text % {"sites": status.listed(compared)})
        return said

    @display(description=gettext_lazy("Sites"))
    def shown_status(self, user: UserProfile) -> SafeString:
        state: status.UserStatus | None = getattr(user, "sync_state", None)
        if state is None:
            return status_badge("none", "remove", _("No active site"))
        look, symbol, text = status.in_short(state)
        return status_badge(look, symbol, text, status.sentence(state))

    @admin.action(permissions=["sync"], description=gettext_lazy("Sync selected users to all sites"))
    def sync_selected(self, request: HttpRequest, queryset: QuerySet[UserProfile]) -> None:
        user_ids = list(queryset.values_list("user_id", flat=True))
        started = operations.sync_users(user_ids, cause=views.CAUSE, actor=request.user.get_username())
        messages.add_message(request, messages.SUCCESS if started.as_asked else messages.WARNING, started.message)

    def role_means(self, mix: Mix, role: str) -> list[str]:
        return role_effects.told(mix, role)

    def after_import(self, request: HttpRequest, changed: Changed) -> None:
        if settings.SYNC_ON_SAVE == "push" and changed.user_ids:
            # An import is written by statements of its own, which no signal tells of.
            signals.push_changes(changed.user_ids, origin())
        self.after_change(request, changed)

    def after_change(self, request: HttpRequest, changed: Changed) -> None:
        if not changed.number:
            return
        if not changed.user_ids:
            text = _("The worker tells the sites about all %(count)s.") % {"count": status.number(changed.number)}
            messages.info(request, f"{text}{_worker_warning()}")
            return
        operations.await_answers(changed.user_ids, ends=time.monotonic() + MOMENT)
        states = status.of_users(changed.user_ids)
        unsettled = [state for state in states.values() if state.status != "success"]
        if not unsettled:
            messages.success(request, _("Every site concerned has accepted it.") if states else _("No site is concerned."))
            return
        names = status.listed([state.email or state.user_id for state in unsettled])
        text = _("Not yet everywhere: %(names)s.") % {"names": names}
        messages.warning(request, f"{text} {status.sentence(unsettled[0])}{_worker_warning()}")

    # --- one user ----------------------------------------------------------------------------------------------------

    def save_model(self, request: HttpRequest, obj: UserProfile, form: Any, change: bool) -> None:
        super().save_model(request, obj, form, change)
        heard = not change or bool(HEARD_OF.intersection(form.changed_data))
        _tell_on_commit(request, obj.user_id, heard)

    def delete_model(self, request: HttpRequest, obj: UserProfile) -> None:
        user_id = obj.user_id
        super().delete_model(request, obj)
        _tell_on_commit(request, user_id, True)

    def tell_of(self, request: HttpRequest, user_id: str) -> None:
        _tell_on_commit(request, user_id, True)

    def delete_view(self, request: HttpRequest, object_id: str, extra_context: Any = None) -> HttpResponse:
        user = self.get_object(request, unquote(object_id))
        told = consequences.of_deactivating(user) if isinstance(user, UserProfile) and user.is_active else []
        response: HttpResponse = super().delete_view(request, object_id, {"consequences": told, **(extra_context or {})})
        return response

    def render_change_form(self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any) -> HttpResponse:
        user: UserProfile | None = kwargs.get("obj")
        if user is not None:
            context |= self.live_context(request, user)
            context["may_change"] = self.has_change_permission(request, user)
        response: HttpResponse = super().render_change_form(request, context, *args, **kwargs)
        return response


def _tell_on_commit(request: HttpRequest, user_id: str, heard: bool) -> None:
    """After the push, which the save itself registered before; within the same deadline as that."""
    ends = time.monotonic() + settings.SYNC_PUSH_DEADLINE
    transaction.on_commit(partial(tell, request, user_id, heard, ends), robust=True)


def tell(request: HttpRequest, user_id: str, heard: bool, ends: float) -> None:
    """Adds what came of a save at the sites to its answer."""
    if not heard:
        messages.info(request, _("Nothing that sites hear of changed, so nothing was sent."))
        return
    operations.await_answers([user_id], ends=ends)
    state = status.of_user(user_id)
    if state is None and not UserProfile.objects.filter(user_id=user_id).exists():
        messages.info(request, _("Every site that had this user has removed it, or none had it."))
        return
    settled = state is None or state.status == "success"
    messages.add_message(
        request, messages.SUCCESS if settled else messages.WARNING, status.sentence(state) + ("" if settled else _worker_warning())
    )


def _worker_warning() -> str:
    warning = status.no_worker()
    return f" {warning}" if warning else ""
