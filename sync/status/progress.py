"""How far runs are, and whether anybody carries them out."""

from dataclasses import dataclass
from datetime import timedelta

from django.conf import settings
from django.db import connection
from django.utils import timezone

from sync.models import SyncRun
from sync.status import words


@dataclass(frozen=True)
class RunProgress:
    """A run's counts. `rate` is deliveries per second since it started."""

    run: SyncRun
    total: int
    succeeded: int
    failed: int
    left_owed: int
    sites: int
    rate: float | None

    @property
    def done(self) -> int:
        return self.succeeded + self.failed + self.left_owed

    @property
    def percent(self) -> int:
        if self.run.state in {SyncRun.State.FINISHED}:
            return 100
        return min(99, 100 * self.done // self.total) if self.total else 0

    @property
    def is_over(self) -> bool:
        return self.run.state in {SyncRun.State.FINISHED, SyncRun.State.CANCELLED}

    @property
    def title(self) -> str:
        """What it sends where."""
        titles: dict[str, str] = {SyncRun.Scope.ALL: "Sync All", SyncRun.Scope.PENDING: "Sync of what is out of date"}
        what = titles.get(self.run.scope) or f"Sync of {words.count(len(self.run.user_ids or []), 'user')}"
        return f"{what}, {words.count(self.sites, 'site')}"

    @property
    def sentence(self) -> str:
        """How far it is, in a sentence."""
        if not self.is_over:
            state = "Running" if self.run.state == SyncRun.State.RUNNING else "Waiting for a worker"
        else:
            state = f"{self.run.get_state_display()} {words.ago(self.run.finished_at)}"
        if not self.total:
            return f"{state}: nothing to send."
        parts = [f"{self.succeeded:,} of {self.total:,} delivered"]
        if self.failed:
            parts.append(f"{self.failed:,} not accepted or not reached at the first try")
        if self.left_owed:
            parts.append(f"{self.left_owed:,} left to the worker")
        return f"{state}: {', '.join(parts)}."

    @property
    def remaining(self) -> str:
        """How long it still takes at its rate so far; empty when that cannot be said."""
        if self.is_over or not self.rate or self.total <= self.done:
            return ""
        left = timedelta(seconds=(self.total - self.done) / self.rate)
        return "Less than a minute left." if left < timedelta(seconds=45) else f"About {words.span(left)} left."


def progress(run: SyncRun) -> RunProgress:
    """How far a run is, in one query."""
    parts = list(run.parts.all())
    sums = {name: sum(getattr(part, name) for part in parts) for name in ("total", "succeeded", "failed", "left_owed")}
    ended = run.finished_at or timezone.now()
    seconds = (ended - run.started_at).total_seconds() if run.started_at else 0
    rate = (sums["succeeded"] + sums["failed"]) / seconds if seconds > 0.5 else None
    return RunProgress(run, sites=len(parts), rate=rate, **sums)


def current_run() -> RunProgress | None:
    """The run that is under way, or else the latest; None when there never was one."""
    run = SyncRun.objects.filter(state__in=[SyncRun.State.QUEUED, SyncRun.State.RUNNING]).first() or SyncRun.objects.first()
    return progress(run) if run else None


def worker_alive() -> bool:
    """Whether a worker reported lately."""
    with connection.cursor() as cursor:
        cursor.execute(
            "select exists (select from procrastinate_workers where last_heartbeat > now() - make_interval(secs => %s))",
            [settings.SYNC_WORKER_SILENT_SECONDS],
        )
        return bool(cursor.fetchone()[0])
