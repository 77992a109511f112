"""What each site acknowledged about each user, what was last attempted, and what it is still owed."""

from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from sites.models import ConnectedSite


class Action(models.TextChoices):
    """What a site is told about a user."""

    UPSERT = "upsert", _("Add or update")
    DELETE = "delete", _("Remove")


class Status(models.TextChoices):
    """Where a user stands at a site, in the words people and the API see."""

    PENDING = "pending", _("Pending")
    IN_PROGRESS = "in_progress", _("In progress")
    SUCCESS = "success", _("In sync")
    FAILED = "failed", _("Failed")


class Delivery(models.Model):
    """One row per user and site, keyed by the public user id: it outlives the user's row.

    Wanted, attempted and acknowledged are compared, never counted: five edits while a site is down are one delivery.
    There is no row where nothing was ever owed. Only `sync.fanout`, `sync.deliver` and `sync.reconcile` write here.
    """

    user_id = models.CharField(max_length=100)
    # The database itself cascades (a site may have a million of these; Django would fetch them all first).
    site = models.ForeignKey(ConnectedSite, on_delete=models.DO_NOTHING, db_constraint=False, db_index=False, related_name="deliveries")

    wanted_action = models.CharField(max_length=10, choices=Action.choices)
    wanted_version = models.BigIntegerField()
    wanted_generation = models.IntegerField(default=0, db_default=0)

    attempted_action = models.CharField(max_length=10, choices=Action.choices, null=True)  # noqa: DJ001  (null: never attempted)
    attempted_version = models.BigIntegerField(null=True)
    attempted_generation = models.IntegerField(null=True)
    attempted_epoch = models.BigIntegerField(null=True)
    attempted_email = models.CharField(max_length=254, null=True)  # noqa: DJ001

    acked_action = models.CharField(max_length=10, choices=Action.choices, null=True)  # noqa: DJ001  (null: never acknowledged)
    acked_version = models.BigIntegerField(null=True)
    acked_generation = models.IntegerField(null=True)
    acked_epoch = models.BigIntegerField(null=True)
    acked_email = models.CharField(max_length=254, null=True)  # noqa: DJ001
    acked_digest = models.CharField(max_length=64, null=True)  # noqa: DJ001
    remote_id = models.CharField(max_length=200, null=True)  # noqa: DJ001

    status = models.CharField(max_length=12, choices=Status.choices, default=Status.PENDING, db_default="pending")
    tries = models.IntegerField(default=0, db_default=0)
    next_attempt_at = models.DateTimeField(null=True, db_default=Now())
    last_error = models.TextField(default="", db_default="")
    last_synced_at = models.DateTimeField(null=True)

    cause = models.CharField(max_length=20, default="change", db_default="change")
    actor = models.CharField(max_length=150, default="", db_default="")
    run_id = models.BigIntegerField(null=True)

    class Meta:
        db_table = "user_sync_delivery"
        verbose_name = _("delivery")
        verbose_name_plural = _("deliveries")
        constraints = [
            models.UniqueConstraint(fields=["site", "user_id"], name="user_sync_delivery_one_per_pair"),
            models.CheckConstraint(condition=models.Q(status__in=["pending", "success", "failed"]), name="user_sync_delivery_status_known"),
        ]
        indexes = [
            models.Index(fields=["site", "next_attempt_at", "id"], condition=models.Q(status="pending"), name="user_sync_delivery_due"),
            models.Index(fields=["site", "user_id"], condition=models.Q(status="failed"), name="user_sync_delivery_failed"),
            models.Index(fields=["user_id"], name="user_sync_delivery_user"),
            models.Index(fields=["run_id", "site"], condition=models.Q(run_id__isnull=False), name="user_sync_delivery_run"),
        ]

    def __str__(self) -> str:
        return f"{self.user_id} at site {self.site_id}: {self.status}"
