"""The directory: one row per user."""

from collections.abc import Collection
from typing import Any, Self

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import RegexValidator
from django.db import models
from django.db.models.functions import Lower, Now
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from users import plain_text
from users.identifiers import new_user_id
from users.uploads import UserImport, UserImportRow

__all__ = ["UserImport", "UserImportRow", "UserProfile", "UserQuerySet", "default_role", "valid_user_id"]

valid_user_id = RegexValidator(
    r"\A[A-Za-z0-9][A-Za-z0-9_-]{0,99}\Z",
    _("Use letters, digits, - and _ (at most 100 characters), for example user_123; leave it empty to have one made."),
)


def default_role() -> str:
    """The first of SYNC_ROLES: what a new user gets when nobody says otherwise."""
    return str(settings.SYNC_ROLES[0])


class UserQuerySet(models.QuerySet["UserProfile"]):
    """Users as verbs."""

    def with_email(self, email: str) -> Self:
        """The user who has this email, whatever its case. The unique index answers; `iexact` would read every row."""
        return self.alias(lower_email=Lower("email")).filter(lower_email=Lower(models.Value(email)))


class UserProfile(models.Model):
    """A person in the directory. Not a staff login, which is Django's `auth.User`.

    `version` and `updated_at` belong to the database: a trigger draws a new version whenever something that sites hear of changes,
    whoever writes; what Python assigns to them is ignored.
    """

    user_id = models.CharField(
        "user id",
        unique=True,
        max_length=100,
        default=new_user_id,
        db_default=models.Func(function="new_user_id"),
        validators=[valid_user_id],
        help_text=_("The id that sites know this user by. It never changes."),
    )
    email = models.EmailField(max_length=254)
    full_name = models.CharField(max_length=200)
    role = models.CharField(max_length=100, default=default_role, db_default="user")
    is_active = models.BooleanField("active", default=True, db_default=True)
    version = models.BigIntegerField(default=0, db_default=0, editable=False)
    created_at = models.DateTimeField(default=timezone.now, db_default=Now(), editable=False)
    updated_at = models.DateTimeField(default=timezone.now, db_default=Now(), editable=False)

    objects = UserQuerySet.as_manager()

    class Meta:
        db_table = "user_profiles"
        verbose_name = "user"
        ordering = ["id"]
        constraints = [
            models.UniqueConstraint(
                Lower("email"),
                name="user_profiles_email_unique",
                violation_error_message=_("A user with this email already exists."),
            ),
            models.CheckConstraint(condition=models.Q(email__regex=r"^[^@\s]+@[^@\s]+$"), name="user_profiles_email_has_at"),
            models.CheckConstraint(condition=~models.Q(user_id=""), name="user_profiles_user_id_not_empty"),
        ]

    def __str__(self) -> str:
        return self.email

    def clean_fields(self, exclude: Collection[str] | None = None) -> None:
        """Refuses characters that nobody sees too: what form and API share. Kept here, a field's validator would be a migration."""
        errors: dict[str, list[Any]] = {}
        try:
            super().clean_fields(exclude=exclude)
        except ValidationError as error:
            errors = error.error_dict
        for name in ("email", "full_name", "role"):
            told = plain_text.fault(getattr(self, name)) if name not in (exclude or ()) else ""
            if told:
                errors[name] = [ValidationError(told, code="unseen")]
        if errors:
            raise ValidationError(errors)
