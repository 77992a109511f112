"""The log of every attempt."""

from django.db import models
from django.utils.translation import gettext_lazy as _


class UserSyncLog(models.Model):
    """One try to send one user to one site. Inserted once, never updated; no secret is ever in it."""

    class Result(models.TextChoices):
        SUCCESS = "success", _("Delivered")
        RETRY = "pending", _("Will be tried again")
        FAILED = "failed", _("Failed")
        LOST = "lost", _("Lost: the sender ended before the answer")

    attempt_id = models.UUIDField()
    user_id = models.CharField(max_length=100)
    email = models.CharField(max_length=254, default="", db_default="")
    # No foreign key: the log outlives the site.
    site_id = models.BigIntegerField()
    site_name = models.CharField(max_length=50)
    type = models.CharField(max_length=10)
    version = models.BigIntegerField()
    generation = models.IntegerField(default=0, db_default=0)
    attributes = models.JSONField(null=True)
    status = models.CharField(max_length=10, choices=Result.choices)
    outcome = models.CharField(max_length=12)
    http_code = models.IntegerField(null=True)
    duration_ms = models.IntegerField(null=True)
    error = models.TextField(default="", db_default="")
    response = models.TextField(default="", db_default="")
    message_id = models.CharField(max_length=120)
    cause = models.CharField(max_length=20)
    actor = models.CharField(max_length=150, default="", db_default="")
    run_id = models.BigIntegerField(null=True)
    started_at = models.DateTimeField()
    completed_at = models.DateTimeField()

    class Meta:
        db_table = "user_sync_log"
        verbose_name = _("attempt")
        verbose_name_plural = _("attempts")
        ordering = ["-id"]
        indexes = [
            models.Index(fields=["user_id", "-id"], name="user_sync_log_user"),
            models.Index(fields=["site_id", "-id"], name="user_sync_log_site"),
            models.Index(fields=["message_id"], name="user_sync_log_message"),
            models.Index(fields=["completed_at"], name="user_sync_log_completed"),
            # The few that did not deliver, newest first.
            models.Index(fields=["status", "-id"], condition=~models.Q(status="success"), name="user_sync_log_trouble"),
        ]

    def __str__(self) -> str:
        return f"{self.email or self.user_id} → {self.site_name}"
