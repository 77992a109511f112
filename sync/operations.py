"""What a person can do. Pages, admin actions, the API, commands and SQL-started runs all end here."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from django.conf import settings
from django.db import transaction

from sites.models import ConnectedSite
from sync import fanout, quarantine, reconcile, runs, status, tasks_queue
from sync.deliver.leases import free_lost
from sync.deliver.push import push
from sync.deliver.sender import Sender
from sync.models import Delivery, OutboxEntry, RunSite, SiteHealth, SyncRun, UserSyncLog
from sync.resend import resend
from users.models import UserProfile

ANSWER_LOOK = 0.05
"""Seconds between two looks whether the answers to another process's requests are in."""
LOST_EVERY = 2.0
"""Seconds between two looks for leases whose holder ended."""
PUSHED_WITHIN = 2.0
"""Seconds after which the outbox holds no change any more that is its writer's to push."""


class UnknownUser(LookupError):
    """No user has this id or email, and no removal of one is owed."""


class UnknownSite(LookupError):
    """No site has this name."""


@dataclass(frozen=True)
class UserSyncResult:
    """What came of syncing one user: the status at every active site, right after."""

    user_id: str
    success: bool
    message: str
    sites: list[status.SiteStatus]


def find_user_id(text: str) -> str:
    """The public id for an id or an email (whatever its case). Raises UnknownUser naming what was given."""
    text = text.replace("\x00", "")
    profile = UserProfile.objects.filter(user_id=text).first() or UserProfile.objects.with_email(text).first()
    if profile is not None:
        return profile.user_id
    if Delivery.objects.filter(user_id=text).exists():
        return text
    raise UnknownUser(f"There is no user {text!r}: give a user id or an email of the directory.")


def find_sites(names: Sequence[str], *, also_inactive: bool = False) -> list[ConnectedSite]:
    """The sites of these names. Raises UnknownSite naming the first unknown one and those there are, or the first inactive one."""
    found = {site.name: site for site in ConnectedSite.objects.filter(name__in=names)}
    for name in names:
        if name not in found:
            known = ", ".join(ConnectedSite.objects.values_list("name", flat=True)[:20]) or "none yet"
            raise UnknownSite(f"There is no site {name!r}. Connected sites: {known}.")
        if not found[name].is_active and not also_inactive:
            raise UnknownSite(f"The site {name!r} is inactive: activate it first, it then receives everything it missed.")
    return [found[name] for name in names]


def sync_user(user_id: str, *, cause: str, actor: str = "", site_names: Sequence[str] = ()) -> UserSyncResult:
    """Sends this user again to every active site (or those named), also where nothing changed, and waits for the answers until the push
    deadline at the most. What is not done by then goes on in the worker. Raises UnknownUser, UnknownSite."""
    ends = time.monotonic() + settings.SYNC_PUSH_DEADLINE
    user_id = find_user_id(user_id)
    sites = find_sites(site_names) if site_names else list(ConnectedSite.objects.filter(is_active=True))
    owed = resend([(user_id, site.pk) for site in sites], cause=cause, actor=actor)
    push([user_id], ends=ends)
    await_answers([user_id], ends=ends)
    return _result(user_id, owed, len(sites))


def await_answers(user_ids: Sequence[str], *, ends: float) -> None:
    """Returns when no request about these users is under way any more, or at `ends` (of `time.monotonic`).

    A worker, woken by the same change, may have sent them before this process could: then there was nothing left to push.
    """
    while ends - time.monotonic() > ANSWER_LOOK:
        if all(site.status != "in_progress" for user in status.of_users(user_ids).values() for site in user.sites):
            return
        time.sleep(ANSWER_LOOK)


def _result(user_id: str, owed: int, sites: int) -> UserSyncResult:
    state = status.of_user(user_id)
    rows = state.sites if state else []
    failed = [row.display_name for row in rows if row.status == "failed"]
    waiting = [row.display_name for row in rows if row.status in {"pending", "in_progress"}]
    if not sites:
        message = "Nothing was sent: no site is active. Connect a site first."
    elif not owed:
        message = "Nothing was sent: this user belongs to no active site, and none was ever sent it."
    elif failed:
        message = f"Failed at {', '.join(failed)}."
        if waiting:
            message += f" Still pending at {', '.join(waiting)}."
    elif waiting:
        message = f"Pending at {', '.join(waiting)}: it is tried again by itself."
    else:
        message = f"Sent to {owed} {'site' if owed == 1 else 'sites'}: all in sync."
    return UserSyncResult(user_id, bool(owed) and not failed and not waiting, message, rows)


@dataclass(frozen=True)
class StartedRun:
    """A run that was started or joined, and what to tell the person."""

    run: SyncRun
    is_new: bool
    message: str


def sync_all(*, cause: str, actor: str = "", sites: Sequence[ConnectedSite] | None = None, only_pending: bool = False) -> StartedRun:
    """Starts a run that sends everyone (or only what is out of date) to all active sites, or those given; a worker does it."""
    scope = SyncRun.Scope.PENDING if only_pending else SyncRun.Scope.ALL
    return _started(*runs.start(cause=cause, actor=actor, scope=scope, sites=sites))


def sync_users(user_ids: Sequence[str], *, cause: str, actor: str = "", sites: Sequence[ConnectedSite] | None = None) -> StartedRun:
    """Starts a run over these users. A small one is done at once, within the push deadline; the rest is the worker's."""
    started = _started(*runs.start(cause=cause, actor=actor, scope=SyncRun.Scope.USERS, user_ids=user_ids, sites=sites))
    if _size(started.run) > settings.SYNC_PUSH_MAX:
        return started
    run = run_here(started.run, ends=time.monotonic() + settings.SYNC_PUSH_DEADLINE)
    return StartedRun(run, True, describe(run))


def _started(run: SyncRun, is_new: bool) -> StartedRun:
    size = _size(run)
    if not is_new:
        return StartedRun(run, False, f"A run over the same sites is under way already; it goes on ({size:,} deliveries).")
    if not run.parts.exists():
        _close_empty(run)
        return StartedRun(run, True, "Nothing to send: no site is active. Connect a site first.")
    if not size and run.scope != SyncRun.Scope.ALL:
        return _queued(run, "Everything is in sync: there is nothing to send.")
    warning = "" if status.worker_alive() else " No worker is running: start one with `manage.py sync_worker`."
    return _queued(run, f"Sync started: {size:,} deliveries to {run.parts.count()} sites.{warning}")


def _queued(run: SyncRun, message: str) -> StartedRun:
    tasks_queue.defer_feed(run.pk)
    return StartedRun(run, True, message)


def _close_empty(run: SyncRun) -> None:
    while not runs.Feeder(run).step():
        continue
    run.refresh_from_db()


def _size(run: SyncRun) -> int:
    return sum(RunSite.objects.filter(run=run).values_list("total", flat=True))


def start_here(
    *,
    cause: str,
    actor: str = "",
    user_ids: Sequence[str] | None = None,
    sites: Sequence[ConnectedSite] | None = None,
    only_pending: bool = False,
) -> tuple[SyncRun, bool]:
    """Starts a run for the caller to carry out by `run_here`, or joins the one under way over the same; returns it and whether it is new.

    Without a worker nothing else would fan out what changed before, so this does.
    """
    ends = time.monotonic() + PUSHED_WITHIN
    while fanout.fan_out(user_ids=user_ids) or (user_ids is None and OutboxEntry.objects.exists() and time.monotonic() < ends):
        time.sleep(0.02)  # what is left belongs to a process that is about to push it, for a moment
    scope = SyncRun.Scope.PENDING if only_pending else SyncRun.Scope.ALL if user_ids is None else SyncRun.Scope.USERS
    return runs.start(cause=cause, actor=actor, scope=scope, user_ids=user_ids, sites=sites)


def run_here(run: SyncRun, *, ends: float | None = None, on_step: Callable[[SyncRun], None] | None = None) -> SyncRun:
    """Feeds and delivers a run in this process, until it is over or `ends` (of `time.monotonic`) has come; a worker goes on then.

    Where another process feeds the run, this one helps to deliver, and takes over should the other end. `on_step` is called several
    times a second; what it raises ends this process's part.
    """
    feeder = runs.Feeder(run)
    sender = Sender(in_flight=settings.SYNC_WORKER_IN_FLIGHT, run_id=run.pk)
    over = False
    next_look = time.monotonic() + LOST_EVERY
    patience = 0.0 if ends is not None else 5.0
    try:
        while not over and (ends is None or time.monotonic() < ends):
            if time.monotonic() >= next_look:
                next_look = time.monotonic() + LOST_EVERY
                free_lost()  # there may be no worker to do it, and the run waits for them
            elsewhere = feeder.step()
            if elsewhere:
                run.refresh_from_db()
                over = run.state in {SyncRun.State.FINISHED, SyncRun.State.CANCELLED}
            sender.fill()
            if sender.idle and not over:
                time.sleep(0.2 if elsewhere else 0.02)  # what is left is leased by another process: look again soon
            sender.step(0.05)
            if on_step:
                on_step(run)
    except KeyboardInterrupt:
        patience = 0.0
        raise
    finally:
        _end(sender, patience)
        feeder.let_go()
    run.refresh_from_db()
    if not over:
        tasks_queue.defer_feed(run.pk)
    return run


def _end(sender: Sender, patience: float) -> None:
    try:
        sender.finish(patience)
    except KeyboardInterrupt:  # no more waiting; what was answered is still written down
        sender.finish(0)
        raise


def describe(run: SyncRun) -> str:
    """What came of a run so far, in a sentence."""
    parts = list(run.parts.all())
    done = sum(part.succeeded for part in parts)
    failed = sum(part.failed for part in parts)
    left = sum(part.total for part in parts) - done - failed
    if not parts:
        return "Nothing to send: no site is active. Connect a site first."
    if not done and not failed and left <= 0:
        return "Nothing was sent: none of these users belongs to an active site."
    text = f"{done:,} delivered to {len(parts)} {'site' if len(parts) == 1 else 'sites'}"
    if failed:
        text += f", {failed:,} failed"
    if left > 0:
        text += f", {left:,} left to the worker"
    return text + "."


def retry_attempts(log_ids: Sequence[int], *, cause: str, actor: str = "") -> str:
    """Sends again what these log rows are about (each user and site once), the small ones at once. Returns what happened."""
    ends = time.monotonic() + settings.SYNC_PUSH_DEADLINE
    pairs = sorted(set(UserSyncLog.objects.filter(pk__in=log_ids).values_list("user_id", "site_id")))
    owed = resend(pairs, cause=cause, actor=actor)
    if not owed:
        return "Nothing was sent: these sites are inactive or gone, or the users do not belong to them."
    user_ids = sorted({user_id for user_id, _ in pairs})
    if owed <= settings.SYNC_PUSH_MAX:
        push(user_ids, ends=ends)
    pairs_owed = Delivery.objects.filter(user_id__in=user_ids, site_id__in={site_id for _, site_id in pairs})
    wanted = set(pairs)
    states = [d.status for d in pairs_owed if (d.user_id, d.site_id) in wanted]
    waiting = sum(state in {"pending", "in_progress"} for state in states)
    failed = sum(state == "failed" for state in states)
    return f"{owed - waiting - failed} of {owed} delivered, {failed} failed, {waiting} pending."


def cancel_run(run: SyncRun) -> str:
    """Stops a run. Returns what happened."""
    if runs.cancel(run):
        return "The run was cancelled. What it had already queued is still delivered."
    return "The run was over already; nothing was cancelled."


@transaction.atomic
def resume_site(site: ConnectedSite) -> str:
    """Ends a site's quarantine and its wait: what is owed goes out now. Returns what happened."""
    health = SiteHealth.objects.select_for_update().filter(pk=site.pk).first()
    if health is None or (health.quarantined_at is None and health.throttled_until is None):
        return f"{site} is not paused; nothing changed."
    quarantine.close(health)
    health.throttled_until = None
    health.save()
    return f"{site} receives again: what waited is due now."


def reconcile_sites(sites: Sequence[ConnectedSite] | None = None) -> str:
    """Has the worker compare what sites should have with what they acknowledged. Returns what happened."""
    count = reconcile.request_all("asked for", None if sites is None else [site.pk for site in sites])
    return f"{count} {'site is' if count == 1 else 'sites are'} marked for reconcile; the worker does it."
