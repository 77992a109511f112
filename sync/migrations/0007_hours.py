"""Attempts counted by the hour, so that charts need not read the log."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("sync", "0006_runs"),
    ]

    operations = [
        migrations.CreateModel(
            name="HourCursor",
            fields=[
                ("id", models.SmallIntegerField(db_default=1, default=1, primary_key=True, serialize=False)),
                ("last_id", models.BigIntegerField(db_default=0, default=0)),
            ],
            options={
                "verbose_name": "hourly figures' cursor",
                "db_table": "user_sync_hour_cursor",
                "constraints": [models.CheckConstraint(condition=models.Q(("id", 1)), name="user_sync_hour_cursor_single")],
            },
        ),
        migrations.CreateModel(
            name="SyncHour",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("site_id", models.BigIntegerField()),
                ("hour", models.DateTimeField(help_text="The hour's beginning, in UTC.")),
                ("outcome", models.CharField(max_length=12)),
                ("count", models.BigIntegerField()),
            ],
            options={
                "verbose_name": "hour at a site",
                "verbose_name_plural": "hours at sites",
                "db_table": "user_sync_hour",
                "constraints": [models.UniqueConstraint(fields=("hour", "site_id", "outcome"), name="user_sync_hour_one_per_outcome")],
            },
        ),
    ]
