"""The form of one user."""

import re
from typing import Any

from django import forms
from django.conf import settings
from unfold.widgets import UnfoldAdminSelectWidget

from users.identifiers import new_user_id
from users.models import UserProfile

EMAIL = re.compile(r"[^@\s]+@[^@\s]+")
"""What the table's own constraint accepts."""


class UserProfileForm(forms.ModelForm):  # type: ignore[type-arg]
    """Adds or changes a user. Whoever leaves the id empty gets one made."""

    class Meta:
        model = UserProfile
        fields = ["email", "full_name", "role", "is_active", "user_id"]
        help_texts = {
            "email": "Unique, whatever its case.",
            "is_active": "Clear it to take the user out of every site. Nothing is deleted here.",
            "user_id": "The id that sites know this user by, for example user_123. Left empty, one is made. It never changes.",
        }
        error_messages = {
            "email": {"required": "Enter the email.", "invalid": "Write the email like this: ada@example.com."},
            "full_name": {"required": "Enter the full name."},
            "user_id": {"unique": "Another user has this id. Choose another one, or leave it empty to have one made."},
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "user_id" in self.fields:
            self.fields["user_id"].required = False
            if not self.is_bound:
                self.initial["user_id"] = ""
        if "role" in self.fields:
            self.fields["role"] = role_field(self.instance.role)

    def clean_user_id(self) -> str:
        return self.cleaned_data["user_id"] or new_user_id()

    def clean_email(self) -> str:
        email: str = self.cleaned_data["email"].strip()
        if not EMAIL.fullmatch(email):
            raise forms.ValidationError("Write the email like this: ada@example.com.")
        other = UserProfile.objects.with_email(email).exclude(pk=self.instance.pk).first()
        if other is not None:
            active = "" if other.is_active else ", who is inactive: activate that user instead"
            raise forms.ValidationError(f"A user with this email already exists: {other.full_name} ({other.email}){active}.")
        return email

    def clean_full_name(self) -> str:
        return " ".join(self.cleaned_data["full_name"].split())


def role_field(current: str = "") -> forms.ChoiceField:
    """A select of SYNC_ROLES. A role that is stored but no longer among them can stay, and is named."""
    choices = [(role, role) for role in settings.SYNC_ROLES]
    if current and current not in settings.SYNC_ROLES:
        choices.append((current, f"{current} (no longer in SYNC_ROLES)"))
    return forms.ChoiceField(
        choices=choices, widget=UnfoldAdminSelectWidget, help_text="Which sites receive a user can depend on the role."
    )
