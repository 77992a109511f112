"""A sample site takes what the hub signed with its secret, and refuses everything else with the reason."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.examples.sender import OTHER_SECRET, SECRET, Sender, user
from tests.receivers import SampleSiteProcess


@pytest.fixture
def site(tmp_path: Path) -> Iterator[SampleSiteProcess]:
    with SampleSiteProcess("hrms", tmp_path, SECRET) as site:
        yield site


@pytest.fixture(scope="module")
def shared_site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SampleSiteProcess]:
    """For tests of what is refused: started once, and every test leaves it as it was."""
    with SampleSiteProcess("hrms", tmp_path_factory.mktemp("shared"), SECRET) as site:
        yield site


@pytest.fixture
def hub(site: SampleSiteProcess) -> Iterator[Sender]:
    hub = Sender(site.url)
    yield hub
    hub.close()


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param({"webhook-signature": None, "webhook-id": None, "webhook-timestamp": None}, id="unsigned"),
        pytest.param({"webhook-id": "msg_another"}, id="another message's signature"),
        pytest.param({"webhook-signature": "v1,AAAA"}, id="a made up signature"),
        pytest.param({"webhook-signature": "v1,not base64!"}, id="not base64"),
        pytest.param({"webhook-signature": "nonsense"}, id="a token without a comma"),
        pytest.param({"webhook-signature": "v1,a,b"}, id="a token with two commas"),
        pytest.param({"webhook-signature": "v2,AAAA"}, id="an unknown version only"),
        pytest.param({"webhook-timestamp": "yesterday"}, id="no timestamp"),
        pytest.param({"webhook-timestamp": "nan"}, id="a timestamp that is not a number"),
        pytest.param({"webhook-timestamp": "9" * 400}, id="a timestamp beyond all dates"),
        pytest.param({"webhook-signature": None}, id="no signature"),
    ],
)
def test_what_is_not_signed_properly_is_refused(shared_site: SampleSiteProcess, headers: dict[str, str | None]) -> None:
    answer = Sender(shared_site.url).upsert(user(), headers=headers)
    assert (answer.status, answer.json["success"]) == (401, False)
    assert answer.error.startswith("signature refused: ")
    assert shared_site.users() == []


def test_a_signature_by_another_sites_secret_is_refused(shared_site: SampleSiteProcess) -> None:
    answer = Sender(shared_site.url, OTHER_SECRET).upsert(user())
    assert (answer.status, answer.error) == (401, "signature refused: no matching signature found")
    assert shared_site.users() == []


def test_a_body_changed_on_its_way_is_refused(shared_site: SampleSiteProcess) -> None:
    hub = Sender(shared_site.url)
    signed = hub.sign(b'{"role":"user"}')
    assert hub.post("/api/users/sync", b'{"role":"admin"}', headers=dict(signed)).status == 401


def test_a_body_that_is_not_utf_8_is_refused(shared_site: SampleSiteProcess) -> None:
    hub = Sender(shared_site.url)
    assert hub.upsert(b'{"id": "\xff"}').status == 401


@pytest.mark.parametrize(("offset", "why"), [(-301, "too old"), (301, "too new")])
def test_a_timestamp_more_than_five_minutes_off_is_refused(shared_site: SampleSiteProcess, offset: int, why: str) -> None:
    answer = Sender(shared_site.url).upsert(user(), at=time.time() + offset)
    assert answer.status == 401
    assert why in answer.error


def test_a_delayed_message_within_the_tolerance_is_taken(site: SampleSiteProcess, hub: Sender) -> None:
    assert hub.upsert(user(), at=time.time() - 280).status == 200


def test_one_of_two_signatures_is_enough_during_a_rotation(site: SampleSiteProcess, hub: Sender) -> None:
    raw = b'{"id":"user_1","version":1,"email":"ada@example.com"}'
    ours = hub.sign(raw, "msg_rotation")
    theirs = Sender(site.url, OTHER_SECRET).sign(raw, "msg_rotation")
    both = {**ours, "webhook-signature": f"{theirs['webhook-signature']} {ours['webhook-signature']}"}
    assert hub.post("/api/users/sync", raw, headers=dict(both)).status == 200


def test_a_changed_secret_file_counts_from_the_next_request_on(site: SampleSiteProcess, hub: Sender) -> None:
    new = Sender(site.url, OTHER_SECRET)
    assert (hub.upsert(user(version=1)).status, new.upsert(user(version=2)).status) == (200, 401)
    site.set_secret(OTHER_SECRET)
    assert (hub.upsert(user(version=3)).status, new.upsert(user(version=4)).status) == (401, 200)


def test_without_a_secret_everything_is_refused_until_it_appears(tmp_path: Path) -> None:
    with SampleSiteProcess("cms", tmp_path, secret=None) as site:
        hub = Sender(site.url)
        answer = hub.upsert(user())
        assert (answer.status, answer.error) == (401, "no secret yet: this site's secret file does not exist")
        assert "Every message is refused" in site.get("/")
        site.set_secret(SECRET)
        assert hub.upsert(user()).status == 200
        assert "Every message is refused" not in site.get("/")


@pytest.mark.parametrize("content", ["", "a password", "whsec_", "whsec_!", "whsec_ü"])
def test_a_secret_file_without_a_usable_secret_refuses_everything_and_says_so(site: SampleSiteProcess, hub: Sender, content: str) -> None:
    site.set_secret(content)
    answer = hub.upsert(user())
    assert answer.status == 401
    assert answer.error.startswith(("no secret yet: ", "no usable secret: "))
    assert "secret file" in answer.error
    site.set_secret(SECRET)
    assert hub.upsert(user()).status == 200


def test_the_secret_is_on_no_page_and_in_no_output(site: SampleSiteProcess, hub: Sender) -> None:
    hub.upsert(user())
    Sender(site.url, OTHER_SECRET).upsert(user())
    everything = site.get("/") + site.get("/users.json") + site.output()
    assert SECRET not in everything and SECRET.removeprefix("whsec_") not in everything
