"""What happened to sites as a whole."""

from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _


class SiteEvent(models.Model):
    """When the hub began or ceased to wait with all of a site, why, and who had it do so. Inserted once, never updated."""

    class Kind(models.TextChoices):
        QUARANTINED = "quarantined", _("Quarantined")
        REOPENED = "reopened", _("Reopened")
        THROTTLED = "throttled", _("Asked to wait")
        PAUSED = "paused", _("Paused")
        RESUMED = "resumed", _("Resumed")
        PROBE = "probe", _("Probe asked for")

    # No foreign key: as the log, the history outlives the site.
    site_id = models.BigIntegerField()
    site_name = models.CharField(max_length=50)
    kind = models.CharField(max_length=12, choices=Kind.choices)
    reason = models.TextField(default="", db_default="")
    actor = models.CharField(max_length=150, default="", db_default="", help_text="Empty: the hub itself.")
    at = models.DateTimeField(db_default=Now())

    class Meta:
        db_table = "user_sync_site_event"
        verbose_name = _("event of a site")
        verbose_name_plural = _("events of sites")
        ordering = ["-id"]
        indexes = [
            models.Index(fields=["site_id", "-id"], name="user_sync_site_event_site"),
            models.Index(fields=["at"], name="user_sync_site_event_at"),
        ]

    def __str__(self) -> str:
        return f"{self.site_name}: {self.get_kind_display()}"
