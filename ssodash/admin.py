"""Who may use the hub: staff logins, groups and API tokens."""

from typing import Any

from django.contrib import admin
from django.contrib.auth import get_user_model
from django.contrib.auth.admin import GroupAdmin, UserAdmin
from django.contrib.auth.models import Group
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from procrastinate.contrib.django import admin as procrastinate_admin  # noqa: F401  (registers what is taken back below)
from procrastinate.contrib.django.models import ProcrastinateJob
from unfold.admin import ModelAdmin
from unfold.decorators import display
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm

from ssodash.models import ApiToken
from sync import status

Login = get_user_model()

admin.site.unregister(Login)
admin.site.unregister(Group)
admin.site.unregister(ProcrastinateJob)


@admin.register(Login)
class StaffLoginAdmin(UserAdmin, ModelAdmin):  # type: ignore[type-arg]
    """Django's own users: who can sign in here. They are not the users of the directory."""

    form = UserChangeForm
    add_form = UserCreationForm
    change_password_form = AdminPasswordChangeForm


@admin.register(Group)
class StaffGroupAdmin(GroupAdmin, ModelAdmin):
    pass


@admin.register(ApiToken)
class ApiTokenAdmin(ModelAdmin):
    """A token is shown once, when it is made. It cannot be changed, only deleted."""

    list_display = ["name", "created_by", "created_at", "shown_used"]
    search_fields = ["name"]
    fields = ["name", "created_by", "created_at", "last_used_at"]

    @display(description=gettext_lazy("Last used"))
    def shown_used(self, token: ApiToken) -> str | SafeString:
        return status.time_element(token.last_used_at) if token.last_used_at else status.ago(None)

    def get_fields(self, request: HttpRequest, obj: ApiToken | None = None) -> list[str]:
        return self.fields if obj else ["name"]

    def get_readonly_fields(self, request: HttpRequest, obj: ApiToken | None = None) -> list[str]:
        return self.fields if obj else []

    def has_change_permission(self, request: HttpRequest, obj: ApiToken | None = None) -> bool:
        return False

    def save_model(self, request: HttpRequest, obj: ApiToken, form: Any, change: bool) -> None:
        token, text = ApiToken.issue(obj.name, request.user)
        obj.pk = token.pk
        request.new_token = text  # type: ignore[attr-defined]

    def response_add(self, request: HttpRequest, obj: ApiToken, post_url_continue: str | None = None) -> HttpResponse:
        context = {**self.admin_site.each_context(request), "title": _("New API token"), "opts": self.opts, "name": obj.name}
        context["token"] = request.new_token  # type: ignore[attr-defined]
        context["address"] = request.build_absolute_uri("/api/users")
        return TemplateResponse(request, "admin/ssodash/apitoken/token.html", context)
