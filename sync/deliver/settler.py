"""The settler: takes in what the courier brings back and has it written down, in threads and database connections of its own."""

import contextlib
import queue
import socket
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field

from django.db import connection

from sync.deliver.courier import Courier, Delivered
from sync.deliver.release import release
from sync.deliver.settle import Attempt, already_logged, settle
from sync.deliver.shipments import Shipment, unpack

LINGER = 0.03
"""Seconds that the first answer waits for others that are under way, to be settled with them."""
GROUP = 1000
"""Deliveries settled in one transaction; those of the request that makes it so many may be more."""
PATIENCE = 0.02
"""Seconds after which it is looked again whether enough came back to begin another transaction beside one under way."""
WRITERS = 2
"""Transactions at a time, at most."""
WORTH_ANOTHER = 500
"""Deliveries that wait to be settled before another transaction begins beside one under way: a few are better settled together."""


@dataclass(slots=True)
class Report:
    """What is written down together."""

    done: list[tuple[Shipment, list[Attempt] | None]] = field(default_factory=list)
    """Shipments with their attempts; None where one was given back unsent."""
    unsendable: int = 0
    """Attempts that ended before they left."""
    attempts: list[Attempt] = field(default_factory=list)
    """All of them."""
    left: bool = False
    """Some of it is owed still, or anew."""


class Settler:
    """Settles in groups, so that neither claims nor answers wait for it. One thread reads its reports.

    What the database fails is kept: `look` raises its error once, and it is tried again when `look` is called the next time.
    """

    def __init__(self, courier: Courier, *, keep_plans: bool = False) -> None:
        self._courier = courier
        self._keep_plans = keep_plans
        self._thread: threading.Thread | None = None
        self._reports: queue.SimpleQueue[Report | BaseException] = queue.SimpleQueue()
        self._unsendable: queue.SimpleQueue[list[Attempt]] = queue.SimpleQueue()
        self._wanted = threading.Event()
        self.bell, self._rope = socket.socketpair()
        """Can be read when there is something to look at, for one who waits for other things too."""
        self.bell.setblocking(False)
        self._rope.setblocking(False)
        self._stopping = False
        # Between the thread and its writers.
        self._groups: queue.SimpleQueue[Report | None] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._unwritten = 0
        self._written = threading.Event()
        # The rest belongs to the thread.
        self._writers: list[threading.Thread] = []
        self._gathered: list[Report] = []

    def begin(self, unsendable: Sequence[Attempt] = ()) -> None:
        """Something is under way, or ended before it left: there will be something to settle."""
        if unsendable:
            self._unsendable.put(list(unsendable))
            self._courier.nudge()
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="sync-settler", daemon=True)
            self._thread.start()

    def look(self, wait: float) -> list[Report]:
        """What was written down since the last look; waits at most `wait` seconds for the first. Raises what the database raised."""
        found: list[Report] = []
        self._wanted.set()
        with contextlib.suppress(OSError):  # nothing to hear, or closed
            self.bell.recv(4096)
        while True:
            try:
                report = self._reports.get(timeout=wait) if wait > 0 and not found else self._reports.get_nowait()
            except queue.Empty:
                return found
            if isinstance(report, BaseException):
                raise report
            found.append(report)

    def stop(self) -> None:
        """Ends the threads once they have written down what the courier brought so far, or the database failed it."""
        self._stopping = True
        self._wanted.set()
        self._written.set()
        self._courier.nudge()
        if self._thread is not None:
            self._thread.join()

    def close(self) -> None:
        """Frees the bell. Nothing can be looked at any more."""
        self.bell.close()
        self._rope.close()

    def _put(self, report: Report | BaseException) -> None:
        self._reports.put(report)
        with contextlib.suppress(OSError):  # rung often enough already, or closed
            self._rope.send(b".")

    # The thread

    def _run(self) -> None:
        try:
            while not (self._stopping and self._courier.all_collected and self._unsendable.empty()):
                try:
                    self._take_in(self._collect())
                    self._hand_out()
                except Exception as error:  # not swallowed: whoever looks gets it
                    self._put(error)
        finally:
            if self._gathered and not self._writers:
                self._start_writer()
            for group in (*self._gathered, *[None] * len(self._writers)):
                self._groups.put(group)
            for writer in self._writers:
                writer.join()

    def _collect(self) -> list[Delivered]:
        if not self._unwritten:
            return self._courier.collect(5.0, LINGER, GROUP)
        # Beside a writer not answer by answer: each would have the threads take turns, and most are to be settled with those that follow.
        self._written.wait(PATIENCE)
        self._written.clear()
        return self._courier.collect(0.0, 0.0, GROUP)

    def _take_in(self, delivered: Sequence[Delivered]) -> None:
        while not self._unsendable.empty():
            group, unsendable = self._room(), self._unsendable.get()
            group.attempts += unsendable
            group.unsendable += len(unsendable)
        for shipment, result in delivered:
            group, attempts = self._room(), None if result is None else unpack(shipment, result)
            group.attempts += attempts or ()
            group.done.append((shipment, attempts))

    def _room(self) -> Report:
        """The last group gathered, or a new one if that is full."""
        if not self._gathered or len(self._gathered[-1].attempts) >= GROUP:
            self._gathered.append(Report())
        return self._gathered[-1]

    def _hand_out(self) -> None:
        """As many groups as there are writers for."""
        while self._gathered:
            with self._lock:
                if self._unwritten >= WRITERS or (self._unwritten and len(self._gathered[0].attempts) < WORTH_ANOTHER):
                    return
                self._unwritten += 1
                if self._unwritten > len(self._writers):
                    self._start_writer()
            self._groups.put(self._gathered.pop(0))

    def _start_writer(self) -> None:
        self._writers.append(threading.Thread(target=self._write_all, name="sync-writer", daemon=True))
        self._writers[-1].start()

    # The writers

    def _write_all(self) -> None:
        try:
            while (group := self._groups.get()) is not None:
                self._write(group)
                with self._lock:
                    self._unwritten -= 1
                self._written.set()
        finally:
            connection.close()

    def _write(self, group: Report) -> None:
        attempts, uncertain = group.attempts, False
        while True:
            try:
                if uncertain:
                    # The database failed in the midst of it, perhaps after it had committed.
                    done = already_logged(attempts)
                    attempts = [attempt for attempt in attempts if attempt.claim.token not in done]
                release([claim for shipment, result in group.done if result is None for claim in shipment.claims])
                statuses = settle(attempts, keep_plan=self._keep_plans)
            except Exception as error:  # not swallowed: whoever looks gets it
                uncertain = True
                connection.close()
                self._wanted.clear()
                self._put(error)
                if self._stopping:
                    return
                self._wanted.wait()
            else:
                given_back = any(result is None for _, result in group.done)
                group.left = uncertain or given_back or "pending" in statuses.values()
                self._put(group)
                return
