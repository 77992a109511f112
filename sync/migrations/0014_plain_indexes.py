"""No two entries of these indexes are alike but for versions of one row, which go as they are passed by: to look for others alike, whenever a
page is full, was a seventh of what a settle's update cost.

Changes the catalog alone. Lists that are there already stay until `reindex index concurrently` rewrites them.
"""

from django.db import migrations

INDEXES = ("user_sync_delivery_pkey", "user_sync_delivery_one_per_pair", "user_sync_delivery_due")


def _all(change: str) -> str:
    return ";\n".join(f"alter index {name} {change}" for name in INDEXES)


class Migration(migrations.Migration):
    dependencies = [("sync", "0013_lease_arrays")]
    operations = [migrations.RunSQL(_all("set (deduplicate_items = off)"), _all("reset (deduplicate_items)"))]
