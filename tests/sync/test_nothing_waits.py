"""While anything is due where there is room, a sender says so: only what is due by a look of just now is nothing."""

import threading
from collections.abc import Callable, Iterator
from functools import partial

import pytest

from sync import fanout
from sync.deliver import sender as module
from sync.deliver.drain import Drain
from sync.deliver.sender import Sender
from sync.models import Delivery
from tests.conftest import eventually_true
from tests.scripted_site import ScriptedSite
from tests.sync.conftest import Connect, catch_up, make, sql
from users.models import UserProfile

pytestmark = pytest.mark.django_db(transaction=True)

IN_SYNC = "update user_sync_delivery d set status = 'success', next_attempt_at = null from connected_sites s where s.id = d.site_id and "
DUE = "update user_sync_delivery d set status = 'pending', next_attempt_at = now() from connected_sites s where s.id = d.site_id and "


@pytest.fixture
def sites(settings: object, connect: Connect, scripted: Callable[[], ScriptedSite]) -> list[ScriptedSite]:
    """Three sites, each takes one request at a time. Only the worker sends."""
    settings.SYNC_ON_SAVE = "queue"  # type: ignore[attr-defined]
    made = [scripted() for _ in range(3)]
    for number, site in enumerate(made):
        connect(f"site{number}", site.url, timeout=20, max_in_flight=1)
    return made


@pytest.fixture
def looks_rarely(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was seen when it was last looked lasts for ever."""
    monkeypatch.setattr(module, "LOOKED_AT_FOR", 1000.0)


@pytest.fixture
def sender() -> Iterator[Sender]:
    made = Sender(in_flight=8)
    yield made
    made.finish(0)


@pytest.mark.usefixtures("looks_rarely")
def test_a_site_at_which_nothing_is_due_any_more_takes_no_other_sites_turn(
    sites: list[ScriptedSite], sender: Sender, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "GROUP", 1)
    sql("update connected_sites set max_in_flight = 2")
    make(2)
    catch_up()
    sites[2].hold()
    assert [sender.fill() for _ in sites] == [1, 1, 1]
    while Delivery.objects.filter(status="success").count() < 2:
        sender.step(0.5)
    sql(IN_SYNC + "s.name <> 'site2'")
    assert sender.fill() == 1, "the least busy come first, but there is nothing due there"
    sites[2].let_go()


@pytest.mark.usefixtures("looks_rarely")
def test_where_nothing_is_due_any_more_it_looks_again_before_it_says_so(sites: list[ScriptedSite], sender: Sender) -> None:
    make(2)
    catch_up()
    sql(IN_SYNC + "s.name <> 'site0'")
    assert sender.fill() == 1
    while not sender.idle:
        sender.step(0.5)
    sql(IN_SYNC + "s.name = 'site0'")
    sql(DUE + "s.name = 'site1'")
    assert sender.fill() == 1
    assert sender.fill() == 0


@pytest.mark.usefixtures("looks_rarely")
def test_what_changed_while_under_way_is_sent_though_the_other_sites_hang(sites: list[ScriptedSite], sender: Sender) -> None:
    make(2)
    catch_up()
    sql(IN_SYNC + "s.name = 'site2' or d.user_id = 'user_00001' and s.name = 'site1'")
    for site in sites:
        site.hold()
    assert sender.fill() == 2
    sender.look_again()
    assert sender.fill() == 0, "one site has no room, and what the other is owed is under way"
    sql("update user_profiles set full_name = 'Changed' where user_id = 'user_00000'")
    catch_up()
    sites[1].let_go()
    while not sender.step(0.5):
        continue
    assert sender.fill() == 2, "this, and what the third is owed since"
    eventually_true(lambda: sites[1].requests[-1].body["full_name"] == "Changed")
    for site in sites:
        site.let_go()


@pytest.mark.usefixtures("looks_rarely")
def test_what_a_fan_out_of_several_chunks_owes_is_sent_at_once_though_a_site_hangs(
    sites: list[ScriptedSite], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fanout, "fan_out", partial(fanout.fan_out, 1))
    sql("update connected_sites set roles = array['manager'] where name <> 'site0'")
    catch_up()
    sites[0].hold()
    stop = threading.Event()
    drain = threading.Thread(target=Drain(stop).run)
    drain.start()
    try:
        make(1)
        eventually_true(lambda: len(sites[0].requests) == 1)
        UserProfile.objects.bulk_create(
            UserProfile(user_id=f"user_1{n}", email=f"v{n}@example.com", full_name="V", role=role)
            for n, role in enumerate(["user", "user", "user", "manager"])
        )
        eventually_true(lambda: Delivery.objects.filter(status="success").count() == 2)
    finally:
        stop.set()
        for site in sites:
            site.let_go()
        drain.join(20)
