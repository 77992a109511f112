"""The form of one site."""

import re
from typing import Any

from django import forms
from django.conf import settings
from django.utils.translation import gettext_lazy as _
from unfold.widgets import UnfoldAdminCheckboxSelectMultipleWidget

from sites.models import ConnectedSite

ICONS = [
    "apps",
    "badge",
    "groups",
    "school",
    "storefront",
    "shopping_cart",
    "sell",
    "payments",
    "receipt_long",
    "account_balance",
    "work",
    "article",
    "newspaper",
    "edit_note",
    "forum",
    "mail",
    "call",
    "support_agent",
    "directions_car",
    "garage",
    "local_shipping",
    "inventory_2",
    "warehouse",
    "factory",
    "build",
    "medical_services",
    "analytics",
    "dashboard",
    "cloud",
    "code",
    "language",
    "lock",
]
"""Suggestions; any name of https://fonts.google.com/icons works."""


class ConnectedSiteForm(forms.ModelForm):  # type: ignore[type-arg]
    """Adds or changes a site. Its secret is not in here: it is made by the hub, and shown once."""

    class Meta:
        model = ConnectedSite
        fields = [
            "display_name", "name", "url", "category", "icon", "is_active", "roles", "sync_path", "batch_size", "max_in_flight", "timeout",
        ]  # fmt: skip
        error_messages = {
            "display_name": {"required": _("Enter the name that people see, for example HRMS.")},
            "name": {
                "required": _("Enter a short name, for example hrms."),
                "unique": _("Another site has this name. Choose another one."),
                "invalid": _("Use letters, digits, - and _ only, for example hrms."),
            },
            "url": {"required": _("Enter the site's address, for example https://hrms.example.com.")},
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "roles" in self.fields:
            self.fields["roles"] = roles_field(self.instance.roles)
        if "icon" in self.fields:
            self.fields["icon"].widget.attrs["list"] = "hub-icons"

    def clean_url(self) -> str:
        # Before the validators of the model see it, so that the address of a site is written one way only.
        return str(self.cleaned_data["url"]).rstrip("/")

    def clean_icon(self) -> str:
        icon: str = self.cleaned_data["icon"].strip().lower().replace(" ", "_")
        if not re.fullmatch(r"[a-z0-9_]*", icon):
            raise forms.ValidationError(_("Use the name of a Material Symbol: letters, digits and _ only, for example badge."))
        return icon or "apps"


def roles_field(current: list[str]) -> forms.MultipleChoiceField:
    """A choice among SYNC_ROLES. Roles that are stored but no longer among them can stay, and are named."""
    choices = [(role, role) for role in settings.SYNC_ROLES]
    choices += [(role, _("%(role)s (no longer in SYNC_ROLES)") % {"role": role}) for role in current if role not in settings.SYNC_ROLES]
    return forms.MultipleChoiceField(
        choices=choices,
        required=False,
        label=_("Roles in scope"),
        widget=UnfoldAdminCheckboxSelectMultipleWidget,
        help_text=_("Only users with one of these roles are synced to this site. None chosen: all users."),
    )
