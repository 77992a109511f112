"""Changed users not yet fanned out."""

from django.db import models
from django.db.models.functions import Now


class OutboxEntry(models.Model):
    """One changed user. Written by triggers in the writer's transaction, taken by the fan-out; Python never adds one."""

    user_key = models.BigIntegerField()
    user_id = models.CharField(max_length=100)
    email = models.CharField(max_length=254, help_text="As it was: a removed user's row is gone by the time anyone reads this.")
    operation = models.CharField(max_length=10)
    version = models.BigIntegerField()
    created_at = models.DateTimeField(db_default=Now())
    not_before = models.DateTimeField(
        db_default=Now(), help_text="The worker leaves it until then to the process that made the change, which pushes it at once."
    )

    class Meta:
        db_table = "user_sync_outbox"
        ordering = ["id"]
        indexes = [models.Index(fields=["user_id"], name="user_sync_outbox_user")]
        constraints = [
            models.CheckConstraint(condition=models.Q(operation__in=["upsert", "delete"]), name="user_sync_outbox_operation_known"),
        ]

    def __str__(self) -> str:
        return f"{self.operation} of {self.user_id}, version {self.version}"
