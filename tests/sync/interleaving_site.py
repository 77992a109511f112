"""Sites as a simulation knows them, and the book it keeps of every attempt: what may be claimed, and what the log must say."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from sync.deliver.claim import Claim
from sync.payloads import Message

Pair = tuple[int, str]
Place = tuple[int, int]
"""A site at one of its addresses: its key and epoch."""


def content(message: Message) -> tuple[Any, ...]:
    """What a message says of its user."""
    if message.action == "delete":
        return ("delete",)
    return ("upsert", message.email, message.full_name, message.role, message.is_active)


class KeepingSite:
    """A site as docs/protocol.md asks for: it knows the ids it has seen, ignores lower versions, and remembers the version of a removal."""

    def __init__(self) -> None:
        self._seen: set[str] = set()
        self._held: dict[str, Message] = {}

    def receive(self, message: Message) -> None:
        held = self._held.get(message.user_id)
        if message.message_id in self._seen or (held is not None and message.version < held.version):
            return
        self._seen.add(message.message_id)
        self._held[message.user_id] = message

    def holds(self, user_id: str) -> Message | None:
        """The user as this site has it; None where it has none."""
        held = self._held.get(user_id)
        return held if held is not None and held.action == "upsert" else None

    def users(self) -> set[str]:
        return {user_id for user_id in self._held if self.holds(user_id)}


@dataclass
class Flight:
    """A claim whose request is under way somewhere. `ended`: the hub was told how it ended, or freed its lease."""

    claim: Claim
    arrived: bool = False
    ended: str = ""


@dataclass
class _Highest:
    version: int
    delivery_id: int
    generation: int


@dataclass
class Book:
    """Every claim so far. Fails when one breaks a promise."""

    flights: dict[str, Flight] = field(default_factory=dict)
    log_rows: Counter[str] = field(default_factory=Counter)
    _highest: dict[Pair, _Highest] = field(default_factory=dict)
    _said: dict[str, tuple[Any, ...]] = field(default_factory=dict)
    _last: dict[tuple[str, int], Flight] = field(default_factory=dict)

    def claimed(self, claim: Claim) -> Flight:
        """A new claim: not below an earlier one, under the id of its content, and not without need."""
        message, target = claim.message, claim.target
        flight = self.flights[claim.token] = Flight(claim)
        now = _Highest(message.version, claim.delivery_id, claim.generation)
        before = self._highest.get((target.site_id, message.user_id))
        if before:
            assert now.version >= before.version, f"an older version after a newer one: {before}, then {now}"
            if (now.version, now.delivery_id) == (before.version, before.delivery_id):
                assert now.generation >= before.generation, f"an older generation after a newer one: {before}, then {now}"
        self._highest[target.site_id, message.user_id] = now
        said = self._said.setdefault(message.message_id, content(message))
        assert said == content(message), f"one message id, two contents: {said}, then {content(message)}"
        last = self._last.get((message.message_id, target.epoch))
        assert last is None or last.ended not in {"", "delivered"}, f"{message.message_id} was sent twice; the first time: {last}"
        self._last[message.message_id, target.epoch] = flight
        return flight

    def told(self, flight: Flight, how: str) -> None:
        """The hub was told: released, lost, or an outcome. All but a release leave a row in the log, a late answer a second one."""
        if how != "released":
            self.log_rows[flight.claim.token] += 1
        flight.ended = flight.ended or how

    def open(self) -> list[Flight]:
        """Those the hub waits for."""
        return [flight for flight in self.flights.values() if not flight.ended]
