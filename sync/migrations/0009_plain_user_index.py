"""The index of deliveries by user keeps an entry for each, not a list for each user: adding to such a list is a sixth of what an update costs.

Entries that are lists already stay so; `reindex index concurrently user_sync_delivery_user` rewrites them while the hub runs.
"""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [
        ("sync", "0008_names"),
    ]

    operations = [
        migrations.RunSQL(
            "alter index user_sync_delivery_user set (deduplicate_items = off)",
            "alter index user_sync_delivery_user reset (deduplicate_items)",
        ),
    ]
