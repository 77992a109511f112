"""The settler: takes in what the courier brings back and writes it down, in a thread and a database connection of its own."""

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

LINGER = 0.01
"""Seconds that the first answer waits for others that are under way, to be settled with them."""
GROUP = 1000
"""Deliveries settled in one transaction; more only where one request holds more."""


@dataclass(slots=True)
class Report:
    """What was written down."""

    done: list[tuple[Shipment, list[Attempt] | None]] = field(default_factory=list)
    """Shipments with their attempts; None where one was given back unsent."""
    unsendable: int = 0
    """Attempts that ended before they left."""

    @property
    def settled(self) -> int:
        """Attempts in all."""
        return self.unsendable + sum(len(attempts or ()) for _, attempts in self.done)


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
        # The rest belongs to the thread.
        self._back: list[Delivered] = []
        self._attempts: list[Attempt] = []
        self._report = Report()
        self._uncertain = False

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
        """Ends the thread once it has written down what the courier brought so far, or the database failed it."""
        self._stopping = True
        self._wanted.set()
        self._courier.nudge()
        if self._thread is not None:
            self._thread.join()

    def close(self) -> None:
        """Frees the bell. Nothing can be looked at any more."""
        self.bell.close()
        self._rope.close()

    def _run(self) -> None:
        try:
            while not (self._stopping and self._nothing_left):
                try:
                    self._turn()
                except Exception as error:  # not swallowed: whoever looks gets it
                    self._uncertain = True
                    connection.close()
                    self._wanted.clear()
                    self._put(error)
                    if self._stopping:
                        return
                    self._wanted.wait()
        finally:
            connection.close()

    @property
    def _nothing_left(self) -> bool:
        return self._courier.all_collected and self._unsendable.empty() and not self._attempts and not self._back

    def _turn(self) -> None:
        if not self._attempts and not self._back:
            self._take_in(self._courier.collect(5.0, LINGER, GROUP))
        if self._uncertain and self._attempts:
            # The database failed in the midst of it, perhaps after it had committed.
            done = already_logged(self._attempts)
            self._attempts = [attempt for attempt in self._attempts if attempt.claim.token not in done]
        self._uncertain = False
        release([claim for shipment, _ in self._back for claim in shipment.claims])
        self._back = []
        while self._attempts:
            group = self._attempts[:GROUP]
            settle(group, keep_plan=self._keep_plans)
            del self._attempts[: len(group)]
        if self._report.settled or self._report.done:
            self._put(self._report)
            self._report = Report()

    def _put(self, report: Report | BaseException) -> None:
        self._reports.put(report)
        with contextlib.suppress(OSError):  # rung often enough already, or closed
            self._rope.send(b".")

    def _take_in(self, delivered: Sequence[Delivered]) -> None:
        while not self._unsendable.empty():
            unsendable = self._unsendable.get()
            self._attempts += unsendable
            self._report.unsendable += len(unsendable)
        for shipment, result in delivered:
            if result is None:
                self._back.append((shipment, None))
                self._report.done.append((shipment, None))
            else:
                attempts = unpack(shipment, result)
                self._attempts += attempts
                self._report.done.append((shipment, attempts))
