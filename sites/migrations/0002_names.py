"""What people call them: nothing changes in the database."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [
        ("sites", "0001_initial"),
    ]

    operations = [
        migrations.AlterModelOptions(
            name="connectedsite",
            options={"ordering": ["id"], "verbose_name": "site", "verbose_name_plural": "sites"},
        ),
    ]
