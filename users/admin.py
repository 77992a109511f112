"""Users in the admin. Deleting deactivates: a person is taken out of the sites, and can be brought back."""

from collections.abc import Sequence
from typing import Any

from django.conf import settings
from django.contrib import admin, messages
from django.contrib.admin import helpers
from django.contrib.admin.models import CHANGE, DELETION
from django.db import IntegrityError, transaction
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from unfold.decorators import display

from users import history
from users.export import ExportPages
from users.forms import UserProfileForm
from users.history import Changed as Changed
from users.history import grouped
from users.imports.pages import ImportPages
from users.models import UserProfile
from users.roles import RoleAction

SAVED_ONE_BY_ONE = 500
"""Up to so many users a bulk action saves one by one, so that their sites hear at once; more of them in one statement."""
NAMED = 20


class RoleFilter(admin.SimpleListFilter):
    """By role: those of SYNC_ROLES, and `other` for what else is stored."""

    title = gettext_lazy("role")
    parameter_name = "role"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [(role, role) for role in settings.SYNC_ROLES] + [("__other__", gettext_lazy("any other"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[UserProfile]) -> QuerySet[UserProfile]:
        if self.value() == "__other__":
            return queryset.exclude(role__in=settings.SYNC_ROLES)
        return queryset.filter(role=self.value()) if self.value() in settings.SYNC_ROLES else queryset


class ActiveFilter(admin.SimpleListFilter):
    """By whether the user is active."""

    title = gettext_lazy("active")
    parameter_name = "is_active__exact"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [("1", gettext_lazy("Active")), ("0", gettext_lazy("Inactive"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[UserProfile]) -> QuerySet[UserProfile]:
        return queryset.filter(is_active=self.value() == "1") if self.value() in {"0", "1"} else queryset


@admin.register(UserProfile)
class UserProfileAdmin(RoleAction, ImportPages, ExportPages):
    form = UserProfileForm
    list_display: Sequence[str] = ["email", "full_name", "role", "shown_active"]
    list_filter = [RoleFilter, ActiveFilter]
    search_fields = ["email", "full_name", "user_id"]
    search_help_text = gettext_lazy("Email, name or id")
    ordering = ["-id"]
    list_per_page = 25
    show_full_result_count = False
    actions: Sequence[str] = ["change_role", "deactivate_selected", "activate_selected", "delete_selected"]
    readonly_fields = ["user_id", "created_at", "updated_at"]
    warn_unsaved_form = True

    @display(description=gettext_lazy("Active"), boolean=True, ordering="is_active")
    def shown_active(self, user: UserProfile) -> bool:
        return user.is_active

    def get_readonly_fields(self, request: HttpRequest, obj: UserProfile | None = None) -> Sequence[str]:
        return self.readonly_fields if obj else []

    def get_fieldsets(self, request: HttpRequest, obj: UserProfile | None = None) -> Any:
        return [(None, {"fields": ["email", "full_name", "role", "is_active", "user_id", *(["created_at", "updated_at"] if obj else [])]})]

    def changeform_view(self, request: HttpRequest, object_id: str | None = None, *args: Any, **kwargs: Any) -> HttpResponse:
        try:
            response: HttpResponse = super().changeform_view(request, object_id, *args, **kwargs)
        except IntegrityError:
            # Someone else took the email or the id since the form was checked. Checked again, it says so beside the field.
            response = super().changeform_view(request, object_id, *args, **kwargs)
        return response

    # --- deleting ----------------------------------------------------------------------------------------------------

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> tuple[list[str], dict[str, int], set[str], list[str]]:
        return [str(user) for user in objs], {str(_("users")): len(objs)}, set(), []

    def log_deletions(self, request: HttpRequest, queryset: Any) -> None:
        """The history tells what happens: who is active is deactivated, who is not is deleted."""
        leaving = [user for user in queryset if user.is_active]
        gone = [user for user in queryset if not user.is_active]
        history.log(request, leaving, CHANGE, _("Deactivated."))
        history.log(request, gone, DELETION, "")

    def delete_model(self, request: HttpRequest, obj: UserProfile) -> None:
        request.was_deactivated = obj.is_active  # type: ignore[attr-defined]
        if obj.is_active:
            obj.is_active = False
            obj.save(update_fields=["is_active"])
        else:
            obj.delete()

    def response_delete(self, request: HttpRequest, obj_display: str, obj_id: int) -> HttpResponse:
        if getattr(request, "was_deactivated", False):
            text = _("%(name)s was deactivated, not deleted: the sites are told to remove the user.")
            messages.success(request, text % {"name": obj_display})
            return HttpResponseRedirect(reverse("admin:users_userprofile_change", args=[obj_id]))
        messages.success(request, _("%(name)s was deleted for good.") % {"name": obj_display})
        return HttpResponseRedirect(reverse("admin:users_userprofile_changelist"))

    @admin.action(permissions=["delete"], description=gettext_lazy("Delete selected users"))
    def delete_selected(self, request: HttpRequest, queryset: QuerySet[UserProfile]) -> HttpResponse | None:
        leaving, gone = queryset.filter(is_active=True), queryset.filter(is_active=False)
        if request.POST.get("post"):
            with transaction.atomic():
                # Who is inactive first: otherwise those deactivated here would be deleted as well.
                deleted = self._delete(request, gone)
                deactivated = self._set_active(request, leaving, False)
            messages.success(request, _came_of(deactivated.number, deleted.number))
            self.after_change(request, deactivated)
            return None
        context = {
            **self.admin_site.each_context(request),
            "title": _("Delete users"),
            "opts": self.opts,
            "media": self.media,
            "leaving": _sample(leaving),
            "gone": _sample(gone),
            "selected": request.POST.getlist(helpers.ACTION_CHECKBOX_NAME),
            "select_across": request.POST.get("select_across", "0"),
            "action_checkbox_name": helpers.ACTION_CHECKBOX_NAME,
        }
        return TemplateResponse(request, "admin/users/userprofile/delete_selected.html", context)

    @admin.action(permissions=["change"], description=gettext_lazy("Deactivate selected users"))
    def deactivate_selected(self, request: HttpRequest, queryset: QuerySet[UserProfile]) -> None:
        self._set_active_and_tell(request, queryset, False)

    @admin.action(permissions=["change"], description=gettext_lazy("Activate selected users"))
    def activate_selected(self, request: HttpRequest, queryset: QuerySet[UserProfile]) -> None:
        self._set_active_and_tell(request, queryset, True)

    def _set_active_and_tell(self, request: HttpRequest, queryset: QuerySet[UserProfile], active: bool) -> None:
        with transaction.atomic():
            changed = self._set_active(request, queryset.exclude(is_active=active), active)
        if not changed.number:
            already = _("Nothing changed: every selected user was active already.")
            messages.info(request, already if active else _("Nothing changed: every selected user was inactive already."))
            return
        if active:
            text = ngettext("%(count)s user is now active.", "%(count)s users are now active.", changed.number)
        else:
            text = ngettext("%(count)s user is now inactive.", "%(count)s users are now inactive.", changed.number)
        messages.success(request, text % {"count": grouped(changed.number)})
        self.after_change(request, changed)

    def _set_active(self, request: HttpRequest, queryset: QuerySet[UserProfile], active: bool) -> Changed:
        return self.set_fields(request, queryset, _("Activated.") if active else _("Deactivated."), is_active=active)

    def set_fields(self, request: HttpRequest, queryset: QuerySet[UserProfile], text: str, **values: Any) -> Changed:
        users = list(queryset.order_by("pk")[: SAVED_ONE_BY_ONE + 1])
        if len(users) > SAVED_ONE_BY_ONE:
            number = queryset.update(**values)
            history.log_many(request, text, number)
            return Changed(number, [])
        history.log(request, users, CHANGE, text)
        for user in users:
            for name, value in values.items():
                setattr(user, name, value)
            user.save(update_fields=list(values))
        return Changed(len(users), [user.user_id for user in users])

    def _delete(self, request: HttpRequest, queryset: QuerySet[UserProfile]) -> Changed:
        users = list(queryset.order_by("pk")[: SAVED_ONE_BY_ONE + 1])
        if len(users) > SAVED_ONE_BY_ONE:
            number = queryset.delete()[0]
            history.log_many(request, _("Deleted."), number)
            return Changed(number, [])
        history.log(request, users, DELETION, "")
        for user in users:
            user.delete()
        return Changed(len(users), [user.user_id for user in users])


def _came_of(deactivated: int, deleted: int) -> str:
    numbers = {"deactivated": grouped(deactivated), "deleted": grouped(deleted)}
    if deactivated and deleted:
        text = _("%(deactivated)s deactivated, not deleted and %(deleted)s deleted for good. The sites are told to remove them.")
    elif deactivated:
        text = _("%(deactivated)s deactivated, not deleted. The sites are told to remove them.")
    elif deleted:
        text = _("%(deleted)s deleted for good. The sites are told to remove them.")
    else:
        text = _("Nobody was selected.")
    return text % numbers


def _sample(queryset: QuerySet[UserProfile]) -> dict[str, Any]:
    number = queryset.count()
    return {"number": number, "users": list(queryset[:NAMED]), "more": max(0, number - NAMED)}
