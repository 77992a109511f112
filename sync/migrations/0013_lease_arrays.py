"""A lease's arrays are kept as they are. PostgreSQL compressed those of a batch, for a tenth of what a claim cost, and a lease lives for seconds.

Changes the catalog alone: what is written from now on, by processes of the version before too.
"""

from django.db import migrations

COLUMNS = ("delivery_ids", "tokens", "versions", "generations", "causes", "actors", "run_ids")


def _stored(how: str) -> str:
    return "alter table user_sync_lease " + ", ".join(f"alter column {name} set storage {how}" for name in COLUMNS)


class Migration(migrations.Migration):
    dependencies = [("sync", "0012_due_in_order")]
    operations = [migrations.RunSQL(_stored("external"), _stored("extended"))]
