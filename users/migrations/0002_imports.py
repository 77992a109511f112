"""Uploaded imports of users, between their preview and their confirmation."""

import uuid

import django.db.models.deletion
import django.db.models.functions.datetime
import django.utils.timezone
from django.conf import settings
from django.db import migrations, models

import users.uploads

CASCADE = """
alter table user_import_row add constraint user_import_row_upload
    foreign key (upload_id) references user_import (id) on delete cascade;
"""


class Migration(migrations.Migration):
    dependencies = [
        ("users", "0001_initial"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="UserImport",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("token", models.UUIDField(default=uuid.uuid4, editable=False, unique=True)),
                ("file_name", models.CharField(max_length=200)),
                ("notes", models.JSONField(default=list, help_text="What the person should know of how the file was read.")),
                (
                    "revision",
                    models.IntegerField(
                        db_default=0, default=0, help_text="Raised whenever it is written, so that a preview is confirmed once."
                    ),
                ),
                (
                    "created_at",
                    models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), default=django.utils.timezone.now),
                ),
                ("expires_at", models.DateTimeField(db_index=True, default=users.uploads.expiry)),
                ("login", models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name="+", to=settings.AUTH_USER_MODEL)),
            ],
            options={
                "verbose_name": "import of users",
                "verbose_name_plural": "imports of users",
                "db_table": "user_import",
                "ordering": ["-id"],
            },
        ),
        migrations.CreateModel(
            name="UserImportRow",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("line", models.IntegerField()),
                (
                    "kind",
                    models.CharField(
                        choices=[("create", "Create"), ("change", "Change"), ("unchanged", "Unchanged"), ("error", "Error")], max_length=10
                    ),
                ),
                ("written", models.BooleanField(db_default=False, default=False)),
                (
                    "rechecked",
                    models.BooleanField(
                        db_default=False, default=False, help_text="The directory changed after the preview; compared anew."
                    ),
                ),
                ("user_id", models.CharField(default="", max_length=100)),
                ("email", models.CharField(default="", max_length=254)),
                ("full_name", models.CharField(default="", max_length=200)),
                ("role", models.CharField(default="", max_length=100)),
                ("is_active", models.BooleanField(default=True)),
                ("version", models.BigIntegerField(help_text="The user's version that the preview was made from.", null=True)),
                ("cells", models.JSONField(help_text="The line as it was written, by field.")),
                ("changes", models.JSONField(default=list, help_text="Field, before, after.")),
                ("problems", models.JSONField(default=list, help_text="Field, and what to do about it.")),
                (
                    "upload",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="rows",
                        to="users.userimport",
                    ),
                ),
            ],
            options={
                "verbose_name": "row of an import",
                "verbose_name_plural": "rows of imports",
                "db_table": "user_import_row",
                "ordering": ["line"],
                "indexes": [models.Index(fields=["upload", "kind", "line"], name="user_import_row_kind")],
                "constraints": [models.UniqueConstraint(fields=("upload", "line"), name="user_import_row_one_per_line")],
            },
        ),
        migrations.RunSQL(CASCADE, "alter table user_import_row drop constraint user_import_row_upload"),
    ]
