"""When `make run` cannot start it says why in one line, before it has started or made anything."""

import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import eventually_true
from tests.ports import free_ports
from tests.ssodash.running import Hub


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener


def refused(hub: Hub) -> str:
    """What it printed when it ended at once with status 1."""
    hub.begin()
    assert hub.ended(60) == 1, hub.text
    assert hub.left() == []
    return hub.text


def test_its_port_is_taken(hub_folder: Path, listener: socket.socket) -> None:
    port = listener.getsockname()[1]
    text = refused(Hub(hub_folder, PORT=str(port)))
    assert text == f"Port {port} is taken by another program. Stop it, or choose another port: PORT={port + 1} make run"
    assert not (hub_folder / "pg").exists()


def test_a_sample_sites_port_is_taken(hub_folder: Path) -> None:
    first = free_ports(4)
    with socket.create_server(("127.0.0.1", first + 2)):
        text = refused(Hub(hub_folder, "--demo", DEMO_SITES_PORT=str(first)))
    assert f"Port {first + 2}, which the sample site Sales needs, is taken" in text
    assert "DEMO_SITES_PORT=" in text
    assert not (hub_folder / "pg").exists()


def test_the_database_it_was_given_cannot_be_reached(hub_folder: Path) -> None:
    hub = Hub(hub_folder, DATABASE_URL="postgresql://hub:of-no-use@127.0.0.1:1/hub")
    text = refused(hub)
    assert "cannot reach PostgreSQL at 127.0.0.1:1: Connection refused." in text
    assert "Traceback" not in text
    assert "of-no-use" not in text


def test_the_embedded_databases_port_is_taken(hub_folder: Path, listener: socket.socket) -> None:
    port = listener.getsockname()[1]
    text = refused(Hub(hub_folder, EMBEDDED_PORT=str(port)))
    assert f"Port {port} on 127.0.0.1, which the embedded PostgreSQL uses, is taken by another program." in text


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"PORT": "http"}, "PORT='http' is not a number"),
        ({"PORT": "99999"}, "PORT=99999 is out of range"),
        ({"DEMO_SITES_PORT": "no"}, "DEMO_SITES_PORT='no' is not a number"),
        ({"EMBEDDED_PORT": "x"}, "EMBEDDED_PORT='x' is not a number"),
    ],
)
def test_a_setting_is_wrong(hub_folder: Path, settings: dict[str, str], named: str) -> None:
    hub = Hub(hub_folder, **settings)
    hub.begin()
    assert hub.ended(30) == 2
    assert named in hub.printed[-1]
    assert "Traceback" not in hub.text


def test_an_unknown_option_is_named(hub_folder: Path) -> None:
    hub = Hub(hub_folder, "--dmeo")
    hub.begin()
    assert hub.ended(30) == 2
    assert "--dmeo" in hub.text


def test_a_ctrl_c_while_it_prepares_ends_it_at_once(hub_folder: Path) -> None:
    hub = Hub(hub_folder)
    hub.begin()
    eventually_true(lambda: "Migrating" in hub.text, 60)
    assert hub.stop(signal.SIGINT) == 0
    assert hub.left() == []
    assert "Traceback" not in hub.text
