"""The settler's transactions: two at a time where much waits, and what one of them fails is not lost to the other."""

import threading
import time

import pytest
from django.db import OperationalError

from sync.deliver import settler as module
from sync.deliver.sender import Sender
from sync.deliver.settle import Attempt
from sync.models import Delivery
from tests.scripted_site import ScriptedSite, json_answer
from tests.sync.conftest import attempts, catch_up, sql

pytestmark = pytest.mark.django_db(transaction=True)
USERS = 1500


@pytest.fixture(autouse=True)
def _three_batches(settings: object, hrms: ScriptedSite) -> None:
    """Two that are settled together, and one that is enough to be settled beside them."""
    settings.SYNC_ON_SAVE = "queue"  # type: ignore[attr-defined]
    hrms.answer = lambda request: json_answer({"results": [{"id": item["id"], "success": True} for item in request.get_json()["users"]]})
    sql("update connected_sites set batch_size = 500")
    sql(f"insert into user_profiles (email, full_name) select 'u' || n || '@example.com', 'U' from generate_series(1, {USERS}) n")
    catch_up()
    catch_up()


def send_all(sender: Sender) -> None:
    ends = time.monotonic() + 30
    while sender.fill() or not sender.idle:
        sender.step(0.02)
        assert time.monotonic() < ends


def all_delivered() -> bool:
    return Delivery.objects.filter(status="success").count() == USERS and [entry.status for entry in attempts()] == ["success"] * USERS


def test_a_backlog_is_settled_in_two_transactions_at_a_time(hrms: ScriptedSite, monkeypatch: pytest.MonkeyPatch) -> None:
    settle, both = module.settle, threading.Barrier(2)

    def settle_beside_another(group: list[Attempt], *, keep_plan: bool) -> dict[str, str]:
        both.wait(20)  # breaks, and fails the sender's step, where nobody else comes
        return settle(group, keep_plan=keep_plan)

    monkeypatch.setattr(module, "settle", settle_beside_another)
    sender = Sender(in_flight=10)
    send_all(sender)
    sender.finish(1)
    assert len(hrms.requests) == 3
    assert all_delivered()


def test_a_transaction_that_the_database_fails_is_repeated_and_the_one_beside_it_is_not(
    hrms: ScriptedSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    settle, failed = module.settle, threading.Event()
    sizes: list[int] = []

    def settle_but_fail_the_larger_one_once(group: list[Attempt], *, keep_plan: bool) -> dict[str, str]:
        sizes.append(len(group))
        if len(group) == 1000 and not failed.is_set():
            failed.set()
            raise OperationalError("the connection was lost")
        return settle(group, keep_plan=keep_plan)

    monkeypatch.setattr(module, "settle", settle_but_fail_the_larger_one_once)
    sender = Sender(in_flight=10)
    with pytest.raises(OperationalError):
        send_all(sender)
    send_all(sender)
    sender.finish(1)
    assert sorted(sizes) == [500, 1000, 1000]
    assert all_delivered()
