"""What people call them: nothing changes in the database."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [
        ("sync", "0007_hours"),
    ]

    operations = [
        migrations.AlterModelOptions(
            name="syncrun",
            options={"ordering": ["-id"], "verbose_name": "run", "verbose_name_plural": "runs"},
        ),
        migrations.AlterModelOptions(
            name="usersynclog",
            options={"ordering": ["-id"], "verbose_name": "attempt", "verbose_name_plural": "attempts"},
        ),
    ]
