"""How each site is doing."""

from django.contrib.postgres.fields import ArrayField
from django.db import models

from sites.models import ConnectedSite


class SiteHealth(models.Model):
    """One row per site, made by a trigger together with the site. `sync.quarantine`, `sync.site_control` and `sync.reconcile` write it."""

    site = models.OneToOneField(ConnectedSite, on_delete=models.DO_NOTHING, db_constraint=False, primary_key=True, related_name="health")
    last_success_at = models.DateTimeField(null=True)
    last_failure_at = models.DateTimeField(null=True)
    last_error = models.TextField(default="", db_default="")
    confirms_ids = models.BooleanField(default=False, db_default=False, help_text="An answer of this site named the user's id.")

    failures_in_row = models.IntegerField(default=0, db_default=0)
    connection_failures_in_row = models.IntegerField(default=0, db_default=0)
    failing_users = ArrayField(
        models.CharField(max_length=100),
        default=list,
        db_default=models.Value([], output_field=ArrayField(models.CharField(max_length=100))),
    )
    quarantined_at = models.DateTimeField(null=True)
    quarantine_reason = models.TextField(default="", db_default="")
    next_probe_at = models.DateTimeField(null=True)
    throttled_until = models.DateTimeField(null=True)
    paused_at = models.DateTimeField(null=True, help_text="Set while a person has the site wait.")
    paused_by = models.CharField(max_length=150, default="", db_default="")
    pause_reason = models.TextField(default="", db_default="")

    reconcile_wanted = models.BigIntegerField(default=1, db_default=1, help_text="Raised whenever the site must be reconciled.")
    reconcile_done = models.BigIntegerField(default=0, db_default=0)
    reconcile_cursor = models.CharField(max_length=100, default="", db_default="")
    reconcile_reason = models.CharField(max_length=100, default="", db_default="")
    reconciled_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "user_sync_site_health"
        verbose_name = "site health"
        verbose_name_plural = "site health"

    def __str__(self) -> str:
        return f"health of site {self.site_id}"
