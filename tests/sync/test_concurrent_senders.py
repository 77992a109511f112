"""Several processes at once, on connections of their own, as fast as they can: edits, fan-outs, claims, answers, crashes.

What each claim and each answer was is kept in the order in which the database committed it, and judged at the end.
"""

import os
import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from django.db import connection

from tests.sync import interleaving_hub as hub
from tests.sync.interleaving_site import Book, Flight, KeepingSite

SECONDS = float(os.environ.get("SSODASH_CONCURRENT_SECONDS") or 6)
USERS = [f"user_{number}" for number in range(6)]
ANSWERS = ["delivered"] * 16 + ["transient", "no connection", "permanent", "throttled", "no answer", "no answer"]


@dataclass
class World:
    """What the threads share: the sites, and who saw what."""

    site_ids: list[int]
    ends: float
    lock: threading.Lock = field(default_factory=threading.Lock)
    book: Book = field(default_factory=Book)
    stores: dict[tuple[int, int], KeepingSite] = field(default_factory=dict)
    failures: list[BaseException] = field(default_factory=list)
    done: dict[str, int] = field(default_factory=dict)

    def count(self, what: str, number: int = 1) -> None:
        with self.lock:
            self.done[what] = self.done.get(what, 0) + number

    def arrive(self, flight: Flight) -> None:
        with self.lock:
            flight.arrived = True
            target = flight.claim.target
            self.stores.setdefault((target.site_id, target.epoch), KeepingSite()).receive(flight.claim.message)


def edits(world: World, chance: random.Random) -> None:
    """A person, or a program with SQL."""
    user, email = chance.choice(USERS), f"{chance.choice(USERS)}@example.com"
    what = chance.random()
    if what < 0.12:
        hub.run("delete from user_profiles where user_id = %s", user)
    elif what < 0.2:
        # Held open for a moment, so that later ones commit earlier.
        with hub.together():
            hub.run("update user_profiles set full_name = 'late' || random() where user_id = %s", user)
            time.sleep(chance.random() * 0.02)
    elif what < 0.4:
        hub.run("insert into user_profiles (user_id, email, full_name) values (%s, %s, 'N') on conflict do nothing", user, email)
    else:
        hub.run(
            "update user_profiles set full_name = random()::text, role = %s, is_active = %s where user_id = %s",
            chance.choice(["user", "lead"]), chance.random() < 0.8, user,
        )  # fmt: skip
    world.count("edits")
    time.sleep(chance.random() * 0.01)


def changes_of_sites(world: World, chance: random.Random) -> None:
    site_id = chance.choice(world.site_ids)
    hub.run(
        chance.choice(
            [
                "update connected_sites set roles = case when roles = '{}' then array['lead'] else '{}' end where id = %s",
                "update connected_sites set is_active = false where id = %s",
                "update connected_sites set url = url || 'x' where id = %s and length(url) < 300",
            ]
        ),
        site_id,
    )
    time.sleep(chance.random() * 0.03)
    hub.run("update connected_sites set is_active = true where id = %s", site_id)
    hub.resume(site_id)
    time.sleep(chance.random() * 0.2)


def resends(world: World, chance: random.Random) -> None:
    """Commands and clicks."""
    if chance.random() < 0.5:
        hub.send_again([chance.choice(USERS)], world.site_ids)
    else:
        item = hub.start_run("all", None)
        hub.feed(item)
        if chance.random() < 0.3:
            hub.cancel(item)
    world.count("resends")
    time.sleep(chance.random() * 0.1)


def upkeep(world: World, chance: random.Random) -> None:
    """A worker's sweep, and the clock."""
    hub.walk(chance.choice([2, 1000]))
    world.count("freed leases", hub.free())
    hub.pass_time(at_once=False)  # in one transaction it would itself be part of deadlocks
    time.sleep(chance.random() * 0.02)


def sends(world: World, chance: random.Random) -> None:
    """A worker, or a process that pushes what one user is owed."""
    hub.fan_out(chance.choice([1, 3, 1000]))
    pushed = [chance.choice(USERS)] if chance.random() < 0.3 else None
    taken = hub.take(hub.look(), user_ids=pushed, waits=pushed is not None)
    flights = [Flight(item) for item in taken]
    with world.lock:
        for flight in flights:
            world.book.flights[flight.claim.token] = flight
    time.sleep(chance.random() * 0.01)
    answers = []
    for flight in flights:
        how = chance.choice(ANSWERS)
        if how == "delivered" or chance.random() < 0.3:
            world.arrive(flight)
        if how == "no answer":
            hub.expire([flight.claim.token])
            if chance.random() < 0.5:
                continue  # the sender is gone
            time.sleep(chance.random() * 0.03)  # or comes late
            how = "delivered"
            world.arrive(flight)
        answers.append((flight, how))
    chance.shuffle(answers)
    if answers:
        held = hub.answer([(flight.claim, how) for flight, how in answers])
        for flight, how in answers:
            flight.ended = how if flight.claim.token in held else f"late: {how}"
    world.count("claims", len(taken))


def _forever(world: World, work: Callable[[World, random.Random], None], seed: int) -> None:
    chance = random.Random(seed)
    try:
        while time.monotonic() < world.ends and not world.failures:
            work(world, chance)
    except BaseException as error:
        world.failures.append(error)
    finally:
        connection.close()


def judge(world: World) -> None:
    """Puts the claims of each delivery in the order of their leases: never an older version after a newer one, one id one content, and
    nothing sent again that was acknowledged."""
    book = Book()
    for flight in sorted(world.book.flights.values(), key=lambda flight: flight.claim.started_at):
        ended = flight.ended
        again = book.claimed(flight.claim)
        # An answer that came late found the lease freed: what followed was for want of an answer.
        again.ended = "lost" if not ended or ended.startswith("late") else ended


@pytest.mark.django_db(transaction=True)
def test_many_senders_at_the_same_time_bring_the_newest_state_and_nothing_twice(capsys: pytest.CaptureFixture[str]) -> None:
    world = World(hub.anew(), time.monotonic() + SECONDS)
    hub.run("update connected_sites set max_in_flight = 4")
    seed = int(os.environ.get("SSODASH_SEED") or random.randrange(2**32))
    works = [sends, sends, sends, sends, edits, edits, resends, upkeep, changes_of_sites]
    threads = [threading.Thread(target=_forever, args=(world, work, seed + n)) for n, work in enumerate(works)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(SECONDS + 60)
        assert not thread.is_alive()
    if world.failures:
        raise world.failures[0]
    judge(world)
    _rest(world)
    _check(world)
    with capsys.disabled():
        print(f"\nseed {seed}: {world.done}")  # noqa: T201


def _rest(world: World) -> None:
    hub.run("update connected_sites set is_active = true")
    for site_id in world.site_ids:
        hub.resume(site_id)
    hub.expire(list(hub.leased()))
    for _ in range(100):
        hub.pass_time()
        hub.free()
        while hub.fan_out(1000) or hub.walk(1000):
            continue
        for user_id, site_id in hub.left().failed:
            hub.send_again([user_id], [site_id])
        for item in hub.open_runs():
            hub.feed(item)
        flights = [Flight(item) for item in hub.take(hub.look())]
        for flight in flights:
            world.arrive(flight)
        hub.answer([(flight.claim, "delivered") for flight in flights])
        if not flights and not any(hub.left()):
            return
    pytest.fail(f"it does not come to rest: {hub.left()}, {hub.state()}")


def _check(world: World) -> None:
    for flight in world.book.flights.values():
        if not flight.arrived:
            world.arrive(flight)  # the latest of all
    rows = hub.shown()
    assert {row.status for row in rows} <= {"success"}
    for site_id, epoch in hub.run("select id, epoch from connected_sites"):
        store: Any = world.stores.get((site_id, epoch), KeepingSite())
        held = {user_id: (item.email, item.full_name, item.role) for user_id in store.users() if (item := store.holds(user_id))}
        assert held == {row.user_id: row.content for row in rows if row.site_id == site_id and row.in_scope}
    logged = hub.log()
    for token, flight in world.book.flights.items():
        # One row, and a second one where the answer came after the lease was freed.
        assert len(logged.get(token, [])) == (2 if flight.ended.startswith("late") else 1), flight
