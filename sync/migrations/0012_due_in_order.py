"""The index of what is due has deliveries that are due at the same moment in the order of their ids, so that a claim can go on after the
last one claimed instead of looking again at all that are under way.

Claims and fan-outs wait while it is built, which reads the table once. Processes of the version before go on with it.
"""

from django.db import migrations, models

NAME = "user_sync_delivery_due"


class Migration(migrations.Migration):
    dependencies = [("sync", "0011_lease_table")]
    operations = [
        migrations.RemoveIndex(model_name="delivery", name=NAME),
        migrations.AddIndex(
            model_name="delivery",
            index=models.Index(fields=["site", "next_attempt_at", "id"], condition=models.Q(status="pending"), name=NAME),
        ),
    ]
