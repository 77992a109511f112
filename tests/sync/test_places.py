"""Places: a sender goes on after what it claimed last, and misses nothing that comes to be due before it."""

from dataclasses import replace

import pytest
from django.db import transaction
from werkzeug import Response

from sites.models import ConnectedSite
from sync.deliver import sender as module
from sync.deliver.claim import CLAIM, Taken, claim_uncontended
from sync.deliver.kept import PLANS
from sync.deliver.sender import Sender
from sync.deliver.targets import Place, open_slots
from sync.models import Delivery
from tests.scripted_site import ScriptedSite, accept
from tests.sync.conftest import attempts, catch_up, drain, make, sql
from tests.sync.plans import explain
from tests.sync.test_plans import executed

pytestmark = pytest.mark.django_db(transaction=True)

EARLIER = "update user_sync_delivery set next_attempt_at = now() - interval '1 hour' where user_id = 'user_00009'"


@pytest.fixture(autouse=True)
def _one_at_a_time(settings: object, hrms: ScriptedSite) -> None:
    """Ten users, all due at the same moment, of whom hrms takes one at a time."""
    settings.SYNC_ON_SAVE = "queue"  # type: ignore[attr-defined]
    ConnectedSite.objects.update(max_in_flight=1)
    make(10)
    catch_up()
    sql("update user_sync_delivery set next_attempt_at = statement_timestamp(), id = 1000 + right(user_id, 5)::int")


def take(wanted: int, after: Place | None = None) -> Taken:
    (slot,) = open_slots(owed=ConnectedSite.objects.values_list("pk", flat=True))
    return claim_uncontended([replace(slot, free=wanted, ahead=100, after=after)], holder=1)


def users(taken: Taken) -> list[int]:
    return [int(claim.message.user_id.removeprefix("user_")) for claim in taken.claims]


def sent() -> list[int]:
    return [int(attempt.user_id.removeprefix("user_")) for attempt in attempts()]


def test_a_claim_goes_on_after_the_place_that_the_one_before_it_reached(hrms: ScriptedSite) -> None:
    (site,) = ConnectedSite.objects.all()
    first = take(4)
    second = take(4, first.places[site.pk])
    assert (users(first), users(second)) == ([0, 1, 2, 3], [4, 5, 6, 7])
    third = take(4, second.places[site.pk])
    assert (users(third), third.places) == ([8, 9], {}), "there was room for more than was due: nothing follows"


def test_what_lies_before_the_place_is_not_looked_at_once_more(hrms: ScriptedSite) -> None:
    (site,) = ConnectedSite.objects.all()
    sql("analyze user_sync_delivery")  # as another test, or autovacuum, may: no plan of the worker depends on it
    place = take(8).places[site.pk]
    assert (looked_at(None), looked_at(place)) == (10, 2)


def looked_at(after: Place | None) -> int:
    """How many deliveries a claim after this place finds by the index of what is due, once all are under way."""
    query, parameters = executed(lambda: take(4, after), CLAIM)
    with transaction.atomic():
        sql(PLANS)  # as a worker's
        plan = explain(query, parameters, run=True)
    (node,) = (node for node in plan if node.get("Index Name") == "user_sync_delivery_due")
    return int(node["Actual Rows"] + node.get("Rows Removed by Filter", 0))


def test_what_comes_to_be_due_before_the_place_is_sent_when_nothing_is_due_after_it(hrms: ScriptedSite) -> None:
    sender = Sender(in_flight=8)
    assert sender.fill() == 1
    sql("update user_sync_delivery set status = 'success', next_attempt_at = null where user_id > 'user_00000'")
    sql(EARLIER.replace("set", "set status = 'pending',"))
    while sender.fill() or not sender.idle:
        sender.step(0.5)
    sender.close()
    assert sent() == [0, 9]


@pytest.mark.parametrize(("kept_for", "position"), [(0.0, 1), (1000.0, 9)])
def test_what_comes_to_be_due_before_the_place_waits_until_it_is_looked_for_from_the_start(
    hrms: ScriptedSite, monkeypatch: pytest.MonkeyPatch, kept_for: float, position: int
) -> None:
    monkeypatch.setattr(module, "PLACES_KEPT_FOR", kept_for)
    monkeypatch.setattr(module, "AHEAD", 0)
    sender = Sender(in_flight=1)
    assert sender.fill() == 1
    sql(EARLIER)
    while sender.fill() or not sender.idle:
        sender.step(0.5)
    sender.close()
    assert sent().index(9) == position


def test_what_is_given_back_when_a_site_balks_is_sent_soon_and_not_after_all_that_is_due(
    hrms: ScriptedSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "PLACES_KEPT_FOR", 1000.0)
    monkeypatch.setattr(module, "GROUP", 3)
    sql(
        "insert into user_profiles (user_id, email, full_name)"
        " select 'user_1' || n, n || '@example.com', 'U' from generate_series(1000, 1049) n"
    )
    catch_up()
    hrms.answer = lambda request: Response(status=422) if request.get_json()["id"] == "user_00004" else accept(request)
    drain()
    assert (sent()[:5], len(sent())) == ([0, 1, 2, 3, 4], 60)
    # Some of the next may have been claimed before the sender heard of it.
    assert max(sent().index(5), sent().index(6)) < 20
    assert Delivery.objects.get(status="failed").user_id == "user_00004"
