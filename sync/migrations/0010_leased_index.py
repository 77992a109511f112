"""The index of what is under way is by site alone, so that entries of leases that ended make room for new ones.

By the lease's end as well, each new entry went to the end of its site's, and thousands that were dead lay in the way of every claim.
"""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("sync", "0009_plain_user_index")]
    operations = [
        migrations.RemoveIndex("delivery", "user_sync_delivery_leased"),
        migrations.AddIndex(
            "delivery",
            models.Index(fields=["lease_leads", "site"], condition=models.Q(status="in_progress"), name="user_sync_delivery_leased"),
        ),
        # A list of those with the same key would be written anew with each of them.
        migrations.RunSQL(
            "alter index user_sync_delivery_leased set (deduplicate_items = off)",
            "alter index user_sync_delivery_leased reset (deduplicate_items)",
        ),
    ]
