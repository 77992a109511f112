"""How far runs are, and whether anybody carries them out."""

from dataclasses import dataclass
from datetime import timedelta

from django.conf import settings
from django.db import connection
from django.utils import timezone
from django.utils.translation import gettext_lazy

from sync.models import RunSite, SyncRun
from sync.status import words

LOOKS = {
    SyncRun.State.QUEUED: ("pending", "schedule"),
    SyncRun.State.RUNNING: ("in_progress", "progress_activity"),
    SyncRun.State.FINISHED: ("success", "check_circle"),
    SyncRun.State.CANCELLED: ("none", "cancel"),
}
SITES_NAMED = 3


@dataclass(frozen=True)
class RunProgress:
    """A run's counts. `rate` is deliveries per second since it started; None where that would mislead (it was resumed, say)."""

    run: SyncRun
    parts: list[RunSite]
    """One a site, in the sites' order."""
    total: int
    succeeded: int
    failed: int
    left_owed: int
    """Owed by the run and not settled in it, now that it is over: the worker delivers them."""
    rate: float | None

    @property
    def sites(self) -> int:
        return len(self.parts)

    @property
    def done(self) -> int:
        return self.succeeded + self.failed + self.left_owed

    @property
    def not_sent(self) -> int:
        """What a cancelled run did not come to."""
        return max(0, self.total - self.done) if self.run.state == SyncRun.State.CANCELLED else 0

    @property
    def percent(self) -> int:
        """How far it is; once it is over, how much of it was delivered. 100 only where all was."""
        if not self.total:
            return 100 if self.run.state == SyncRun.State.FINISHED else 0
        if self.all_delivered:
            return 100
        return min(99, 100 * (self.succeeded if self.is_over else self.done) // self.total)

    @property
    def is_over(self) -> bool:
        return self.run.state in {SyncRun.State.FINISHED, SyncRun.State.CANCELLED}

    @property
    def all_delivered(self) -> bool:
        """Whether it came to its end and every delivery of it succeeded."""
        return self.run.state == SyncRun.State.FINISHED and self.succeeded >= self.total

    @property
    def can_resume(self) -> bool:
        return self.run.state == SyncRun.State.CANCELLED and self.not_sent > 0

    @property
    def label(self) -> str:
        """Its state in a word or two. Finished is not a word for a run that did not deliver all."""
        if self.run.state == SyncRun.State.FINISHED and not self.all_delivered:
            return "Not all delivered"
        return str(self.run.get_state_display())

    @property
    def look(self) -> str:
        """The state's name for styles, the same as for a user's statuses."""
        return "warning" if self._incomplete else LOOKS[SyncRun.State(self.run.state)][0]

    @property
    def symbol(self) -> str:
        """The icon beside the label, a Material Symbol."""
        return "warning" if self._incomplete else LOOKS[SyncRun.State(self.run.state)][1]

    @property
    def _incomplete(self) -> bool:
        return self.run.state == SyncRun.State.FINISHED and not self.all_delivered

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
        if self.not_sent:
            parts.append(f"{self.not_sent:,} not sent")
        return f"{state}: {', '.join(parts)}.{self._where()}"

    def _where(self) -> str:
        """At which sites a run that is over did not deliver all."""
        if not self.is_over or self.sites < 2:
            return ""
        told = []
        for part in self.parts:
            counts = [f"{part.failed:,} failed"] if part.failed else []
            counts += [f"{part.unsettled:,} left"] if part.unsettled else []
            if counts:
                told.append(f"{part.site}: {', '.join(counts)}")
        more = len(told) - SITES_NAMED
        if more > 0:
            told = [*told[:SITES_NAMED], f"{words.count(more, 'more site')}"]
        return f" {'; '.join(told)}." if told else ""

    @property
    def remaining(self) -> str:
        """How long it still takes at its rate so far; empty when that cannot be said."""
        if self.is_over or not self.rate or self.total <= self.done:
            return ""
        left = timedelta(seconds=(self.total - self.done) / self.rate)
        return "Less than a minute left." if left < timedelta(seconds=45) else f"About {words.span(left)} left."


def progress(run: SyncRun) -> RunProgress:
    """How far a run is, in one query."""
    prefetched = "parts" in getattr(run, "_prefetched_objects_cache", {})
    parts = list(run.parts.all() if prefetched else run.parts.select_related("site"))
    parts.sort(key=lambda part: part.site_id)
    sums = {name: sum(getattr(part, name) for part in parts) for name in ("total", "succeeded", "failed")}
    over = run.state in {SyncRun.State.FINISHED, SyncRun.State.CANCELLED}
    left = sum(part.unsettled for part in parts) if over else 0
    ended = run.finished_at or timezone.now()
    seconds = (ended - run.started_at).total_seconds() if run.started_at and not run.resumed_at else 0
    rate = (sums["succeeded"] + sums["failed"]) / seconds if seconds > 0.5 else None
    return RunProgress(run, parts, left_owed=left, rate=rate, **sums)


def current_run() -> RunProgress | None:
    """The run that is under way, or else the latest; None when there never was one."""
    run = SyncRun.objects.filter(state__in=[SyncRun.State.QUEUED, SyncRun.State.RUNNING]).first() or SyncRun.objects.first()
    return progress(run) if run else None


NO_WORKER = gettext_lazy("No worker is running: start one with `manage.py sync_worker`.")


def no_worker() -> str:
    """What to do where no worker reported lately; empty where one did."""
    return "" if worker_alive() else str(NO_WORKER)


def worker_alive() -> bool:
    """Whether a worker reported lately."""
    with connection.cursor() as cursor:
        cursor.execute(
            "select exists (select from procrastinate_workers where last_heartbeat > now() - make_interval(secs => %s))",
            [settings.SYNC_WORKER_SILENT_SECONDS],
        )
        return bool(cursor.fetchone()[0])
