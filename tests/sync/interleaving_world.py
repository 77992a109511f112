"""The world of the simulation: its sites, its book, and how everything comes to rest."""

from collections import Counter, defaultdict

import pytest

from tests.sync import interleaving_hub as hub
from tests.sync.interleaving_site import Book, Flight, KeepingSite, Place

seen: Counter[str] = Counter()
"""How often each kind of event came about."""


class World:
    """Two sites and a hub. The rules that act on it are in test_interleavings.py."""

    def _anew(self) -> None:
        self.sites = hub.anew()
        self.book = Book()
        self.stores: dict[Place, KeepingSite] = defaultdict(KeepingSite)

    def _site(self, flight: Flight) -> KeepingSite:
        return self.stores[flight.claim.target.site_id, flight.claim.target.epoch]

    def _arrive(self, flight: Flight) -> None:
        flight.arrived = True
        self._site(flight).receive(flight.claim.message)

    def _settle(self, answers: list[tuple[Flight, str]]) -> None:
        for flight, how in answers:
            if how == "delivered" and not flight.arrived:
                self._arrive(flight)
            seen[f"settled: {how}"] += 1
        held = hub.answer([(flight.claim, how) for flight, how in answers])
        assert held == {flight.claim.token for flight, _ in answers if not flight.ended}
        for flight, how in answers:
            self.book.told(flight, how)

    def _check(self) -> None:
        """What is leased is under way, and success is never said of what a site does not hold."""
        seen["steps"] += 1
        assert hub.leased() == {flight.claim.token for flight in self.book.open()}
        for row in hub.shown():
            if row.status == "success":
                held = self.stores[row.site_id, row.epoch].holds(row.user_id)
                if not row.in_scope:
                    assert held is None, f"{row} is said to be removed, and {held} remains"
                else:
                    assert held is not None and (held.email, held.full_name, held.role) == row.content, f"{row} and {held}"

    def _rest(self) -> None:
        for _ in range(60):
            if not self._turn():
                return
        pytest.fail(f"it does not come to rest: {hub.state()}")

    def _turn(self) -> bool:
        hub.pass_time()
        if flights := self.book.open():
            self._settle([(flight, "delivered") for flight in flights])
        left = hub.left()
        while left.changes and hub.fan_out(1000):
            continue
        while left.marked and hub.walk(1000):
            continue
        for user_id, site_id in left.failed:
            hub.send_again([user_id], [site_id])  # as a person does
        for item in hub.open_runs() if left.runs else []:
            hub.feed(item)
        taken = hub.take(hub.look())
        for item in taken:
            self.book.claimed(item)
        return bool(flights or taken or any(left))

    def _check_the_end(self) -> None:
        rows = hub.shown()
        assert {row.status for row in rows} <= {"success"}, rows
        self._check()
        for site_id, epoch in hub.run("select id, epoch from connected_sites"):
            wanted = {row.user_id for row in rows if row.site_id == site_id and row.in_scope}
            assert self.stores[site_id, epoch].users() == wanted
        assert hub.leased() == set()
        logged = hub.log()
        assert {token: len(found) for token, found in logged.items()} == dict(self.book.log_rows)
        for token, found in logged.items():
            claim = self.book.flights[token].claim
            expected = (claim.message.message_id, claim.message.version, claim.message.action, claim.cause, claim.actor, claim.run_id)
            assert set(found) == {expected}
        for part in hub.parts():
            assert part.run.state == "cancelled" or (part.finished and part.succeeded + part.failed <= part.total), part.__dict__
