"""The sender: claims what is due, has it carried, and settles what came back. The worker and runs in the foreground use it."""

import random
import secrets
import socket
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from sync.deliver.claim import Taken, claim_uncontended
from sync.deliver.courier import Courier, answered_well
from sync.deliver.lost import give_up
from sync.deliver.release import release
from sync.deliver.settle import Attempt
from sync.deliver.settler import Settler
from sync.deliver.shipments import Shipment, pack, refused_as_batch
from sync.deliver.targets import Place, Slot, limited, open_slots
from sync.outcomes import Outcome

GROUP = 1000
"""Deliveries claimed in one transaction; more only where one request holds more."""
LOOKED_AT_FOR = 0.1
"""Seconds for which what is open is not looked at again, while there is more to do there than can be claimed at a time."""
PLACES_KEPT_FOR = 0.5
"""Seconds after which a site's due deliveries are looked through from the start, for what came to be due before the place reached."""
AHEAD = 256
"""Deliveries that are claimed for a site beyond what it takes at a time, while it answers faster than they could be claimed."""
PACE = 2
"""So many times what a site answered of late is claimed for it ahead: what was answered is held until it is settled, and the site must not
run out of requests before the next claim."""
OF_LATE = 0.1
"""Seconds: in these, and in as many before them."""


class Sender:
    """One thread calls `fill` and `step` again and again; requests are under way in a second, and what they brought is settled in a third.

    A step that the database fails loses nothing: the next one has settled what this one could not.
    """

    def __init__(
        self, *, in_flight: int, run_id: int | None = None, user_ids: Sequence[str] | None = None, keep_plans: bool = False
    ) -> None:
        self._in_flight = in_flight
        self._run_id = run_id
        self._user_ids = user_ids
        self._keep_plans = keep_plans
        self._holder = secrets.randbits(62)
        self._courier = Courier()
        self._settler = Settler(self._courier, keep_plans=keep_plans)
        self._held: dict[int, set[Shipment]] = {}
        self._unsendable = 0
        self._pace: Counter[int] = Counter()
        self._pace_before: Counter[int] = Counter()
        self._paced_until = 0.0
        self._share = 1
        self._batch_sizes: dict[int, int] = {}
        self._open: list[Slot] = []
        self._places: dict[int, Place] = {}
        self._from_the_start_at = 0.0
        self._look_again_at = 0.0
        self._filled = False
        self.contended = False
        """Whether the last `fill` left out what another process was just claiming: worth another look soon."""

    @property
    def idle(self) -> bool:
        """Nothing is under way and nothing waits to be settled."""
        return not self._held and not self._unsendable

    @property
    def bell(self) -> socket.socket:
        """Can be read when `step` has something to take in."""
        return self._settler.bell

    def fill(self) -> int:
        """Claims what is due and has its requests started, as far as there is room; returns how many claims: none only where there
        is no room, or nothing is due by a look of just now, or another process is just claiming it."""
        taken, slots = self._claim_somewhere()
        self.contended = taken.contended
        self._filled = len(taken.claims) >= GROUP
        if len(taken.claims) < sum(slot.free * slot.batch for slot in slots) or not self._open or any(slot.probe for slot in slots):
            self.look_again()
        packed = pack(taken.claims, self._batch_sizes)
        for shipment in packed.shipments:
            self._held.setdefault(shipment.target.site_id, set()).add(shipment)
        self._unsendable += len(packed.unsendable)
        if packed.shipments or packed.unsendable:
            self._settler.begin(packed.unsendable)
        if packed.shipments:
            self._courier.hand_over(packed.shipments, {site_id: min(limit, self._share) for site_id, limit in taken.limits.items()})
        if packed.excess:
            release(packed.excess)
            self._places.clear()
            self.look_again()
        return len(taken.claims)

    def _claim_somewhere(self) -> tuple[Taken, list[Slot]]:
        """Claims, and at which slots. A site at which nothing is due any more, though it was when last looked, takes no other's turn."""
        self._turn_pace()
        fresh = self._look()
        in_vain: set[int] = set()
        while True:
            left = [slot for slot in self._open if slot.target.site_id not in in_vain]
            slots = [limited(slot, self._batch_sizes) for slot in self._fair(left)]
            taken = self._claim(slots)
            if taken.claims or taken.contended:
                return taken, slots
            if slots:
                in_vain.update(slot.target.site_id for slot in slots)
            elif fresh or not in_vain:
                return taken, slots
            else:
                self.look_again()
                fresh = self._look()
                in_vain.clear()

    def _look(self) -> bool:
        """Sees what is open, unless that was just done; returns whether it did."""
        if time.monotonic() < self._look_again_at:
            return False
        # Of what is free there, what is ours comes and goes until the next look: this is what the others leave.
        looked_up = open_slots(owed=self._places, keep_plan=self._keep_plans)
        self._open = [replace(slot, free=slot.free + self._own(slot)) for slot in looked_up]
        self._look_again_at = time.monotonic() + LOOKED_AT_FOR
        return True

    def _claim(self, slots: list[Slot]) -> Taken:
        """Claims after the places reached, or all over again where nothing is due there: something before them may be due anew."""
        if time.monotonic() >= self._from_the_start_at:
            self._places.clear()
            self._from_the_start_at = time.monotonic() + PLACES_KEPT_FOR
        reached = [replace(slot, after=self._places.get(slot.target.site_id)) for slot in slots]
        taken = self._claim_at(reached)
        if not taken.claims and any(slot.after for slot in reached):
            taken = self._claim_at(slots)
        return taken

    def _claim_at(self, slots: list[Slot]) -> Taken:
        taken = claim_uncontended(slots, user_ids=self._user_ids, run_id=self._run_id, holder=self._holder, keep_plan=self._keep_plans)
        for slot in slots:
            self._places.pop(slot.target.site_id, None)
        self._places.update(taken.places)
        return taken

    def look_again(self) -> None:
        """Has the next `fill` see what is due at which site now."""
        self._look_again_at = 0.0

    def _own(self, slot: Slot) -> int:
        return len(self._held.get(slot.target.site_id, ()))

    def _fair(self, slots: list[Slot]) -> list[Slot]:
        """The room divided, least busy sites first, so that no site that hangs keeps a healthy one waiting."""
        held = {site_id: len(shipments) for site_id, shipments in self._held.items()}
        share = self._share = max(1, self._in_flight // max(1, len(held.keys() | {slot.target.site_id for slot in slots})))
        room = self._in_flight - sum(min(share, count) for count in held.values())
        rows = GROUP
        chosen = []
        for slot in sorted(slots, key=lambda slot: (held.get(slot.target.site_id, 0), random.random())):  # noqa: S311
            own = held.get(slot.target.site_id, 0)
            limit = min(slot.free, share, slot.target.max_in_flight)
            now = max(0, min(limit - own, room))
            room -= now
            # Ahead only where nothing else holds the site back; and where the site takes more than this sender sends, half of that is left
            # to others: what one holds, the next may not have.
            most = -(-AHEAD // slot.batch) if limit >= slot.target.max_in_flight else (slot.free - limit) // 2
            ahead = max(0, min(self._paced(slot), most)) if now == max(0, limit - own) else 0
            wanted = min(limit + ahead - own if ahead else now, max(1, rows // slot.batch))
            if wanted > 0 and limit > 0 and rows > 0:
                rows -= wanted * slot.batch
                chosen.append(replace(slot, free=wanted, own=own, ahead=ahead))
        return chosen

    def step(self, wait: float) -> int:
        """Waits at most `wait` seconds for something to be settled; returns how many attempts were. Raises what the database raised.

        Does not wait right after a `fill` that claimed a whole group, since there is likely room, and more due, for another. After
        others, what is settled meanwhile makes the next group larger.
        """
        if self.idle:
            return 0
        if self._filled:
            wait, self._filled = 0.0, False
        settled = 0
        for report in self._settler.look(wait):
            settled += len(report.attempts)
            self._unsendable -= report.unsendable
            if report.left:
                self.look_again()
            for shipment, attempts in report.done:
                self._forget(shipment)
                if attempts is None or not answered_well(attempts[0].http_code):
                    self._places.pop(shipment.target.site_id, None)  # some of it may be due again, where it was
                if attempts is not None:
                    if not answered_well(attempts[0].http_code):
                        self._courier.pardon(shipment.target.site_id)
                    self._learn_pace(shipment.target.site_id, attempts)
                    self._learn_batch_size(shipment, attempts)
        return settled

    def finish(self, within: float) -> None:
        """Lets what is under way end, at most `within` seconds, then gives the rest back. Claims nothing new."""
        ends = time.monotonic() + within
        self._courier.halt()
        while not self.idle and (left := ends - time.monotonic()) > 0:
            self.step(min(left, 0.05))
        self._courier.stop()
        self._settler.stop()
        self.step(0.0)
        given_up = {claim.lease for shipments in self._held.values() for shipment in shipments for claim in shipment.claims}
        self._settler.close()
        self._held.clear()
        self._unsendable = 0
        give_up(sorted(given_up))

    def close(self) -> None:
        """Ends the requests. What is under way stays leased until its lease expires."""
        self._courier.stop()
        self._settler.stop()
        self._settler.close()
        self._held.clear()
        self._unsendable = 0

    def _forget(self, shipment: Shipment) -> None:
        site_id = shipment.target.site_id
        self._held[site_id].discard(shipment)
        if not self._held[site_id]:
            del self._held[site_id]

    def _turn_pace(self) -> None:
        now = time.monotonic()
        if now >= self._paced_until:
            self._pace_before = self._pace if now < self._paced_until + OF_LATE else Counter()
            self._pace = Counter()
            self._paced_until = now + OF_LATE

    def _paced(self, slot: Slot) -> int:
        return PACE * (self._pace[slot.target.site_id] + self._pace_before[slot.target.site_id])

    def _learn_pace(self, site_id: int, attempts: list[Attempt]) -> None:
        if any(attempt.verdict.outcome is not Outcome.DELIVERED for attempt in attempts):
            self._pace[site_id] = -1_000_000  # nothing ahead, for a while, for a site in trouble
        self._pace[site_id] += 1

    def _learn_batch_size(self, shipment: Shipment, attempts: list[Attempt]) -> None:
        site_id = shipment.target.site_id
        if refused_as_batch(attempts):
            self._batch_sizes[site_id] = max(1, len(attempts) // 2)
        elif site_id in self._batch_sizes and len(attempts) > 1:
            self._batch_sizes[site_id] = min(shipment.target.batch_size, self._batch_sizes[site_id] * 2)
            if self._batch_sizes[site_id] == shipment.target.batch_size:
                del self._batch_sizes[site_id]
