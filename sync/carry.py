"""Carry out a run in this process: for a command, and for a bulk action that is small."""

import time
from collections.abc import Callable, Sequence

from django.conf import settings

from sites.models import ConnectedSite
from sync import fanout, runs, tasks_queue
from sync.deliver.lost import free_lost
from sync.deliver.sender import Sender
from sync.models import OutboxEntry, SyncRun

LOST_EVERY = 2.0
"""Seconds between two looks for leases whose holder ended."""
PUSHED_WITHIN = 2.0
"""Seconds after which the outbox holds no change any more that is its writer's to push."""


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
    finally:
        sender.close()
