"""Which ports are taken."""

import socket

import pytest

from ssodash import ports


def test_a_port_with_a_listener_is_taken() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        assert ports.is_taken(listener.getsockname()[1])


def test_a_port_taken_on_every_address_is_taken_on_loopback() -> None:
    with socket.create_server(("0.0.0.0", 0)) as listener:  # noqa: S104  (what the test is about)
        assert ports.is_taken_on_loopback(listener.getsockname()[1])


def test_a_listener_that_only_ipv6_reaches_counts_for_localhost() -> None:
    with socket.create_server(("::1", 0), family=socket.AF_INET6) as listener:
        port = listener.getsockname()[1]
        assert not ports.is_taken(port)
        assert ports.is_taken_on_loopback(port)


def test_a_port_whose_last_connection_is_winding_down_is_free() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port)) as client:
            served, _ = listener.accept()
            served.close()  # the side that closes first keeps the address in TIME_WAIT
            assert client.recv(1) == b""
    with socket.socket() as naive, pytest.raises(OSError, match="in use"):
        naive.bind(("127.0.0.1", port))
    assert not ports.is_taken(port)


def test_the_same_owner_is_proposed_the_same_port_while_it_is_free() -> None:
    first = ports.propose("a clone")
    assert ports.propose("a clone") == first
    with socket.create_server(("127.0.0.1", first)):
        assert ports.propose("a clone") != first


def test_when_every_port_is_taken_it_says_so() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener, pytest.raises(OSError, match="every port"):
        ports.propose("a clone", first=listener.getsockname()[1], count=1)


def test_a_port_accepts_once_somebody_listens() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        assert not ports.accepts(port)
        taken.listen()
        assert ports.accepts(port)
