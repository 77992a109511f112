"""The drain loop: one per worker process, over all sites. It fans out, reconciles, frees lost leases, and sends what is due."""

import logging
import select
import threading
import time
from collections.abc import Callable
from typing import Any

import psycopg
from django.conf import settings
from django.db import DatabaseError, InterfaceError, OperationalError, close_old_connections, connection

from sync import fanout, reconcile
from sync.deliver.lost import free_lost
from sync.deliver.sender import Sender

logger = logging.getLogger(__name__)

CHANNEL = "user_sync"
"""Of NOTIFY: what is sent there wakes the workers."""
PUSHER_FIRST = 1.1
"""Seconds after which a change that its own process should have pushed is looked at again; the outbox's `not_before` is a second away."""
STOP_WITHIN = 3.0
"""Seconds that requests under way get to end when the worker stops."""
_SLICE = 0.5


class Drain:
    """Run it in a thread of its own: `Drain(stop, on_sweep).run()`. It ends soon after `stop` is set, and outlives its database."""

    def __init__(self, stop: threading.Event, on_sweep: Callable[[], None] = lambda: None) -> None:
        self._stop = stop
        self._on_sweep = on_sweep
        self._listener: psycopg.Connection[Any] | None = None
        self._next_sweep = 0.0
        self._hungry = True
        self._behind = True

    def run(self) -> None:
        """Drains until told to stop."""
        pause = 0.5
        sender = Sender(in_flight=settings.SYNC_WORKER_IN_FLIGHT, keep_plans=True)
        while not self._stop.is_set():
            try:
                self._listen()
                pause = 0.5
                while not self._stop.is_set():
                    self._turn(sender)
                sender.finish(STOP_WITHIN)
            except (DatabaseError, InterfaceError, psycopg.Error) as error:
                if not isinstance(error, OperationalError | InterfaceError | psycopg.OperationalError | psycopg.InterfaceError):
                    # Not the connection: what the sender holds may be what the database refuses. Its leases expire by themselves.
                    sender.close()
                    sender = Sender(in_flight=settings.SYNC_WORKER_IN_FLIGHT, keep_plans=True)
                logger.warning("database trouble, trying again in %.1f s: %s", pause, " ".join(str(error).split())[:300])
                self._close()
                self._stop.wait(pause)
                pause = min(pause * 2, 10.0)
        sender.close()
        self._close()

    def _turn(self, sender: Sender) -> None:
        now = time.monotonic()
        if not (self._hungry or self._behind or sender.idle):
            self._await(sender, min(_SLICE, max(0.0, self._next_sweep - now)))
        if self._notified(0.0 if self._hungry or self._behind or not sender.idle else min(_SLICE, max(0.0, self._next_sweep - now))):
            self._behind = self._hungry = True
            sender.look_again()
            # What is left to the process that made the change is anybody's by then.
            self._next_sweep = min(self._next_sweep, time.monotonic() + PUSHER_FIRST)
        if time.monotonic() >= self._next_sweep:
            self._next_sweep = time.monotonic() + settings.SYNC_SWEEP_SECONDS
            close_old_connections()
            free_lost()
            self._on_sweep()
            self._behind = self._hungry = True
        if self._behind:
            # One chunk a turn, so that a large fan-out does not hold up what is due already.
            changed = fanout.fan_out()
            self._behind = changed > 0 or reconcile.step()
            self._hungry = True
            sender.look_again()
        if self._hungry:
            self._hungry = sender.fill() > 0 or sender.contended
            if sender.contended and sender.idle:
                self._stop.wait(0.005)
        settled = 0 if sender.idle else sender.step(0.02 if self._hungry or self._behind else 0.0)
        self._hungry = self._hungry or settled > 0

    def _await(self, sender: Sender, wait: float) -> None:
        """Returns when something was settled, or the database has something to say: a site that hangs delays nobody's change."""
        poll = select.poll()
        poll.register(sender.bell, select.POLLIN)
        if self._listener is not None:
            poll.register(self._listener, select.POLLIN)
        poll.poll(wait * 1000)

    def _notified(self, wait: float) -> bool:
        if self._listener is None:
            if wait:
                self._stop.wait(wait)
            return False
        return any(True for _ in self._listener.notifies(timeout=wait, stop_after=None if not wait else 1))

    def _listen(self) -> None:
        parameters = connection.get_connection_params()
        parameters.pop("cursor_factory", None)
        parameters.pop("context", None)
        self._listener = psycopg.connect(**parameters, autocommit=True)
        self._listener.execute(f"listen {CHANNEL}")

    def _close(self) -> None:
        if self._listener is not None:
            self._listener.close()
            self._listener = None
        connection.close()
