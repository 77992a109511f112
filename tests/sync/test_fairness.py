"""No site that hangs keeps a slot that a healthy one needs."""

import time
from collections.abc import Callable

import pytest

from sync.deliver.sender import Sender
from sync.models import Delivery, Lease
from tests.scripted_site import ScriptedSite
from tests.sync.conftest import Connect, catch_up
from users.models import UserProfile

pytestmark = pytest.mark.django_db(transaction=True)


def test_hanging_sites_do_not_keep_the_healthy_one_waiting(connect: Connect, scripted: Callable[[], ScriptedSite]) -> None:
    hanging = [scripted() for _ in range(3)]
    well = scripted()
    for number, site in enumerate([*hanging, well]):
        connect(f"site{number}", site.url, timeout=30)
    for site in hanging:
        site.hold()
    UserProfile.objects.bulk_create(UserProfile(email=f"u{n}@example.com", full_name="U") for n in range(15))
    catch_up()
    sender = Sender(in_flight=6)
    ends = time.monotonic() + 60
    try:
        while Delivery.objects.filter(status="success").count() < 15:
            sender.fill()
            sender.step(0.05)
            assert time.monotonic() < ends, f"only {len(well.requests)} of 15 reached the healthy site"
    finally:
        for site in hanging:
            site.let_go()
        sender.finish(5)


def test_a_site_that_is_owed_nothing_takes_no_slot(connect: Connect, scripted: Callable[[], ScriptedSite]) -> None:
    first, second = scripted(), scripted()
    connect("first", first.url, roles=["manager"])
    connect("second", second.url)
    UserProfile.objects.bulk_create(UserProfile(email=f"u{n}@example.com", full_name="U") for n in range(3))
    catch_up()
    sender = Sender(in_flight=1)
    ends = time.monotonic() + 60
    while len(second.requests) < 3 or not sender.idle:
        sender.fill()
        sender.step(0.05)
        assert time.monotonic() < ends
    sender.finish(0)
    assert first.requests == []


def test_a_sender_that_cannot_fill_a_site_leaves_room_there_for_another(connect: Connect, scripted: Callable[[], ScriptedSite]) -> None:
    connect("fast", scripted().url, max_in_flight=5)
    UserProfile.objects.bulk_create(UserProfile(email=f"u{n}@example.com", full_name="U") for n in range(60))
    catch_up()
    sender = Sender(in_flight=1)
    held = []
    while sender.fill() or not sender.idle:
        held.append(Lease.objects.count())
        sender.step(0.5)
    sender.finish(1)
    assert Delivery.objects.filter(status="success").count() == 60
    assert max(held) <= 3, "of five requests it may send one, and have two more ready"
