"""Uploaded imports between their preview and their confirmation, in the database: any web process can take the next step."""

import uuid
from datetime import datetime, timedelta

from django.conf import settings
from django.db import models
from django.db.models.functions import Now
from django.utils import timezone

KEPT = timedelta(hours=24)


def expiry() -> datetime:
    """When an upload that is made now is dropped."""
    return timezone.now() + KEPT


class UserImport(models.Model):
    """One uploaded file. Gone with its rows after `KEPT`; nobody but the login that uploaded it sees it."""

    token = models.UUIDField(unique=True, default=uuid.uuid4, editable=False)
    login = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    file_name = models.CharField(max_length=200)
    notes = models.JSONField(default=list, help_text="What the person should know of how the file was read.")
    revision = models.IntegerField(default=0, db_default=0, help_text="Raised whenever it is written, so that a preview is confirmed once.")
    created_at = models.DateTimeField(default=timezone.now, db_default=Now())
    expires_at = models.DateTimeField(default=expiry, db_index=True)

    class Meta:
        db_table = "user_import"
        verbose_name = "import of users"
        verbose_name_plural = "imports of users"
        ordering = ["-id"]

    def __str__(self) -> str:
        return self.file_name


class UserImportRow(models.Model):
    """A line of an upload and what importing it does, as it was previewed. The columns of the user hold the user afterwards."""

    class Kind(models.TextChoices):
        CREATE = "create", "Create"
        CHANGE = "change", "Change"
        UNCHANGED = "unchanged", "Unchanged"
        ERROR = "error", "Error"

    # The database itself cascades: an upload can have 50,000 of these.
    upload = models.ForeignKey(UserImport, on_delete=models.DO_NOTHING, db_constraint=False, db_index=False, related_name="rows")
    line = models.IntegerField()
    kind = models.CharField(max_length=10, choices=Kind.choices)
    written = models.BooleanField(default=False, db_default=False)
    rechecked = models.BooleanField(default=False, db_default=False, help_text="The directory changed after the preview; compared anew.")
    user_id = models.CharField(max_length=100, default="")
    email = models.CharField(max_length=254, default="")
    full_name = models.CharField(max_length=200, default="")
    role = models.CharField(max_length=100, default="")
    is_active = models.BooleanField(default=True)
    version = models.BigIntegerField(null=True, help_text="The user's version that the preview was made from.")
    cells = models.JSONField(help_text="The line as it was written, by field.")
    changes = models.JSONField(default=list, help_text="Field, before, after.")
    problems = models.JSONField(default=list, help_text="Field, and what to do about it.")

    class Meta:
        db_table = "user_import_row"
        verbose_name = "row of an import"
        verbose_name_plural = "rows of imports"
        ordering = ["line"]
        constraints = [models.UniqueConstraint(fields=["upload", "line"], name="user_import_row_one_per_line")]
        indexes = [models.Index(fields=["upload", "kind", "line"], name="user_import_row_kind")]

    def __str__(self) -> str:
        return f"line {self.line}: {self.kind}"
