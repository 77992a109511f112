"""The courier: keeps requests under way in a thread of its own, so that no answer waits for the database, nor the other way round."""

import queue
import threading
import time
from collections import Counter, deque
from collections.abc import Mapping, Sequence
from typing import cast

from sync.deliver.shipments import Shipment
from sync.transport import HttpResponse, HttpResult
from sync.transport.multi import MultiTransport

WAITS_AT_MOST = 1.0
"""Seconds that a shipment waits for its turn before it is given back: what it holds was rendered when it was claimed."""

Delivered = tuple[Shipment, HttpResult | None]
"""A shipment and its result; None when it is given back without having been sent."""


def answered_well(status: int | None) -> bool:
    """Whether more may be sent to a site that answered so (None: it did not), before it is decided what the answer means."""
    return status is not None and 200 <= status < 300


class Courier:
    """Sends shipments, at no site more of them at a time than it was told. It knows no database; one thread hands over and collects."""

    def __init__(self) -> None:
        self._transport = MultiTransport()
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()
        self._inbox: list[tuple[float, int, Shipment]] = []
        self._given_limits: dict[int, int] = {}
        self._stirred = threading.Event()
        self._pardons: Counter[int] = Counter()
        self._halted = False
        self._stopped = False
        self._results: queue.SimpleQueue[list[Delivered] | BaseException] = queue.SimpleQueue()
        self._handed = self._collected = 0
        # The rest belongs to the thread.
        self._limits: dict[int, int] = {}
        self._waiting: dict[int, deque[tuple[float, Shipment]]] = {}
        self._balks: Counter[int] = Counter()
        self._running: Counter[int] = Counter()
        self._under_way: dict[int, Shipment] = {}
        self._number = 0

    def hand_over(self, shipments: Sequence[Shipment], limits: Mapping[int, int]) -> None:
        """Takes shipments, and how many requests may be under way at which site from now on."""
        now = time.monotonic()
        with self._lock:
            self._inbox += [(now, self._pardons[shipment.target.site_id], shipment) for shipment in shipments]
            self._handed += len(shipments)
            self._given_limits.update(limits)
        if self._thread is None and shipments:
            self._thread = threading.Thread(target=self._run, name="sync-courier", daemon=True)
            self._thread.start()
        self._stir()

    def collect(self, wait: float, linger: float = 0.0, most: int = 1) -> list[Delivered]:
        """What came back since the last call. Waits at most `wait` seconds for the first, then `linger` for more, up to `most`
        deliveries, as long as any are under way. Raises what ended the thread, where it did not end by itself."""
        found: list[Delivered] = []
        deliveries = 0
        ends = time.monotonic() + wait
        while True:
            try:
                left = ends - time.monotonic()
                brought = self._results.get(timeout=left) if left > 0 else self._results.get_nowait()
            except queue.Empty:
                return found
            if isinstance(brought, BaseException):
                raise brought
            self._collected += len(brought)
            found += brought
            deliveries += sum(len(shipment.claims) for shipment, _ in brought)
            if not found or deliveries >= most or self._collected >= self._handed:
                return found
            ends = min(ends, time.monotonic() + linger)

    def pardon(self, site_id: int) -> None:
        """What an answer other than 2xx of this site means is decided and written down: what is handed over from now on may be sent."""
        with self._lock:
            self._pardons[site_id] += 1

    @property
    def all_collected(self) -> bool:
        """Nothing that came back waits to be collected."""
        return self._results.empty()

    def nudge(self) -> None:
        """Has `collect` return, though nothing came back."""
        self._results.put([])

    def halt(self) -> None:
        """Starts nothing more: what waits is given back."""
        self._halted = True
        self._stir()

    def stop(self) -> None:
        """Ends every request under way and the thread. What came back before can still be collected."""
        self._stopped = True
        self._stir()
        if self._thread is not None:
            self._thread.join()
        else:
            self._transport.close()

    def _stir(self) -> None:
        self._stirred.set()
        self._transport.wake()

    # The thread

    def _run(self) -> None:
        try:
            while not self._stopped:
                back = self._give_back() + self._take_in()
                if back:
                    self._results.put(back)
                if not self._under_way:
                    self._stirred.wait(0.25)
                    self._stirred.clear()
                    continue
                answered: list[Delivered] = []
                for number, result in self._transport.poll(0.25):
                    answered += self._answered(cast(int, number), result)
                if answered:
                    self._results.put(answered)
        except BaseException as error:  # not swallowed: whoever collects gets it
            self._results.put(error)
        finally:
            self._transport.close()

    def _take_in(self) -> list[Delivered]:
        with self._lock:
            inbox, self._inbox = self._inbox, []
            self._limits.update(self._given_limits)
            self._given_limits.clear()
        back: list[Delivered] = []
        for since, pardons, shipment in inbox:
            if pardons < self._balks[shipment.target.site_id]:
                back.append((shipment, None))  # claimed before it was written down how the site had answered
            else:
                self._waiting.setdefault(shipment.target.site_id, deque()).append((since, shipment))
        for site_id in list(self._waiting):
            self._start(site_id)
        return back + (self._give_back() if self._halted else [])

    def _start(self, site_id: int) -> None:
        waiting = self._waiting.get(site_id)
        while waiting and not self._halted and self._running[site_id] < self._limits.get(site_id, 1):
            _, shipment = waiting.popleft()
            self._number += 1
            self._under_way[self._number] = shipment
            self._running[site_id] += 1
            self._transport.add(self._number, shipment.request)

    def _answered(self, number: int, result: HttpResult) -> list[Delivered]:
        shipment = self._under_way.pop(number)
        site_id = shipment.target.site_id
        self._running[site_id] -= 1
        back: list[Delivered] = [(shipment, result)]
        if answered_well(result.status if isinstance(result, HttpResponse) else None):
            self._start(site_id)
        else:
            # It may have asked for a pause, or be broken: what that means is decided before it is sent anything more. What was claimed
            # before that may still be on its way here.
            self._balks[site_id] += 1
            back += self._drop(site_id)
        return back

    def _give_back(self) -> list[Delivered]:
        oldest = time.monotonic() - WAITS_AT_MOST
        back: list[Delivered] = []
        for site_id, waiting in list(self._waiting.items()):
            if not waiting:
                del self._waiting[site_id]
            elif self._halted or waiting[0][0] < oldest:
                back += self._drop(site_id)
        return back

    def _drop(self, site_id: int) -> list[Delivered]:
        return [(shipment, None) for _, shipment in self._waiting.pop(site_id, ())]
