"""How far runs are, and whether anybody carries them out."""

from dataclasses import dataclass
from datetime import timedelta

from django.conf import settings
from django.db import connection
from django.db.models import Case, Exists, F, OuterRef, Q, Subquery, When
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from sync.models import Delivery, RunSite, Status, SyncRun
from sync.status import words

LOOKS = {
    SyncRun.State.QUEUED: ("pending", "schedule"),
    SyncRun.State.RUNNING: ("in_progress", "progress_activity"),
    SyncRun.State.FINISHED: ("success", "check_circle"),
    SyncRun.State.CANCELLED: ("none", "cancel"),
}
OPEN = (SyncRun.State.QUEUED, SyncRun.State.RUNNING)
SITES_NAMED = 3
BY_THEN = timedelta(seconds=10)
"""A worker that is alive has begun a run."""


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
    made_up: bool = False
    """What it left or could not deliver is delivered by now: its sites are owed nothing more."""

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
        if self.all_delivered or (self.made_up and not self.not_sent):
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
        if self._incomplete:
            return _("Not all delivered")
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
        return self.run.state == SyncRun.State.FINISHED and not self.all_delivered and not self.made_up

    @property
    def title(self) -> str:
        """What it sends where."""
        sites = words.count(self.sites, "site")
        if self.run.scope == SyncRun.Scope.ALL:
            return _("Sync All, %(sites)s") % {"sites": sites}
        if self.run.scope == SyncRun.Scope.PENDING:
            return _("Sync of what is out of date, %(sites)s") % {"sites": sites}
        users = words.count(len(self.run.user_ids or []), "user")
        return _("Sync of %(users)s, %(sites)s") % {"users": users, "sites": sites}

    @property
    def sentence(self) -> str:
        """How far it is, in a sentence."""
        if not self.is_over:
            state = _("Running") if self.run.state == SyncRun.State.RUNNING else _("Waiting for a worker")
        else:
            state = f"{self.run.get_state_display()} {words.ago(self.run.finished_at)}"
        if not self.total:
            return _("%(state)s: nothing to send.") % {"state": state}
        delivered = {"count": words.number(self.succeeded), "total": words.number(self.total)}
        parts = [_("%(count)s of %(total)s delivered") % delivered]
        if self.made_up:
            return " ".join([f"{state}: {', '.join([*parts, *self._unsent()])}.", _("What it left, the worker has delivered since.")])
        if self.failed:
            parts.append(_("%(count)s not accepted or not reached at the first try") % {"count": words.number(self.failed)})
        if self.left_owed:
            parts.append(_("%(count)s left to the worker") % {"count": words.number(self.left_owed)})
        return f"{state}: {', '.join([*parts, *self._unsent()])}.{self._where()}"

    def _unsent(self) -> list[str]:
        return [_("%(count)s not sent") % {"count": words.number(self.not_sent)}] if self.not_sent else []

    def _where(self) -> str:
        """At which sites a run that is over did not deliver all."""
        if not self.is_over or self.sites < 2:
            return ""
        told = []
        for part in self.parts:
            counts = [_("%(count)s failed") % {"count": words.number(part.failed)}] if part.failed else []
            counts += [_("%(count)s left") % {"count": words.number(part.unsettled)}] if part.unsettled else []
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
        return _("Less than a minute left.") if left < timedelta(seconds=45) else _("About %(time)s left.") % {"time": words.span(left)}

    @property
    def speed(self) -> str:
        """How fast it is, or was; empty when that cannot be said."""
        if not self.rate or not self.done:
            return ""
        if self.rate >= 1:
            return _("%(count)s a second.") % {"count": words.number(round(self.rate))}
        return _("%(count)s a minute.") % {"count": words.number(max(1, round(self.rate * 60)))}

    @property
    def poll_seconds(self) -> int:
        """How often to look at it: often while it moves or is about to, seldom while it waits for a worker that does not come."""
        waits = self.run.state == SyncRun.State.QUEUED and timezone.now() - self.run.created_at > BY_THEN
        return 5 if waits else 1


SHOWN = ("run", "site", "total", "fed", "succeeded", "failed", "finished", "site__name", "site__display_name")
"""What is shown of a run at each site: the dashboard reads it with every look, for all sites."""


def progress(run: SyncRun) -> RunProgress:
    """How far a run is, in one query; in two where it did not deliver all, unless it was read with `still_owes` under that name."""
    prefetched = "parts" in getattr(run, "_prefetched_objects_cache", {})
    parts = list(run.parts.all() if prefetched else run.parts.select_related("site").only(*SHOWN))
    parts.sort(key=lambda part: part.site_id)
    sums = {name: sum(getattr(part, name) for part in parts) for name in ("total", "succeeded", "failed")}
    over = run.state in {SyncRun.State.FINISHED, SyncRun.State.CANCELLED}
    left = sum(part.unsettled for part in parts) if over else 0
    ended = run.finished_at or timezone.now()
    seconds = (ended - run.started_at).total_seconds() if run.started_at and not run.resumed_at else 0
    rate = (sums["succeeded"] + sums["failed"]) / seconds if seconds > 0.5 else None
    made_up = over and sums["failed"] + left > 0 and not _still_owes(run)
    return RunProgress(run, parts, left_owed=left, rate=rate, made_up=made_up, **sums)


def still_owes() -> Exists:
    """Of a run in a query of runs: whether a site at which it did not deliver all is owed anything now. A few index probes."""
    states = (Status.PENDING, Status.IN_PROGRESS, Status.FAILED)
    owed = [Q(Exists(Delivery.objects.filter(site_id=OuterRef("site_id"), status=state))) for state in states]
    return Exists(RunSite.objects.filter(run_id=OuterRef("pk"), fed__gt=F("succeeded")).filter(owed[0] | owed[1] | owed[2]))


def _still_owes(run: SyncRun) -> bool:
    known: bool | None = getattr(run, "still_owes", None)
    return SyncRun.objects.filter(still_owes(), pk=run.pk).exists() if known is None else known


def current_run() -> RunProgress | None:
    """The run that is under way, or else the latest; None when there never was one."""
    is_open = Case(When(state__in=OPEN, then=1), default=0)
    latest = Subquery(SyncRun.objects.order_by("-pk").values("pk")[:1])
    run = SyncRun.objects.filter(Q(state__in=OPEN) | Q(pk=latest)).order_by(is_open.desc(), "-id").first()
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
