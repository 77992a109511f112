"""Runs count what they owed and can go on after they were cancelled; counting what is in sync reads what is not."""

from pathlib import Path

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("sync", "0005_site_control")]
    operations = [
        migrations.AddField(
            "syncrun",
            "resumed_at",
            models.DateTimeField(null=True, help_text="When it went on after it had been cancelled, the last time."),
        ),
        migrations.AddField(
            "runsite", "fed", models.IntegerField(default=0, db_default=0, help_text="Deliveries that the run has owed so far.")
        ),
        migrations.AlterField(
            "runsite",
            "total",
            models.IntegerField(default=0, db_default=0, help_text="Deliveries to expect: an estimate until the walk is over."),
        ),
        migrations.RunSQL(
            "update user_sync_run_site r set fed = succeeded + failed + left_owed"
            " + (select count(*) from user_sync_delivery d where d.run_id = r.run_id and d.site_id = r.site_id)",
            migrations.RunSQL.noop,
        ),
        migrations.RemoveField("runsite", "left_owed"),
        migrations.AddIndex(
            "usersynclog",
            models.Index(fields=["status", "-id"], condition=~models.Q(status="success"), name="user_sync_log_trouble"),
        ),
        migrations.RunSQL(Path(__file__).with_suffix(".sql").read_text(), migrations.RunSQL.noop),
    ]
