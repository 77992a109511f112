"""The courier by itself: what it may send after a site balked."""

import threading
from collections.abc import Iterator

import pytest
from werkzeug import Response

from sync.deliver.claim import claim
from sync.deliver.courier import Courier
from sync.deliver.shipments import Shipment, pack
from sync.deliver.targets import open_slots
from sync.transport import HttpResponse
from tests.scripted_site import ScriptedSite, accept
from tests.sync.conftest import catch_up, make

pytestmark = pytest.mark.django_db(transaction=True)

LIMIT = 2


@pytest.fixture
def courier() -> Iterator[Courier]:
    made = Courier()
    yield made
    made.stop()


def shipments(count: int) -> list[Shipment]:
    make(count)
    catch_up()
    return pack(claim(open_slots())).shipments


def status(courier: Courier) -> int | None:
    """Of the one that came back; None where it was not sent."""
    ((_, result),) = courier.collect(10)
    assert result is None or isinstance(result, HttpResponse)
    return None if result is None else result.status


def test_what_was_claimed_before_a_sites_answer_was_written_down_is_not_sent_after_it(
    hrms: ScriptedSite, courier: Courier, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second, third = shipments(3)
    site = first.target.site_id
    hrms.answer = lambda request: Response(status=429)
    courier.hand_over([first], {site: LIMIT})
    assert status(courier) == 429
    hrms.answer = accept
    # The courier's thread comes to its turn only after all of this.
    turn, take_in = threading.Event(), courier._take_in
    monkeypatch.setattr(courier, "_take_in", lambda: take_in() if turn.wait(0) else [])
    courier.hand_over([second], {site: LIMIT})
    courier.pardon(site)
    courier.hand_over([third], {site: LIMIT})
    turn.set()
    came = {shipment.message_id: result for shipment, result in courier.collect(10, 10, 2)}
    assert came[second.message_id] is None
    assert isinstance(came[third.message_id], HttpResponse)
    assert len(hrms.requests) == 2
