"""Users in the admin. Deleting deactivates: a person is taken out of the sites, and can be brought back."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.contrib import admin, messages
from django.contrib.admin import helpers
from django.contrib.admin.models import CHANGE, DELETION, LogEntry
from django.db import IntegrityError, transaction
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from unfold.admin import ModelAdmin
from unfold.decorators import display

from users.forms import UserProfileForm
from users.models import UserProfile

SAVED_ONE_BY_ONE = 500
"""Up to so many users a bulk action saves one by one, so that their sites hear at once; more of them in one statement."""
NAMED = 20


class RoleFilter(admin.SimpleListFilter):
    """By role: those of SYNC_ROLES, and `other` for what else is stored."""

    title = "role"
    parameter_name = "role"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(role, role) for role in settings.SYNC_ROLES] + [("__other__", "any other")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[UserProfile]) -> QuerySet[UserProfile]:
        if self.value() == "__other__":
            return queryset.exclude(role__in=settings.SYNC_ROLES)
        return queryset.filter(role=self.value()) if self.value() in settings.SYNC_ROLES else queryset


@admin.register(UserProfile)
class UserProfileAdmin(ModelAdmin):
    form = UserProfileForm
    list_display: Sequence[str] = ["email", "full_name", "role", "shown_active"]
    list_filter = [RoleFilter, "is_active"]
    search_fields = ["email", "full_name", "user_id"]
    search_help_text = "Search by email, name or id"
    ordering = ["-id"]
    list_per_page = 50
    show_full_result_count = False
    actions: Sequence[str] = ["deactivate_selected", "activate_selected", "delete_selected"]
    readonly_fields = ["user_id", "created_at", "updated_at"]
    warn_unsaved_form = True

    @display(description="Active", boolean=True, ordering="is_active")
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
        return [str(user) for user in objs], {"users": len(objs)}, set(), []

    def log_deletions(self, request: HttpRequest, queryset: Any) -> None:
        """The history tells what happens: who is active is deactivated, who is not is deleted."""
        leaving = [user for user in queryset if user.is_active]
        gone = [user for user in queryset if not user.is_active]
        _log(request, leaving, CHANGE, "Deactivated.")
        _log(request, gone, DELETION, "")

    def delete_model(self, request: HttpRequest, obj: UserProfile) -> None:
        request.was_deactivated = obj.is_active  # type: ignore[attr-defined]
        if obj.is_active:
            obj.is_active = False
            obj.save(update_fields=["is_active"])
        else:
            obj.delete()

    def response_delete(self, request: HttpRequest, obj_display: str, obj_id: int) -> HttpResponse:
        if getattr(request, "was_deactivated", False):
            messages.success(request, f"{obj_display} was deactivated, not deleted: the sites are told to remove the user.")
            return HttpResponseRedirect(reverse("admin:users_userprofile_change", args=[obj_id]))
        messages.success(request, f"{obj_display} was deleted for good.")
        return HttpResponseRedirect(reverse("admin:users_userprofile_changelist"))

    @admin.action(permissions=["delete"], description="Delete selected users")
    def delete_selected(self, request: HttpRequest, queryset: QuerySet[UserProfile]) -> HttpResponse | None:
        leaving, gone = queryset.filter(is_active=True), queryset.filter(is_active=False)
        if request.POST.get("post"):
            with transaction.atomic():
                # Who is inactive first: otherwise those deactivated here would be deleted as well.
                deleted = self._delete(request, gone)
                deactivated = self._set_active(request, leaving, False)
            told = [f"{deactivated.number:,} deactivated, not deleted"] if deactivated.number else []
            told += [f"{deleted.number:,} deleted for good"] if deleted.number else []
            messages.success(request, f"{' and '.join(told)}. The sites are told to remove them." if told else "Nobody was selected.")
            self.after_change(request, deactivated)
            return None
        context = {
            **self.admin_site.each_context(request),
            "title": "Delete users",
            "opts": self.opts,
            "media": self.media,
            "leaving": _sample(leaving),
            "gone": _sample(gone),
            "selected": request.POST.getlist(helpers.ACTION_CHECKBOX_NAME),
            "select_across": request.POST.get("select_across", "0"),
            "action_checkbox_name": helpers.ACTION_CHECKBOX_NAME,
        }
        return TemplateResponse(request, "admin/users/userprofile/delete_selected.html", context)

    @admin.action(permissions=["change"], description="Deactivate selected users")
    def deactivate_selected(self, request: HttpRequest, queryset: QuerySet[UserProfile]) -> None:
        self._set_active_and_tell(request, queryset, False)

    @admin.action(permissions=["change"], description="Activate selected users")
    def activate_selected(self, request: HttpRequest, queryset: QuerySet[UserProfile]) -> None:
        self._set_active_and_tell(request, queryset, True)

    def after_change(self, request: HttpRequest, changed: "Changed") -> None:
        """Called when a bulk action is done and committed, for whoever knows what else there is to say."""

    def _set_active_and_tell(self, request: HttpRequest, queryset: QuerySet[UserProfile], active: bool) -> None:
        with transaction.atomic():
            changed = self._set_active(request, queryset.exclude(is_active=active), active)
        word = "active" if active else "inactive"
        if not changed.number:
            messages.info(request, f"Nothing changed: every selected user was {word} already.")
            return
        messages.success(request, f"{changed.number:,} {'user is' if changed.number == 1 else 'users are'} now {word}.")
        self.after_change(request, changed)

    def _set_active(self, request: HttpRequest, queryset: QuerySet[UserProfile], active: bool) -> "Changed":
        text = "Activated." if active else "Deactivated."
        users = list(queryset.order_by("pk")[: SAVED_ONE_BY_ONE + 1])
        if len(users) > SAVED_ONE_BY_ONE:
            number = queryset.update(is_active=active)
            _log_many(request, text, number)
            return Changed(number, [])
        _log(request, users, CHANGE, text)
        for user in users:
            user.is_active = active
            user.save(update_fields=["is_active"])
        return Changed(len(users), [user.user_id for user in users])

    def _delete(self, request: HttpRequest, queryset: QuerySet[UserProfile]) -> "Changed":
        users = list(queryset.order_by("pk")[: SAVED_ONE_BY_ONE + 1])
        if len(users) > SAVED_ONE_BY_ONE:
            number = queryset.delete()[0]
            _log_many(request, "Deleted.", number)
            return Changed(number, [])
        _log(request, users, DELETION, "")
        for user in users:
            user.delete()
        return Changed(len(users), [user.user_id for user in users])


@dataclass(frozen=True)
class Changed:
    """What a bulk action changed: how many users, and their public ids where there are not too many to name."""

    number: int
    user_ids: list[str]


def _sample(queryset: QuerySet[UserProfile]) -> dict[str, Any]:
    number = queryset.count()
    return {"number": number, "users": list(queryset[:NAMED]), "more": max(0, number - NAMED)}


def _log(request: HttpRequest, users: Sequence[UserProfile], flag: int, text: str) -> None:
    if users:
        LogEntry.objects.log_actions(_login(request), users, flag, change_message=text)


def _log_many(request: HttpRequest, text: str, number: int) -> None:
    """One history entry for many users: one each would take longer than the change itself."""
    LogEntry.objects.create(user_id=_login(request), object_repr=f"{number:,} users", action_flag=CHANGE, change_message=text)


def _login(request: HttpRequest) -> int:
    return int(request.user.pk or 0)  # nobody gets here without being signed in
