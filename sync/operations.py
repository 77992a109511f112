"""What a person can do. Pages, admin actions, the API, commands and SQL-started runs all end here."""

import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass

from django.conf import settings
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from sites.models import ConnectedSite
from sync import reconcile, restore, runs, status, tasks_queue
from sync.carry import run_here as run_here
from sync.carry import start_here as start_here
from sync.deliver.push import push
from sync.models import Delivery, RunSite, SyncRun, UserSyncLog
from sync.resend import resend
from users.models import UserProfile

ANSWER_LOOK = 0.05
"""Seconds between two looks whether the answers to another process's requests are in."""


class UnknownUser(LookupError):
    """No user has this id or email, and no removal of one is owed."""


class UnknownSite(LookupError):
    """No site has this name."""


class UnknownRun(LookupError):
    """No run has this public id."""


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
    raise UnknownUser(_("There is no user %(text)s: give a user id or an email of the directory.") % {"text": repr(text)})


def find_sites(names: Sequence[str], *, also_inactive: bool = False) -> list[ConnectedSite]:
    """The sites of these names. Raises UnknownSite naming the first unknown one and those there are, or the first inactive one."""
    found = {site.name: site for site in ConnectedSite.objects.filter(name__in=names)}
    for name in names:
        if name not in found:
            known = ", ".join(ConnectedSite.objects.values_list("name", flat=True)[:20]) or _("none yet")
            raise UnknownSite(_("There is no site %(name)s. Connected sites: %(known)s.") % {"name": repr(name), "known": known})
        if not found[name].is_active and not also_inactive:
            told = _("The site %(name)s is inactive: activate it first, it then receives everything it missed.")
            raise UnknownSite(told % {"name": repr(name)})
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
    active = [row for row in rows if row.site_active]
    failed = [row.display_name for row in active if row.status == "failed"]
    waiting = [row.display_name for row in active if row.status in {"pending", "in_progress"} and not row.is_paused]
    paused = [f"{row.display_name} {row.wait.clause}." for row in active if row.wait and row.is_paused]
    if not sites:
        message = _("Nothing was sent: no site is active. Connect a site first.")
    elif not owed:
        message = _("Nothing was sent: this user belongs to no active site, and none was ever sent it.")
    elif failed:
        message = _("Failed at %(sites)s.") % {"sites": ", ".join(failed)}
        if waiting:
            message += " " + _("Still pending at %(sites)s.") % {"sites": ", ".join(waiting)}
    elif waiting:
        message = _("Pending at %(sites)s: it is tried again by itself.") % {"sites": ", ".join(waiting)}
    elif owed > len(paused):
        told = _("Sent to %(sites)s: in sync there.") if paused else _("Sent to %(sites)s: all in sync.")
        message = told % {"sites": status.count(owed - len(paused), "site")}
    else:
        message = _("Nothing was sent.")
    done = bool(owed) and not (failed or waiting or paused)
    return UserSyncResult(user_id, done, " ".join([message, *paused]), rows)


@dataclass(frozen=True)
class StartedRun:
    """A run that was started or joined, and what to tell the person. `as_asked`: nothing failed, nothing waits for more than its turn."""

    run: SyncRun
    is_new: bool
    message: str
    as_asked: bool = True


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
    parts = list(run.parts.all())
    return StartedRun(run, True, describe(run), bool(parts) and all(0 < part.total <= part.succeeded for part in parts))


def _started(run: SyncRun, is_new: bool) -> StartedRun:
    size = _size(run)
    if not is_new:
        told = _("A run over the same sites is under way already; it goes on (%(deliveries)s).")
        return StartedRun(run, False, told % {"deliveries": status.count(size, "delivery", "deliveries")}, False)
    if not run.parts.exists():
        _close_empty(run)
        return StartedRun(run, True, _("Nothing to send: no site is active. Connect a site first."), False)
    if not size and run.scope != SyncRun.Scope.ALL:
        if run.state == SyncRun.State.FINISHED:
            return StartedRun(run, True, _("Everything is in sync: there is nothing to send."))
        return _queued(
            run, _("Sync started: what the sites should have is compared with what they acknowledged, and what differs is sent.")
        )
    warnings = status.who_waits([part.site for part in run.parts.filter(total__gt=0).select_related("site")])
    warnings += filter(None, [status.no_worker()])
    counts = {"deliveries": status.count(size, "delivery", "deliveries"), "sites": status.count(run.parts.count(), "site")}
    return _queued(run, _("Sync started: %(deliveries)s to %(sites)s.") % counts, warnings)


def _queued(run: SyncRun, message: str, warnings: Sequence[str] = ()) -> StartedRun:
    tasks_queue.defer_feed(run.pk)
    return StartedRun(run, True, " ".join([message, *warnings]), not warnings)


def _close_empty(run: SyncRun) -> None:
    while not runs.Feeder(run).step():
        continue
    run.refresh_from_db()


def _size(run: SyncRun) -> int:
    return sum(RunSite.objects.filter(run=run).values_list("total", flat=True))


def describe(run: SyncRun) -> str:
    """What came of a run so far, in words: also which sites wait with what is left, and why."""
    parts = list(run.parts.select_related("site").order_by("site_id"))
    reached = sum(part.succeeded > 0 for part in parts)
    done = sum(part.succeeded for part in parts)
    failed = sum(part.failed for part in parts)
    owed_later = run.state == SyncRun.State.CANCELLED  # what it did not come to, nobody owes
    left = sum(part.unsettled if owed_later else part.total - part.succeeded - part.failed for part in parts)
    if not parts:
        return _("Nothing to send: no site is active. Connect a site first.")
    if not done and not failed and left <= 0:
        return _("Nothing was sent: none of these users belongs to an active site.")
    said = [_("Nothing was delivered")]
    if done:
        said = [_("%(count)s delivered to %(sites)s") % {"count": status.number(done), "sites": status.count(reached, "site")}]
    if failed:
        said.append(_("%(count)s failed") % {"count": status.number(failed)})
    if left > 0:
        said.append(_("%(count)s left to the worker") % {"count": status.number(left)})
    waiting = status.who_waits([part.site for part in parts if part.total > part.succeeded + part.failed])
    return " ".join([f"{', '.join(said)}.", *waiting])


@dataclass(frozen=True)
class Retried:
    """What came of trying attempts again, and whether all of it was delivered."""

    message: str
    all_delivered: bool


def retry_attempts(log_ids: Sequence[int], *, cause: str, actor: str = "") -> Retried:
    """Sends again what these log rows are about (each user and site once), the small ones at once."""
    return resend_pairs(sorted(set(UserSyncLog.objects.filter(pk__in=log_ids).values_list("user_id", "site_id"))), cause=cause, actor=actor)


def resend_pairs(pairs: Sequence[tuple[str, int]], *, cause: str, actor: str = "") -> Retried:
    """Sends each of these (public user id, site key) again, also where nothing changed; a few at once, within the push deadline."""
    ends = time.monotonic() + settings.SYNC_PUSH_DEADLINE
    owed = resend(pairs, cause=cause, actor=actor)
    if not owed:
        return Retried(_("Nothing was sent: these sites are inactive or gone, or the users do not belong to them."), False)
    user_ids = sorted({user_id for user_id, _ in pairs})
    if owed <= settings.SYNC_PUSH_MAX:
        push(user_ids, ends=ends)
    states = [site for user in status.of_pairs(pairs).values() for site in user.sites]
    waiting = [site for site in states if site.status in {"pending", "in_progress"}]
    failed = sum(site.status == "failed" for site in states)
    done = max(0, owed - len(waiting) - failed)
    why = {site.display_name: f"{site.display_name} {site.wait.clause}." for site in waiting if site.wait}
    message = _("%(done)s of %(owed)s delivered, %(failed)s failed, %(pending)s pending.") % {
        "done": done, "owed": owed, "failed": failed, "pending": len(waiting),
    }  # fmt: skip
    return Retried(" ".join([message, *list(why.values())[: status.NAMED]]), done == owed)


def cancel_run(run: SyncRun) -> str:
    """Stops a run. Returns what happened."""
    if runs.cancel(run):
        told = _("The run was cancelled. What it had already queued is still delivered.")
        run.refresh_from_db()
        return " ".join([told, _("It can be resumed.")]) if status.progress(run).can_resume else told
    return _("The run was over already; nothing was cancelled.")


def find_run(text: str) -> SyncRun:
    """The run of this public id. Raises UnknownRun naming what was given."""
    try:
        found = SyncRun.objects.filter(public_id=uuid.UUID(text)).first()
    except ValueError:
        found = None
    if found is None:
        raise UnknownRun(_("There is no run %(text)s: `manage.py sync_runs` lists them.") % {"text": repr(text[:100])})
    return found


def resume_run(run: SyncRun, *, queue: bool = True) -> StartedRun:
    """Has a cancelled run go on at each site's cursor, by a worker (or, without `queue`, by the caller's `run_here`). Where a run over the
    same is under way, that one is returned and goes on."""
    going_on = runs.resume(run)
    if going_on is None:
        run.refresh_from_db()
        over = run.state == SyncRun.State.FINISHED
        told = _("The run is over; nothing was resumed.") if over else _("The run was not cancelled and goes on; nothing was resumed.")
        return StartedRun(run, False, told, False)
    if going_on != run:
        told = _("Another run over the same sites is under way; it goes on, and this one stays cancelled.")
        return StartedRun(going_on, False, told, False)
    if not queue:
        return StartedRun(going_on, True, _("The run goes on."))
    left = sum(max(0, part.total - part.fed) for part in going_on.parts.all())
    come = _("The run goes on: %(deliveries)s to come.") % {"deliveries": status.count(left, "delivery", "deliveries")}
    return _queued(going_on, come, list(filter(None, [status.no_worker()])))


def after_restore(floor: int | None = None) -> restore.Restored:
    """Has every site sent everyone under versions above any that was used before the database was restored from a backup."""
    return restore.after_restore(floor)


def reconcile_sites(sites: Sequence[ConnectedSite] | None = None) -> str:
    """Has the worker compare what sites should have with what they acknowledged. Returns what happened."""
    count = reconcile.request_all("asked for", None if sites is None else [site.pk for site in sites])
    told = ngettext("%(count)s site is marked for reconcile.", "%(count)s sites are marked for reconcile.", count) % {"count": count}
    return " ".join([told, _("The worker does it.")])
