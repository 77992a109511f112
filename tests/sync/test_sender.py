"""The sender and its courier: what is claimed ahead is given back when a site balks, and no answer is lost with the database."""

import time
from collections.abc import Callable

import pytest
from django.db import OperationalError, connection
from werkzeug import Response

from sync import runs
from sync.deliver import settler as module
from sync.deliver.courier import Courier
from sync.deliver.sender import Sender
from sync.deliver.settle import Attempt
from sync.models import Delivery, Lease, SyncRun
from tests.conftest import eventually_true
from tests.scripted_site import ScriptedSite, accept
from tests.sync.conftest import attempts, catch_up, drain, make_due, sql, user

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _no_pushes(settings: object) -> None:
    settings.SYNC_ON_SAVE = "queue"  # type: ignore[attr-defined]


def until(sender: Sender, true: Callable[[], bool], *, fill: bool = True) -> None:
    ends = time.monotonic() + 30
    while not true():
        if fill:
            sender.fill()
        sender.step(0.02)
        assert time.monotonic() < ends


def test_a_site_that_asks_for_a_pause_gets_nothing_of_what_was_claimed_ahead_for_it(hrms: ScriptedSite) -> None:
    sql("update connected_sites set max_in_flight = 2")
    sql("insert into user_profiles (email, full_name) select 'u' || n || '@example.com', 'U' from generate_series(1, 300) n")
    catch_up()
    refused: list[float] = []

    def answer(request: object) -> Response:
        if len(hrms.requests) <= 100:
            return accept(request)  # type: ignore[arg-type]
        refused.append(time.monotonic())
        return Response(status=429, headers={"Retry-After": "600"})

    hrms.answer = answer  # type: ignore[assignment]
    sender = Sender(in_flight=100)
    until(sender, lambda: bool(refused))
    until(sender, lambda: sender.idle, fill=False)
    assert sender.fill() == 0, "the site asked for a pause"
    sender.finish(1)
    assert len(refused) <= 2, "only what was under way at that moment may still arrive"
    assert Delivery.objects.filter(status="success").count() == 100
    waiting = Delivery.objects.filter(status="pending")
    assert (waiting.count(), waiting.filter(tries=0).count()) == (200, 200)
    assert len(attempts()) == len(hrms.requests), "what was given back was never sent, and so is in no log"


def test_a_broken_courier_is_not_passed_over_in_silence(hrms: ScriptedSite, monkeypatch: pytest.MonkeyPatch) -> None:
    user()
    catch_up()

    def broken(*_: object) -> None:
        raise ZeroDivisionError("a defect")

    monkeypatch.setattr(Courier, "_answered", broken)
    sender = Sender(in_flight=10)
    with pytest.raises(ZeroDivisionError):
        until(sender, lambda: False)
    sender.finish(0)
    (entry,) = attempts()
    assert (entry.outcome, Delivery.objects.get().status) == ("lost", "pending")


def test_an_answer_that_the_database_could_not_take_is_settled_when_it_can_and_logged_once(
    hrms: ScriptedSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    user()
    catch_up()
    sender = Sender(in_flight=10)
    settle = module.settle

    def settled_but_cut_off(group: list[Attempt], *, keep_plan: bool) -> dict[str, str]:
        settle(group, keep_plan=keep_plan)
        connection.close()
        raise OperationalError("the connection was lost after the commit, before the server could say so")

    monkeypatch.setattr(module, "settle", settled_but_cut_off)
    sender.fill()
    with pytest.raises(OperationalError):
        until(sender, lambda: sender.idle, fill=False)
    monkeypatch.setattr(module, "settle", settle)
    until(sender, lambda: sender.idle, fill=False)
    sender.finish(1)
    assert [entry.status for entry in attempts()] == ["success"]
    assert Delivery.objects.get().status == "success"


def test_an_answer_that_was_not_written_down_at_all_is_written_down_by_the_next_step(
    hrms: ScriptedSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    user()
    catch_up()
    sender = Sender(in_flight=10)

    def failed(group: list[Attempt], *, keep_plan: bool) -> dict[str, str]:
        raise OperationalError("the server is starting up")

    with monkeypatch.context() as patched:
        patched.setattr(module, "settle", failed)
        sender.fill()
        with pytest.raises(OperationalError):
            until(sender, lambda: sender.idle, fill=False)
    until(sender, lambda: sender.idle, fill=False)
    sender.finish(1)
    assert [entry.status for entry in attempts()] == ["success"]
    assert len(hrms.requests) == 1


def test_a_sender_that_stops_gives_back_what_it_did_not_send_and_says_so_of_what_it_did(hrms: ScriptedSite) -> None:
    sql("insert into user_profiles (email, full_name) select 'u' || n || '@example.com', 'U' from generate_series(1, 20) n")
    catch_up()
    hrms.hold()
    sender = Sender(in_flight=100)
    sender.fill()
    eventually_true(lambda: len(hrms.requests) == 8)
    sender.finish(0.2)
    assert [entry.status for entry in attempts()] == ["lost"] * 8
    assert not Lease.objects.exists()
    hrms.let_go()
    make_due()
    drain()
    assert Delivery.objects.filter(status="success").count() == 20


def test_an_attempt_that_was_lost_before_sync_all_came_is_not_counted_to_it(hrms: ScriptedSite) -> None:
    user()
    catch_up()
    hrms.hold()
    sender = Sender(in_flight=10)
    sender.fill()
    sql("select sync_all_users()")
    feeder = runs.Feeder(SyncRun.objects.get())
    feeder.step()
    sender.finish(0)
    hrms.let_go()
    (lost,) = attempts()
    assert (lost.status, lost.cause, lost.run_id) == ("lost", "change", None)
    make_due()
    drain()
    while not feeder.step():
        continue
    part = SyncRun.objects.get().parts.get()
    assert (part.succeeded, part.failed) == (1, 0)
    assert attempts()[-1].run_id == part.run_id
