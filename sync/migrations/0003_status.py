"""The view and the functions for a SQL console."""

from pathlib import Path

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("sync", "0002_capture")]
    operations = [migrations.RunSQL(Path(__file__).with_suffix(".sql").read_text())]
