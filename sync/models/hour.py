"""How many attempts an hour had, at which site and with which outcome: what charts show without reading the log."""

from django.db import models


class SyncHour(models.Model):
    """The attempts at one site that ended within one hour, in UTC, with one outcome. Only `sync.hourly` writes here."""

    # No foreign key: as the log, the figures outlive the site.
    site_id = models.BigIntegerField()
    hour = models.DateTimeField(help_text="The hour's beginning, in UTC.")
    outcome = models.CharField(max_length=12)
    count = models.BigIntegerField()

    class Meta:
        db_table = "user_sync_hour"
        verbose_name = "hour at a site"
        verbose_name_plural = "hours at sites"
        constraints = [
            models.UniqueConstraint(fields=["hour", "site_id", "outcome"], name="user_sync_hour_one_per_outcome"),
        ]

    def __str__(self) -> str:
        return f"{self.count} {self.outcome} at site {self.site_id}, {self.hour:%Y-%m-%d %H:00}"


class HourCursor(models.Model):
    """One row: the id in the log up to which every attempt is counted."""

    id = models.SmallIntegerField(primary_key=True, default=1, db_default=1)
    last_id = models.BigIntegerField(default=0, db_default=0)

    class Meta:
        db_table = "user_sync_hour_cursor"
        verbose_name = "hourly figures' cursor"
        constraints = [models.CheckConstraint(condition=models.Q(id=1), name="user_sync_hour_cursor_single")]

    def __str__(self) -> str:
        return f"counted up to {self.last_id}"
