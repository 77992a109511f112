"""The triggers that capture every change, and the foreign keys that cascade in the database itself."""

from pathlib import Path

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("sync", "0001_initial"), ("users", "0001_initial"), ("sites", "0001_initial")]
    operations = [migrations.RunSQL(Path(__file__).with_suffix(".sql").read_text())]
