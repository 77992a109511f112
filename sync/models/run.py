"""Runs: one Sync All, or one bulk action, with its progress."""

import uuid

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models.functions import Now
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from sites.models import ConnectedSite


class SyncRun(models.Model):
    """A walk over users in key order, per site. Nothing is marked in advance: the cursors are on `RunSite`."""

    class State(models.TextChoices):
        QUEUED = "queued", _("Waiting for a worker")
        RUNNING = "running", _("Running")
        FINISHED = "finished", _("Finished")
        CANCELLED = "cancelled", _("Cancelled")

    class Scope(models.TextChoices):
        ALL = "all", _("Everyone")
        USERS = "users", _("Chosen users")
        PENDING = "pending", _("Only what is out of date")

    public_id = models.UUIDField(unique=True, default=uuid.uuid4, db_default=models.Func(function="gen_random_uuid"), editable=False)
    scope = models.CharField(max_length=10, choices=Scope.choices, default=Scope.ALL, db_default="all")
    user_ids = ArrayField(models.CharField(max_length=100), null=True, help_text="The chosen users, for the scope `users`.")
    cause = models.CharField(max_length=20)
    actor = models.CharField(max_length=150, default="", db_default="")
    state = models.CharField(max_length=10, choices=State.choices, default=State.QUEUED, db_default="queued")
    created_at = models.DateTimeField(default=timezone.now, db_default=Now())
    started_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)
    resumed_at = models.DateTimeField(null=True, help_text="When it went on after it had been cancelled, the last time.")
    lease_token = models.UUIDField(null=True)
    lease_until = models.DateTimeField(null=True)

    class Meta:
        db_table = "user_sync_run"
        verbose_name = _("run")
        verbose_name_plural = _("runs")
        ordering = ["-id"]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(state__in=["queued", "running", "finished", "cancelled"]), name="user_sync_run_state_known"
            )
        ]
        indexes = [models.Index(fields=["state"], condition=models.Q(state__in=["queued", "running"]), name="user_sync_run_open")]

    def __str__(self) -> str:
        began = timezone.localtime(self.started_at or self.created_at)
        return str(_("Run of %(when)s") % {"when": f"{began:%Y-%m-%d %H:%M:%S}"})


class RunSite(models.Model):
    """One site's part of a run: how far it is (`cursor`, a public user id) and what came of it."""

    run = models.ForeignKey(SyncRun, on_delete=models.CASCADE, related_name="parts")
    site = models.ForeignKey(ConnectedSite, on_delete=models.DO_NOTHING, db_constraint=False, related_name="+")
    cursor = models.CharField(max_length=100, default="", db_default="")
    total = models.IntegerField(default=0, db_default=0, help_text="Deliveries to expect: an estimate until the walk is over.")
    fed = models.IntegerField(default=0, db_default=0, help_text="Deliveries that the run has owed so far.")
    succeeded = models.IntegerField(default=0, db_default=0)
    failed = models.IntegerField(default=0, db_default=0)
    finished = models.BooleanField(default=False, db_default=False)

    class Meta:
        db_table = "user_sync_run_site"
        verbose_name = _("run at a site")
        constraints = [models.UniqueConstraint(fields=["run", "site"], name="user_sync_run_site_one_per_pair")]

    def __str__(self) -> str:
        return f"run {self.run_id} at site {self.site_id}"

    @property
    def unsettled(self) -> int:
        """What the run owed and did not settle itself: it waits or is under way; once the run is over, it is the worker's."""
        return max(0, self.fed - self.succeeded - self.failed)
