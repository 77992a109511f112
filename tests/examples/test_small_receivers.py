"""The receivers that people copy, each run as its README says."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.examples.sender import OTHER_SECRET, PATH, SECRET, Sender, removal, user
from tests.receivers import EXAMPLES, NodeMinimalProcess, NodeVerifiedProcess, PythonMinimalProcess, ReceiverProcess, node

ADA = {"email": "ada@example.com", "full_name": "Ada Lovelace", "role": "admin"}


def test_a_dozen_lines_on_node_store_a_user_by_email(tmp_path: Path) -> None:
    with NodeMinimalProcess(tmp_path) as site:
        answer = Sender(site.url).upsert(user("user_1", 1, **ADA))
        assert (answer.status, answer.json) == (200, {"success": True})
        assert site.users() == [ADA]
        Sender(site.url).upsert(user("user_1", 2, **{**ADA, "role": "user"}))
        assert site.users() == [{**ADA, "role": "user"}]


def test_a_dozen_lines_on_node_do_not_know_removals_and_keep_the_user(tmp_path: Path) -> None:
    with NodeMinimalProcess(tmp_path) as site:
        hub = Sender(site.url)
        hub.upsert(user("user_1", 1, **ADA))
        assert hub.remove(removal("user_1", 2, **ADA)).status == 404
        assert hub.request("GET", PATH).status == 404
        assert site.users() == [ADA]


def test_a_dozen_lines_on_node_really_are_a_dozen() -> None:
    assert len((EXAMPLES / "node-minimal" / "route.mjs").read_text().splitlines()) <= 12


def test_the_node_receiver_keeps_the_newest_version_and_removals(tmp_path: Path) -> None:
    with NodeVerifiedProcess(tmp_path, SECRET) as site:
        hub = Sender(site.url)
        answer = hub.upsert(user("user_1", 5, **ADA))
        assert (answer.status, answer.json) == (200, {"success": True, "id": "user_1"})
        assert hub.upsert(user("user_1", 4, full_name="Old")).status == 200
        assert hub.upsert(user("user_1", 5, **{**ADA, "email": "countess@example.com"})).status == 200
        assert [(held["full_name"], held["email"], held["version"]) for held in site.users()] == [
            ("Ada Lovelace", "countess@example.com", 5)
        ]
        assert hub.remove(removal("user_1", 7)).status == 200
        assert hub.upsert(user("user_1", 6)).status == 200
        assert site.users() == []
        assert hub.remove(removal("user_unknown", 1)).json["success"] is True


def test_the_node_receiver_takes_one_of_two_signatures_and_names_in_any_language(tmp_path: Path) -> None:
    with NodeVerifiedProcess(tmp_path, SECRET) as site:
        hub = Sender(site.url)
        raw = json.dumps(user("user_1", 1, full_name="Зоя Ødegård 李"), ensure_ascii=False).encode()
        signatures = [Sender(site.url, secret).sign(raw, "msg_both")["webhook-signature"] for secret in (OTHER_SECRET, SECRET)]
        assert hub.post(PATH, raw, message_id="msg_both", headers={"webhook-signature": " ".join(signatures)}).status == 200
        assert site.users()[0]["full_name"] == "Зоя Ødegård 李"


@pytest.mark.parametrize(("body", "status"), [(b"{", 400), (b"null", 422), (b'{"id": "user_1"}', 422), (b'{"id": 1, "version": 1}', 422)])
def test_the_node_receiver_refuses_a_body_that_is_not_a_user(tmp_path: Path, body: bytes, status: int) -> None:
    with NodeVerifiedProcess(tmp_path, SECRET) as site:
        answer = Sender(site.url).upsert(body)
        assert (answer.status, answer.json["success"]) == (status, False)


def test_the_python_receiver_stores_and_removes_by_id(tmp_path: Path) -> None:
    with PythonMinimalProcess(tmp_path, SECRET) as site:
        hub = Sender(site.url)
        answer = hub.upsert(user("user_1", 1, **ADA))
        assert (answer.status, answer.json) == (200, {"success": True, "id": "user_1"})
        hub.upsert(user("user_1", 2, **{**ADA, "email": "countess@example.com"}))
        assert site.emails() == {"countess@example.com"}
        assert hub.remove(removal("user_1", 3)).status == 200
        assert hub.remove(removal("user_unknown", 4)).json["success"] is True
        assert site.users() == []
        assert hub.upsert(b"{").status == 400
        assert hub.post("/elsewhere", user()).status == 404


@pytest.fixture(scope="module", params=[NodeVerifiedProcess, PythonMinimalProcess], ids=["node", "python"])
def signed_site(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ReceiverProcess]:
    """For tests of what is refused: started once, and every test leaves it as it was."""
    with request.param(tmp_path_factory.mktemp("signed"), SECRET) as site:
        yield site


@pytest.mark.parametrize(
    "headers",
    [
        {"webhook-signature": None},
        {"webhook-id": None},
        {"webhook-id": "msg_another"},
        {"webhook-signature": "nonsense"},
        {"webhook-signature": "v1,AAAA"},
        {"webhook-signature": "v1,"},
        {"webhook-timestamp": "1"},
        {"webhook-timestamp": "now"},
    ],
    ids=str,
)
def test_what_is_not_signed_properly_is_refused(signed_site: ReceiverProcess, headers: dict[str, str | None]) -> None:
    answer = Sender(signed_site.url).upsert(user(), headers=headers)
    assert (answer.status, answer.json["success"]) == (401, False)
    assert answer.error
    assert signed_site.users() == []


def test_a_signature_by_another_sites_secret_is_refused(signed_site: ReceiverProcess) -> None:
    assert Sender(signed_site.url, OTHER_SECRET).upsert(user()).status == 401
    assert signed_site.users() == []


@pytest.mark.parametrize("folder", ["node-minimal", "node-verified"])
def test_a_node_example_without_a_port_says_what_to_set(folder: str) -> None:
    ended = subprocess.run([node(), str(EXAMPLES / folder / "server.mjs")], env={}, capture_output=True, text=True, timeout=20, check=False)
    assert (ended.returncode, ended.stderr) == (1, "Set PORT to a number from 1 to 65535.\n")


def test_a_node_example_at_a_taken_port_says_so(tmp_path: Path) -> None:
    with NodeMinimalProcess(tmp_path) as site:
        ended = subprocess.run(site.command(), env={"PORT": str(site.port)}, capture_output=True, text=True, timeout=20, check=False)
        assert (ended.returncode, ended.stderr.count("\n")) == (1, 1)
        assert f"Cannot listen at 127.0.0.1:{site.port}" in ended.stderr


def test_the_python_example_without_a_secret_says_what_to_set() -> None:
    command = [sys.executable, str(EXAMPLES / "python-minimal" / "receiver.py")]
    ended = subprocess.run(command, env={"PORT": "4007"}, capture_output=True, text=True, timeout=20, check=False)
    assert ended.returncode == 1
    assert ended.stderr.startswith("Set SYNC_SECRET to the whsec_ secret")
