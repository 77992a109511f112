"""The admin's sidebar: what there is to see, each entry for those who may see it."""

from typing import Any

from django.contrib import admin
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group
from django.db.models import Model
from django.http import HttpRequest
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import pgettext

from sites.models import ConnectedSite
from ssodash.models import ApiToken
from sync.models import Delivery, SyncRun, UserSyncLog
from users.models import UserProfile


def sidebar(request: HttpRequest) -> list[dict[str, Any]]:
    """The groups of entries, as Unfold wants them."""
    return [
        {
            "items": [
                {"title": _("Dashboard"), "icon": "dashboard", "link": reverse("admin:index")},
                _entry(UserProfile, _("Users"), "group", request),
                _entry(ConnectedSite, _("Sites"), "apps", request),
            ]
        },
        {
            "title": pgettext("sidebar", "Sync"),
            "separator": True,
            "items": [
                _entry(UserSyncLog, _("Log of attempts"), "receipt_long", request),
                _entry(SyncRun, _("Runs"), "sync", request),
                _entry(Delivery, _("Deliveries"), "outbox", request),
            ],
        },
        {
            "title": pgettext("sidebar", "Access"),
            "separator": True,
            "items": [
                _entry(get_user_model(), _("Staff logins"), "shield_person", request),
                _entry(Group, _("Groups"), "groups", request),
                _entry(ApiToken, _("API tokens"), "key", request),
                {"title": _("API documentation"), "icon": "api", "link": reverse("api:openapi-view")},
            ],
        },
    ]


def _entry(model: type[Model], title: str, icon: str, request: HttpRequest) -> dict[str, Any]:
    # The model's admin decides, as it does for the page itself.
    allowed = admin.site._registry[model].has_view_or_change_permission(request)
    link = reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")
    return {"title": title, "icon": icon, "link": link, "permission": lambda _: allowed}
