"""The form of one user."""

import re
from typing import Any

from django import forms
from django.conf import settings
from django.utils.translation import gettext_lazy as _
from unfold.widgets import UnfoldAdminSelectWidget

from users.identifiers import new_user_id
from users.models import UserProfile

EMAIL = re.compile(r"[^@\s]+@[^@\s]+")
"""What the table's own constraint accepts."""
EMAIL_FORM = _("Write the email like this: ada@example.com.")
NEW_ID = _("The id that sites know this user by, for example user_123. Leave it empty to have one made. It never changes.")
NEW = _("Only active users are sent to sites.")
ACTIVE = _("Turn it off to take the user out of every site. The user stays here as inactive.")
INACTIVE = _("Turn it on to send the user to the sites again, under the same id.")


class UserProfileForm(forms.ModelForm):  # type: ignore[type-arg]
    """Adds or changes a user. Whoever leaves the id empty gets one made."""

    class Meta:
        model = UserProfile
        fields = ["email", "full_name", "role", "is_active", "user_id"]
        help_texts = {
            "email": _("Unique, whatever its case."),
        }
        error_messages = {
            "email": {"required": _("Enter the email."), "invalid": EMAIL_FORM},
            "full_name": {"required": _("Enter the full name.")},
            "user_id": {"unique": _("Another user has this id. Choose another one, or leave it empty to have one made.")},
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "user_id" in self.fields:
            self.fields["user_id"].required = False
            self.fields["user_id"].help_text = NEW_ID
            if not self.is_bound:
                self.initial["user_id"] = ""
        if "role" in self.fields:
            self.fields["role"] = role_field(self.instance.role)
        if "is_active" in self.fields:
            self.fields["is_active"].help_text = NEW if self.instance._state.adding else ACTIVE if self.instance.is_active else INACTIVE

    def clean_user_id(self) -> str:
        return self.cleaned_data["user_id"] or new_user_id()

    def clean_email(self) -> str:
        email: str = self.cleaned_data["email"].strip()
        if not EMAIL.fullmatch(email):
            raise forms.ValidationError(EMAIL_FORM)
        other = UserProfile.objects.with_email(email).exclude(pk=self.instance.pk).first()
        if other is not None:
            told = _("A user with this email already exists: %(name)s (%(email)s).")
            if not other.is_active:
                told = _("A user with this email already exists: %(name)s (%(email)s), who is inactive: activate that user instead.")
            raise forms.ValidationError(told % {"name": other.full_name, "email": other.email})
        return email

    def clean_full_name(self) -> str:
        return " ".join(self.cleaned_data["full_name"].split())


def role_field(current: str = "") -> forms.ChoiceField:
    """A select of SYNC_ROLES. A role that is stored but no longer among them can stay, and is named."""
    choices = [(role, role) for role in settings.SYNC_ROLES]
    if current and current not in settings.SYNC_ROLES:
        choices.append((current, _("%(role)s (no longer in SYNC_ROLES)") % {"role": current}))
    return forms.ChoiceField(
        choices=choices, label=_("Role"), widget=UnfoldAdminSelectWidget, help_text=_("Which sites receive a user can depend on the role.")
    )
