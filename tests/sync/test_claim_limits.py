"""`max_in_flight` holds over all processes together, also where one of them claims ahead of what it sends."""

import threading
import time
from contextlib import ExitStack
from dataclasses import replace

import pytest
from django.db import connection, transaction

from sync.deliver.claim import LOCKS, Taken, claim, claim_uncontended
from sync.deliver.sender import Sender
from sync.deliver.settle import Attempt, settle
from sync.deliver.targets import open_slots
from sync.models import Delivery, Lease
from sync.outcomes import Outcome, Verdict
from tests.scripted_site import ScriptedSite
from tests.sync.conftest import Connect, catch_up, sql

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _no_pushes(settings: object) -> None:
    settings.SYNC_ON_SAVE = "queue"  # type: ignore[attr-defined]


def take(wanted: int, *, own: int = 0, ahead: int = 0, holder: int | None = None) -> Taken:
    return claim_uncontended([replace(slot, free=wanted, own=own, ahead=ahead) for slot in open_slots()], holder=holder)


def settled(taken: Taken, count: int) -> None:
    done = [Attempt(item, Verdict(Outcome.DELIVERED), item.message.message_id, 200, 0.01, b"{}") for item in taken.claims[:count]]
    settle(done)


def users(count: int) -> None:
    sql("insert into user_profiles (email, full_name) select 'u' || n || '@example.com', 'U' from generate_series(1, %s) n", count)
    catch_up()


def test_nobody_takes_more_than_the_site_has_room_for_whatever_it_believed_before(connect: Connect) -> None:
    connect("hrms", max_in_flight=8)
    users(30)
    stale = open_slots()
    first = claim(stale)
    second = claim(stale)
    assert (len(first), len(second)) == (8, 0)


def test_a_batch_counts_as_one_request(connect: Connect) -> None:
    connect("hrms", max_in_flight=2, batch_size=10)
    users(35)
    first = take(2)
    assert len(first.claims) == 20
    assert Lease.objects.count() == 2
    assert take(2).claims == []
    settled(first, 10)
    assert len(take(2).claims) == 10


def test_who_claims_ahead_may_send_no_more_than_the_limit_and_leaves_others_what_it_does_not_use(connect: Connect) -> None:
    site = connect("hrms", max_in_flight=8)
    users(60)
    ahead = take(24, ahead=16, holder=1)
    assert (len(ahead.claims), ahead.limits) == (24, {site.pk: 8})
    assert take(8).claims == [], "another one must see that the site is full"
    settled(ahead, 20)  # it holds 4, and so can have no more than 4 under way
    other = take(8)
    assert (len(other.claims), other.limits) == (4, {site.pk: 4})
    again = take(24, own=4, ahead=16, holder=1)
    assert again.limits == {site.pk: 4}, "what the other one has under way is not its own to use"


def test_who_does_not_know_yet_that_its_own_are_settled_does_not_take_the_others_for_them(connect: Connect) -> None:
    connect("hrms", max_in_flight=8)
    users(60)
    mine = take(8, holder=1)
    settled(mine, 8)  # in another thread of its sender, which still believes that it holds them
    other = take(8, holder=2)
    assert len(other.claims) == 8
    assert take(24, own=8, ahead=16, holder=1).claims == [], "the other one has all the site's requests under way"


def test_one_that_claims_leaves_out_a_site_where_another_is_claiming_and_one_that_pushes_waits_for_it(connect: Connect) -> None:
    site = connect("hrms")
    other = connect("cms")
    users(1)
    with _lock_held(site.pk):
        taken = claim_uncontended(open_slots())
        assert (taken.contended, [item.target.site_id for item in taken.claims]) == (True, [other.pk])
        began = time.monotonic()
        assert claim(open_slots()) == [], "it must not wait for a claimer that was stopped"
        assert time.monotonic() - began < 5
    assert [item.target.site_id for item in claim(open_slots())] == [site.pk]


def test_a_push_waits_for_the_claimers_of_all_its_sites_together_no_longer_than_it_may(connect: Connect) -> None:
    sites = [connect(name) for name in ("hrms", "cms", "sales", "garage")]
    users(1)
    catch_up()
    with ExitStack() as held:
        for site in sites:
            held.enter_context(_lock_held(site.pk))
        began = time.monotonic()
        assert claim(open_slots(), within=0.2) == []
        # Each site's lock waited for in its turn would be 0.8 s.
        assert time.monotonic() - began < 0.6
    assert len(claim(open_slots())) == 4


def test_two_senders_together_never_have_more_requests_under_way_than_the_site_takes(hrms: ScriptedSite) -> None:
    sql("update connected_sites set max_in_flight = 3")
    users(150)
    busiest, under_way, counting = 0, 0, threading.Lock()
    accept = hrms.answer

    def answer(request: object) -> object:
        nonlocal busiest, under_way
        with counting:
            under_way += 1
            busiest = max(busiest, under_way)
        time.sleep(0.002)
        with counting:
            under_way -= 1
        return accept(request)  # type: ignore[arg-type]

    hrms.answer = answer  # type: ignore[assignment]
    threads = [threading.Thread(target=_send_all) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert Delivery.objects.filter(status="success").count() == 150
    assert len({received.message_id for received in hrms.requests}) == len(hrms.requests) == 150
    assert 2 <= busiest <= 3


def _send_all() -> None:
    sender = Sender(in_flight=100)
    try:
        ends = time.monotonic() + 50
        while Delivery.objects.exclude(status="success").exists() and time.monotonic() < ends:
            sender.fill()
            sender.step(0.01)
        sender.finish(1)
    finally:
        connection.close()


class _lock_held:
    """Another process that claims at a site and does not come to an end."""

    def __init__(self, site_id: int) -> None:
        self._site_id = site_id
        self._held, self._over = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._hold)

    def _hold(self) -> None:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("select pg_advisory_xact_lock(%s, %s)", [LOCKS, self._site_id])
            self._held.set()
            self._over.wait(30)
        connection.close()

    def __enter__(self) -> None:
        self._thread.start()
        assert self._held.wait(10)

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join(10)
