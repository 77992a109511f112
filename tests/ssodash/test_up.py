"""`make run`: one command that runs the hub, keeps it running, and stops all of it."""

import re
import signal
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import eventually_true
from tests.ssodash.keepers import kill_server
from tests.ssodash.running import Hub, command_line


@pytest.fixture(scope="module")
def hub(module_folder: Path) -> Iterator[Hub]:
    with Hub(module_folder) as hub:
        yield hub


def password_in(text: str) -> str:
    found = re.search(r"admin / (\S+)", text)
    assert found, text
    return found[1]


def test_it_prints_where_to_look_and_how_to_sign_in(hub: Hub) -> None:
    assert hub.address in hub.text
    assert "make psql" in hub.text
    assert "Ctrl-C" in hub.text
    assert hub.can_sign_in("admin", password_in(hub.text))
    assert not hub.can_sign_in("admin", "guessed")


def test_only_we_can_read_what_it_keeps(hub: Hub) -> None:
    for name in ("secret_key", "admin-password", "up.lock"):
        assert stat.S_IMODE((hub.var / name).stat().st_mode) == 0o600


def test_no_secret_is_on_a_command_line(hub: Hub) -> None:
    secrets = [(hub.var / name).read_text().strip().encode() for name in ("secret_key", "admin-password")]
    lines = [command_line(pid).encode() for pid in hub.left()]
    assert len([line for line in lines if line]) > 5
    for line in lines:
        assert not any(secret in line for secret in secrets)
        assert b"postgresql://" not in line


def test_a_second_one_is_told_where_the_first_one_runs(hub: Hub) -> None:
    second = Hub(hub.var)
    second.begin()
    assert second.ended() == 1
    assert second.text == f"It already runs at {hub.address}. Stop that one first: Ctrl-C in its terminal, or `kill {hub.process.pid}`."
    assert hub.answers()


@pytest.mark.parametrize(("name", "part"), [("web", "gunicorn"), ("worker", "sync_worker")])
def test_a_program_that_dies_is_started_again_and_the_line_says_so(hub: Hub, name: str, part: str) -> None:
    before = hub.kill_program(part)
    eventually_true(lambda: re.search(rf"{name} +\| ended \(killed by SIGKILL\); it starts again in \d+ s", hub.text), 10)
    eventually_true(lambda: hub.pid_of(part) not in (None, before), 20)
    eventually_true(hub.answers, 30)


def test_the_database_that_dies_is_started_again(hub: Hub) -> None:
    kill_server(hub.var / "pg")
    eventually_true(lambda: "The embedded database ended; starting it again" in hub.text, 10)
    eventually_true(hub.answers, 30)


def test_killed_it_takes_its_programs_along_and_the_next_start_works_as_before(hub_folder: Path) -> None:
    first = Hub(hub_folder)
    with first:
        password = password_in(first.text)
        first.kill()
        eventually_true(lambda: first.left() == [], 15, message="Some programs outlived it")
    with Hub(hub_folder, PORT=first.settings["PORT"]) as again:
        assert password_in(again.text) == password
        assert again.can_sign_in("admin", password)
        assert again.stop(signal.SIGTERM) == 0
    assert "Stopping" in again.text
