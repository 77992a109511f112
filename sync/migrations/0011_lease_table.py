"""Leases get a table of their own, a row a request, so that a claim need not write the deliveries it takes.

Processes of the version before cannot claim or settle once the columns are gone: restart them after it. What they had under way is
carried over as leases; when these expire each gets its `lost` row in the log, and is sent again under the same message id.
"""

from pathlib import Path

import django.contrib.postgres.fields
import django.db.models.deletion
from django.db import migrations, models
from django.db.models.functions import Now

SQL = Path(__file__).with_suffix(".sql").read_text()
LEASED = ("lease_token", "lease_until", "lease_started_at", "lease_cause", "lease_actor", "lease_run_id", "lease_leads")

# As one request for each site, since how many they were was known only to senders that are no longer there.
CARRY_OVER = """
insert into user_sync_lease (id, site_id, epoch, started_at, until, delivery_ids, tokens, versions, generations, causes, actors, run_ids)
select min(d.id), d.site_id, d.attempted_epoch, min(d.lease_started_at), max(d.lease_until), array_agg(d.id), array_agg(d.lease_token),
    array_agg(d.attempted_version), array_agg(d.attempted_generation), array_agg(coalesce(d.lease_cause, d.cause)),
    array_agg(coalesce(d.lease_actor, d.actor)), array_agg(d.lease_run_id)
from user_sync_delivery d where d.status = 'in_progress' group by d.site_id, d.attempted_epoch;
update user_sync_delivery set status = 'pending', tries = greatest(0, tries - 1) where status = 'in_progress';
"""


class Migration(migrations.Migration):
    dependencies = [("sites", "__first__"), ("sync", "0010_leased_index")]
    operations = [
        migrations.CreateModel(
            name="Lease",
            fields=[
                (
                    "id",
                    models.BigIntegerField(
                        help_text="Random, but near each other for the requests of one claim.", primary_key=True, serialize=False
                    ),
                ),
                ("epoch", models.BigIntegerField(help_text="The site's, as it was claimed for.")),
                ("probe", models.BooleanField(db_default=False, default=False)),
                ("holder", models.BigIntegerField(help_text="Whose it is: a number that each sender draws for itself.", null=True)),
                ("started_at", models.DateTimeField(db_default=Now())),
                ("until", models.DateTimeField()),
                (
                    "delivery_ids",
                    django.contrib.postgres.fields.ArrayField(models.BigIntegerField(), help_text="In the order of the claim."),
                ),
                ("tokens", django.contrib.postgres.fields.ArrayField(models.UUIDField(), help_text="The ids of the attempts under way.")),
                ("versions", django.contrib.postgres.fields.ArrayField(models.BigIntegerField())),
                ("generations", django.contrib.postgres.fields.ArrayField(models.IntegerField())),
                ("causes", django.contrib.postgres.fields.ArrayField(models.CharField(max_length=20))),
                ("actors", django.contrib.postgres.fields.ArrayField(models.CharField(max_length=150))),
                ("run_ids", django.contrib.postgres.fields.ArrayField(models.BigIntegerField(null=True))),
                (
                    "site",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        to="sites.connectedsite",
                    ),
                ),
            ],
            options={
                "verbose_name": "lease",
                "verbose_name_plural": "leases",
                "db_table": "user_sync_lease",
            },
        ),
        migrations.AddIndex("lease", models.Index(fields=["site", "id"], name="user_sync_lease_site")),
        migrations.RunSQL(
            """
-- Few rows, of which each lives for a moment.
alter table user_sync_lease set (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000, autovacuum_vacuum_cost_delay = 0);
""",
            migrations.RunSQL.noop,
        ),
        migrations.RemoveConstraint("delivery", "user_sync_delivery_lease_while_in_progress"),
        migrations.RemoveConstraint("delivery", "user_sync_delivery_status_known"),
        migrations.RunSQL(CARRY_OVER, migrations.RunSQL.noop),
        migrations.RemoveIndex("delivery", "user_sync_delivery_leased"),
        *(migrations.RemoveField("delivery", name) for name in LEASED),
        migrations.AddConstraint(
            "delivery",
            models.CheckConstraint(
                condition=models.Q(("status__in", ["pending", "success", "failed"])), name="user_sync_delivery_status_known"
            ),
        ),
        migrations.RunSQL(SQL, migrations.RunSQL.noop),
    ]
