"""The sender: keeps many requests under way in one thread. The worker, runs in the foreground and bulk actions use it."""

import random
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import cast

from sync.deliver.claim import claim
from sync.deliver.leases import free_lost
from sync.deliver.settle import Attempt, settle
from sync.deliver.shipments import Shipment, pack, refused_as_batch, unpack
from sync.deliver.targets import Slot, open_slots
from sync.transport.multi import MultiTransport

SETTLE_WITHIN = 0.05
"""Seconds that an answer waits at most to be settled together with others."""


class Sender:
    """Claims, sends and settles. `step` is called again and again by one thread."""

    def __init__(self, *, in_flight: int, run_id: int | None = None, user_ids: Sequence[str] | None = None) -> None:
        self._in_flight = in_flight
        self._run_id = run_id
        self._user_ids = user_ids
        self._transport = MultiTransport()
        self._under_way: dict[int, Shipment] = {}
        self._answered: list[Attempt] = []
        self._answered_since = 0.0
        self._number = 0
        self._batch_sizes: dict[int, int] = {}

    @property
    def idle(self) -> bool:
        """Nothing is under way and nothing waits to be settled."""
        return not self._under_way and not self._answered

    def fill(self) -> int:
        """Claims what is due and starts its requests, as far as there is room; returns how many claims."""
        room = self._in_flight - len(self._under_way)
        if room <= 0:
            return 0
        slots = self._fair(open_slots(), room)
        if not slots:
            return 0
        claims = claim(slots, user_ids=self._user_ids, run_id=self._run_id)
        shipments, unsendable = pack(claims, self._batch_sizes)
        for shipment in shipments:
            self._number += 1
            self._under_way[self._number] = shipment
            self._transport.add(self._number, shipment.request)
        self._note(unsendable)
        return len(claims)

    def _fair(self, slots: list[Slot], room: int) -> list[Slot]:
        """The room divided, least busy sites first, so that no site that hangs keeps a healthy one waiting."""
        busy = Counter(shipment.target.site_id for shipment in self._under_way.values())
        share = max(1, self._in_flight // max(1, len(slots) + len(busy.keys() - {slot.target.site_id for slot in slots})))
        chosen = []
        for slot in sorted(slots, key=lambda slot: (busy[slot.target.site_id], random.random())):  # noqa: S311
            free = min(slot.free, share - busy[slot.target.site_id], room)
            if free > 0:
                chosen.append(replace(slot, free=free))
                room -= free
        return chosen

    def step(self, wait: float) -> int:
        """Waits at most `wait` seconds for answers and settles what is ready; returns how many attempts were settled."""
        for tag, result in self._transport.poll(min(wait, SETTLE_WITHIN) if self._answered else wait):
            shipment = self._under_way.pop(cast(int, tag))
            attempts = unpack(shipment, result)
            self._learn_batch_size(shipment, attempts)
            self._note(attempts)
        waited = time.monotonic() - self._answered_since
        if self._answered and (waited >= SETTLE_WITHIN or len(self._answered) >= 500 or not self._under_way):
            return self.flush()
        return 0

    def flush(self) -> int:
        """Settles everything answered so far."""
        attempts = self._answered
        settle(attempts)
        self._answered = []
        return len(attempts)

    def finish(self, within: float) -> None:
        """Lets what is under way end, at most `within` seconds, then gives the rest back. Claims nothing new."""
        ends = time.monotonic() + within
        while self._under_way and time.monotonic() < ends:
            self.step(0.05)
        self.flush()
        given_up = [item.token for shipment in self._under_way.values() for item in shipment.claims]
        if given_up:
            free_lost(tokens=given_up, reason="The sender was stopped before the answer came; the request may have arrived", at_once=True)
        self.close()

    def close(self) -> None:
        """Frees the connections. What is under way stays leased until its lease expires."""
        self._under_way.clear()
        self._transport.close()

    def _note(self, attempts: list[Attempt]) -> None:
        if attempts and not self._answered:
            self._answered_since = time.monotonic()
        self._answered += attempts

    def _learn_batch_size(self, shipment: Shipment, attempts: list[Attempt]) -> None:
        site_id = shipment.target.site_id
        if refused_as_batch(attempts):
            self._batch_sizes[site_id] = max(1, len(attempts) // 2)
        elif site_id in self._batch_sizes and len(attempts) > 1:
            self._batch_sizes[site_id] = min(shipment.target.batch_size, self._batch_sizes[site_id] * 2)
            if self._batch_sizes[site_id] == shipment.target.batch_size:
                del self._batch_sizes[site_id]
