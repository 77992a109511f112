"""Thousands of random orders of edits, claims, answers, crashes and waits: the promises hold in each of them.

The functions are the real ones on the real PostgreSQL; only the sites, and the way to them, are simulated: an answer may come late, in
another order, or never. SSODASH_INTERLEAVINGS is the number of orders. A failure prints the shortest order found.
"""

import os
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule, run_state_machine_as_test

from tests.sync import interleaving_hub as hub
from tests.sync.interleaving_world import World, seen

EXAMPLES = int(os.environ.get("SSODASH_INTERLEAVINGS") or 100)
PARTS = 1 if EXAMPLES < 1000 else 8
"""Many are divided, so that several processes can share them (`pytest -n 2 --dist load`)."""
STEPS = 30

USERS = ["user_1", "user_2", "user_3"]
EMAILS = [f"{name}@example.com" for name in ("ann", "bob", "cid")]
ROLES = ["user", "lead"]
OUTCOMES = ["delivered", "delivered", "delivered", "transient", "no connection", "site_broken", "permanent", "throttled"]


class Interleavings(World, RuleBasedStateMachine):
    """Every rule is one transaction of one of the processes, in any order."""

    @initialize(users=st.integers(0, 3), sent=st.booleans())
    def begin(self, users: int, sent: bool) -> None:
        self._anew()
        self.looks: list[hub.Slots] = []
        self.runs = 0
        seen["examples"] += 1
        for number in range(users):
            hub.run("insert into user_profiles (user_id, email, full_name) values (%s, %s, 'N')", USERS[number], EMAILS[number])
        if sent:
            self._rest()

    # --- people and programs change users

    @rule(
        user=st.sampled_from(USERS),
        email=st.sampled_from(EMAILS),
        role=st.sampled_from(ROLES),
        active=st.sampled_from([True, True, False]),
        name=st.sampled_from("AB"),
    )
    def edit_or_insert(self, user: str, email: str, role: str, active: bool, name: str) -> None:
        # Where another user has the email, all but the email.
        hub.run(
            "merge into user_profiles u using (select %s as id, %s as email, %s as role, %s as active, %s as name) n on u.user_id = n.id"
            " when matched and exists (select from user_profiles o where o.email = n.email and o.user_id <> n.id)"
            " then update set role = n.role, is_active = n.active, full_name = n.name"
            " when matched then update set email = n.email, role = n.role, is_active = n.active, full_name = n.name"
            " when not matched and not exists (select from user_profiles o where o.email = n.email)"
            " then insert (user_id, email, role, is_active, full_name) values (n.id, n.email, n.role, n.active, n.name)",
            user, email, role, active, name,
        )  # fmt: skip
        seen["edits"] += 1

    @rule(user=st.sampled_from(USERS), again=st.sampled_from([None, *USERS]))
    def delete(self, user: str, again: str | None) -> None:
        """In the same transaction, the same id or another one may come back with the email."""
        with hub.together():
            gone = hub.run("delete from user_profiles where user_id = %s returning email", user)
            if gone and again:
                hub.run(
                    "insert into user_profiles (user_id, email, full_name) values (%s, %s, 'Again') on conflict (user_id) do nothing",
                    again, gone[0][0],
                )  # fmt: skip
                seen["deletes with an insert in one transaction"] += 1
        seen["deletes"] += len(gone)

    # --- and sites, and send again

    @rule(at=st.integers(0, 1), to=st.sampled_from([[], ["lead"], ["user"], "off", "on", "on", "moved", "paused", "resumed", "resumed"]))
    def change_a_site(self, at: int, to: Any) -> None:
        site_id = self.sites[at]
        if to == "moved":
            hub.run("update connected_sites set url = url || 'x' where id = %s", site_id)
        elif to in ("paused", "resumed"):
            (hub.pause if to == "paused" else hub.resume)(site_id)
        elif isinstance(to, str):
            hub.run("update connected_sites set is_active = %s where id = %s", to == "on", site_id)
        else:
            hub.run("update connected_sites set roles = %s where id = %s", to, site_id)
        seen["sites: roles changed" if isinstance(to, list) else f"sites: {to}"] += 1

    @rule(user=st.sampled_from(USERS), what=st.sampled_from(["resend", "sql", "all", "pending", "users", "all in sql"]))
    def send_again(self, user: str, what: str) -> None:
        if what == "resend":
            hub.send_again([user], self.sites)
        elif what == "sql":
            hub.run("select sync_user(user_id) from user_profiles where user_id = %s", user)
        elif what == "all in sql":
            hub.run("select sync_all_users()")
        else:
            hub.start_run(what, USERS[:2] if what == "users" else None)
        self.runs += what not in ("resend", "sql")
        seen[f"sent again: {what}"] += 1

    @precondition(lambda self: self.runs)
    @rule(number=st.integers(0, 3), stop=st.sampled_from([False, False, False, True]))
    def feed_or_cancel_a_run(self, number: int, stop: bool) -> None:
        if found := hub.open_runs():
            item = found[number % len(found)]
            hub.cancel(item) if stop else hub.feed(item)
            seen["runs cancelled" if stop else "runs fed"] += 1

    # --- workers, pushes, commands

    @rule(limit=st.sampled_from([1, 2, 1000]), chunk=st.sampled_from([0, 1, 2, 1000]), daily=st.sampled_from([False, False, False, True]))
    def fan_out_and_reconcile(self, limit: int, chunk: int, daily: bool) -> None:
        seen["changes fanned out"] += hub.fan_out(limit)
        if daily:
            hub.compare_all()
        seen["chunks reconciled"] += bool(chunk) and hub.walk(chunk)

    @rule()
    def look(self) -> None:
        self.looks.append(hub.look())

    @rule(user=st.sampled_from([None, *USERS]), age=st.sampled_from([0, 0, 1, 2]), waits=st.booleans(), of_run=st.integers(0, 7))
    def claim(self, user: str | None, age: int, waits: bool, of_run: int) -> None:
        """By what was looked up just now, or a while ago. Any sender's; of a push where a user is given."""
        slots = hub.look() if age == 0 or age > len(self.looks) else self.looks[-age]
        if user:
            slots = [slot for slot in slots if not slot.probe]
        found = hub.open_runs() if of_run < 2 and self.runs else []
        run_id = found[of_run % len(found)].pk if found else None
        for item in hub.take(slots, user_ids=[user] if user else None, run_id=run_id, waits=waits):
            self.book.claimed(item)
            seen["claims, probes" if item.probe else "claims"] += 1
            seen[f"claims, cause {item.cause}"] += 1
            seen["claims of removals"] += item.message.action == "delete"

    @rule()
    def work(self) -> None:
        """A turn of a worker."""
        self.fan_out_and_reconcile(1000, 1000, False)
        self.claim(None, 0, False, 7)

    @precondition(lambda self: self.book.flights)
    @rule(number=st.integers(0, 99))
    def arrive(self, number: int) -> None:
        """A request reaches its site, however late; nobody hears of it yet, or ever."""
        waiting = [flight for flight in self.book.flights.values() if not flight.arrived]
        if waiting:
            flight = waiting[-1 - number % len(waiting)]
            seen["late arrivals" if flight.ended else "arrivals"] += 1
            self._arrive(flight)

    @precondition(lambda self: self.book.open())
    @rule(numbers=st.lists(st.tuples(st.integers(0, 9), st.sampled_from(OUTCOMES)), min_size=1, max_size=4))
    def settle(self, numbers: list[tuple[int, str]]) -> None:
        """Answers come, in any order, and are settled together."""
        flights = self.book.open()
        chosen = {number % len(flights): how for number, how in numbers}
        self._settle([(flights[number], how) for number, how in chosen.items()])

    @precondition(lambda self: any(flight.ended == "lost" for flight in self.book.flights.values()))
    @rule(number=st.integers(0, 9), how=st.sampled_from(OUTCOMES))
    def settle_late(self, number: int, how: str) -> None:
        """An answer to a request that the hub gave up: nothing but the log changes."""
        flights = [flight for flight in self.book.flights.values() if flight.ended == "lost"]
        flight = flights[-1 - number % len(flights)]
        seen["late settles"] += 1
        seen["late settles of what was claimed anew"] += any(
            f.claim.delivery_id == flight.claim.delivery_id and f.claim.token != flight.claim.token for f in self.book.open()
        )
        before = hub.state()
        self._settle([(flight, how)])
        assert hub.state() == before

    @precondition(lambda self: self.book.open())
    @rule(number=st.integers(0, 9))
    def give_back(self, number: int) -> None:
        flights = self.book.open()
        flight = flights[number % len(flights)]
        if not flight.arrived:
            hub.give_back([flight.claim])
            self.book.told(flight, "released")
            seen["releases"] += 1

    @precondition(lambda self: self.book.open())
    @rule(number=st.integers(0, 9))
    def give_up(self, number: int) -> None:
        """A sender that is stopped gives up a request that it has no answer to: whatever of it was not settled yet."""
        flights = self.book.open()
        for token in hub.give_up(flights[number % len(flights)].claim.token):
            self.book.told(self.book.flights[token], "lost")
            seen["given up"] += 1

    @precondition(lambda self: self.book.open())
    @rule(number=st.integers(0, 9), then=st.sampled_from(["", "freed", "freed", "claimed anew", "claimed anew"]))
    def crash(self, number: int, then: str) -> None:
        """A sender ends, or hangs beyond its lease, which is of all that travel in one request. Whoever sweeps next frees it."""
        flights = self.book.open()
        hub.expire([flights[number % len(flights)].claim.token])
        seen["crashes"] += 1
        if then:
            self.free_lost()
        if then == "claimed anew":
            self.pass_time()
            self.work()

    @rule(at=st.integers(0, 1))
    def break_down(self, at: int) -> None:
        """A site is not to be reached for a while."""
        for _ in range(3):
            self.pass_time()
            self.work()
            flights = [flight for flight in self.book.open() if flight.claim.target.site_id == self.sites[at]]
            if flights:
                self._settle([(flight, "no connection") for flight in flights])
        seen["quarantines"] += len(hub.run("select 1 from user_sync_site_health where quarantined_at is not null"))

    @rule()
    def free_lost(self) -> None:
        expired = hub.expired()
        assert hub.free() == len(expired)
        for token in expired:
            self.book.told(self.book.flights[token], "lost")
        seen["freed leases"] += len(expired)

    @rule()
    def pass_time(self) -> None:
        hub.pass_time()

    # Chosen more often than the others, so that much is under way.
    work_2 = work_3 = work_4 = work
    settle_2 = settle_3 = settle
    settle_late_2 = settle_late
    crash_2 = crash

    # --- what holds at every moment

    @invariant()
    def check(self) -> None:
        """What is leased is under way, and success is never said of what a site does not hold."""
        self._check()

    def teardown(self) -> None:
        """Everything is answered until nothing is due: then the sites hold what the directory says."""
        if not hasattr(self, "book"):
            return
        hub.run("update connected_sites set is_active = true where not is_active")
        for site_id in self.sites:
            hub.resume(site_id)
        self._rest()
        for flight in list(self.book.flights.values()):
            if not flight.arrived:
                self._arrive(flight)
        self._check_the_end()


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("part", range(PARTS))
def test_the_promises_hold_in_whatever_order_things_happen(part: int, capsys: pytest.CaptureFixture[str]) -> None:
    seen.clear()
    run_state_machine_as_test(
        Interleavings,
        settings=settings(
            max_examples=-(-EXAMPLES // PARTS),
            stateful_step_count=STEPS,
            deadline=None,
            database=None,
            # Plain chance: the usual generator repeats parts of what it tried before.
            backend="hypothesis-urandom",
            print_blob=True,
            phases=[Phase.generate, Phase.shrink],
            suppress_health_check=list(HealthCheck),
        ),
    )
    with capsys.disabled():
        print("\n" + ", ".join(f"{what} {number:,}" for what, number in sorted(seen.items())))  # noqa: T201
    assert seen["examples"] >= EXAMPLES / PARTS
