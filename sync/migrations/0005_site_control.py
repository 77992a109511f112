"""Sites that a person pauses, and the history of what the hub did with each site as a whole."""

from pathlib import Path

import django.db.models.functions.datetime
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("sync", "0004_leases"),
    ]

    operations = [
        migrations.AddField(
            model_name="sitehealth",
            name="pause_reason",
            field=models.TextField(db_default="", default=""),
        ),
        migrations.AddField(
            model_name="sitehealth",
            name="paused_at",
            field=models.DateTimeField(help_text="Set while a person has the site wait.", null=True),
        ),
        migrations.AddField(
            model_name="sitehealth",
            name="paused_by",
            field=models.CharField(db_default="", default="", max_length=150),
        ),
        migrations.CreateModel(
            name="SiteEvent",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("site_id", models.BigIntegerField()),
                ("site_name", models.CharField(max_length=50)),
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("quarantined", "Quarantined"),
                            ("reopened", "Reopened"),
                            ("throttled", "Asked to wait"),
                            ("paused", "Paused"),
                            ("resumed", "Resumed"),
                            ("probe", "Probe asked for"),
                        ],
                        max_length=12,
                    ),
                ),
                ("reason", models.TextField(db_default="", default="")),
                ("actor", models.CharField(db_default="", default="", help_text="Empty: the hub itself.", max_length=150)),
                ("at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
            ],
            options={
                "verbose_name": "event of a site",
                "verbose_name_plural": "events of sites",
                "db_table": "user_sync_site_event",
                "ordering": ["-id"],
                "indexes": [
                    models.Index(fields=["site_id", "-id"], name="user_sync_site_event_site"),
                    models.Index(fields=["at"], name="user_sync_site_event_at"),
                ],
            },
        ),
        migrations.RunSQL(Path(__file__).with_suffix(".sql").read_text()),
    ]
