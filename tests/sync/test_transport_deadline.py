"""Both ways of sending end in time, however a site drags it out, and no site holds up another."""

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import uuid4

import pytest

from sync.transport import FailureKind, HttpResponse, HttpResult, direct
from sync.transport.multi import MultiTransport
from tests.sync.hinges import HINGES, TOLERANCE, Send, failure, kind_of, post
from tests.sync.raw_server import RawServer, answering, deaf, dripping, hanging, mute, ok


@pytest.fixture(params=HINGES)
def send(request: pytest.FixtureRequest) -> Iterator[Send]:
    """Every test is run with each way of sending."""
    hinge = HINGES[request.param]()
    yield hinge
    hinge.close()


class TestDeadline:
    @pytest.mark.parametrize(
        "behaviour",
        [
            hanging,
            mute,
            dripping(ok(b" " * 300), every=0.1),
            dripping(b"x" * 300, after=b"HTTP/1.1 200 OK\r\nX-Drip: ", every=0.1),
            dripping(b" " * 300, after=b"HTTP/1.1 200 OK\r\nContent-Length: 300\r\n\r\n", every=0.1),
            dripping(b" " * 300, after=b"HTTP/1.1 200 OK\r\n\r\n", every=0.1),
            dripping(b"1\r\nx\r\n" * 50, after=b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", every=0.1),
            dripping(b"HTTP/1.1 100 Continue\r\n\r\n" * 12, every=0.1),
        ],
        ids=[
            "no answer",
            "not even reading",
            "dripping",
            "a dripping header",
            "a dripping body",
            "a body without length",
            "chunks",
            "interim",
        ],
    )
    def test_a_request_ends_at_its_total_deadline_whatever_the_site_does(self, send: Send, behaviour: Callable[..., None]) -> None:
        with RawServer(behaviour) as site:
            started = time.monotonic()
            result = send(post(site.url, timeout=0.8))
            took = time.monotonic() - started
        assert failure(result) == (FailureKind.TIMEOUT, "No complete answer within 0.8 s")
        assert 0.75 < took < 0.8 + TOLERANCE
        assert 0.75 < result.duration < 0.8 + TOLERANCE

    def test_a_site_that_does_not_take_a_large_request_is_cut_too(self, send: Send) -> None:
        with RawServer(deaf) as site:
            result = send(post(site.url, b"x" * 20_000_000, timeout=0.8))
        assert kind_of(result) is FailureKind.TIMEOUT
        assert result.duration < 0.8 + TOLERANCE

    def test_the_deadline_covers_a_tls_handshake_that_hangs(self, send: Send) -> None:
        with RawServer(mute) as site:
            result = send(post(site.url.replace("http://", "https://"), timeout=0.8))
        assert kind_of(result) is FailureKind.TIMEOUT
        assert result.duration < 0.8 + TOLERANCE

    def test_a_tls_handshake_that_hangs_ends_at_the_connect_timeout_where_that_is_shorter(self, send: Send) -> None:
        with RawServer(mute) as site:
            result = send(post(site.url.replace("http://", "https://"), timeout=20, connect_timeout=0.5))
        assert kind_of(result) is FailureKind.CONNECT
        assert result.duration < 0.5 + TOLERANCE

    def test_the_connect_timeout_does_not_limit_the_answer(self, send: Send) -> None:
        with RawServer(dripping(ok(b"{}"), every=0.01)) as site:
            result = send(post(site.url, timeout=20, connect_timeout=0.3))
        assert isinstance(result, HttpResponse), result
        assert result.duration > 0.3

    def test_an_address_that_swallows_everything_ends_at_the_connect_timeout(self, send: Send) -> None:
        with socket.socket() as listener, contextlib.ExitStack() as others:
            listener.bind(("127.0.0.1", 0))
            listener.listen(0)
            for _ in range(4):  # a full queue makes the system drop whoever comes next
                other = others.enter_context(socket.socket())
                other.setblocking(False)
                other.connect_ex(listener.getsockname())
            result = send(post(f"http://127.0.0.1:{listener.getsockname()[1]}/", timeout=20, connect_timeout=0.5))
        assert failure(result) == (FailureKind.CONNECT, "No connection in time: the site's machine does not answer")
        assert result.duration < 0.5 + TOLERANCE


class TestLookingUp:
    """A DNS server that does not answer holds the system's own look-up for half a minute."""

    @pytest.fixture
    def asked(self, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
        """Names of `hanging.invalid` are not answered until the test is over. The list fills with what was asked for."""
        over = threading.Event()
        asked: list[str] = []
        real = socket.getaddrinfo

        def getaddrinfo(host: str, *args: Any, **kwargs: Any) -> Any:
            if host.endswith("hanging.invalid"):
                asked.append(host)
                over.wait(30)
                raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")
            return real(host, *args, **kwargs)

        monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
        yield asked
        over.set()

    def test_a_look_up_that_hangs_ends_at_the_connect_timeout(self, send: Send, asked: list[str]) -> None:
        result = send(post(f"http://{uuid4()}.hanging.invalid/", timeout=20, connect_timeout=0.4))
        assert failure(result) == (FailureKind.DNS, "The host name was not found in time: the DNS server does not answer")
        assert result.duration < 0.4 + TOLERANCE

    def test_a_look_up_that_hangs_ends_at_the_deadline(self, send: Send, asked: list[str]) -> None:
        result = send(post(f"http://{uuid4()}.hanging.invalid/", timeout=0.4))
        assert failure(result) == (FailureKind.TIMEOUT, "No complete answer within 0.4 s")
        assert result.duration < 0.4 + TOLERANCE

    def test_many_requests_for_a_name_share_one_look_up(self, asked: list[str]) -> None:
        transport = MultiTransport()
        for number in range(30):
            transport.add(number, post("http://shared.hanging.invalid/", timeout=0.4))
        results = collect(transport, 30)
        transport.close()
        assert {kind_of(result) for result in results.values()} == {FailureKind.TIMEOUT}
        assert asked == ["shared.hanging.invalid"]

    def test_look_ups_that_hang_hold_up_no_other_site(self, asked: list[str]) -> None:
        transport = MultiTransport()
        with RawServer(answering(ok())) as site:
            for number in range(60):
                transport.add(number, post(f"http://site-{number}.hanging.invalid/", timeout=30))
            transport.add("healthy", post(site.url.replace("127.0.0.1", "localhost"), timeout=30))
            results = collect(transport, 1)
        assert isinstance(results["healthy"], HttpResponse)
        assert len(asked) == 60
        assert set(transport.abandon()) == set(range(60))
        transport.close()


class TestManyAtOnce:
    def test_two_hundred_requests_take_no_longer_than_the_slowest(self) -> None:
        transport = MultiTransport()
        with RawServer(dripping(ok(), every=0.01)) as site:
            started = time.monotonic()
            for number in range(200):
                transport.add(number, post(site.url, timeout=30))
            assert len(transport) == 200
            results = collect(transport, 200)
            took = time.monotonic() - started
        assert len(transport) == 0
        transport.close()
        assert {getattr(result, "status", result) for result in results.values()} == {200}
        # One after the other they would take 200 × 0.8 s.
        assert took < 30

    def test_sites_that_hang_hold_up_none_that_answers(self) -> None:
        transport = MultiTransport()
        with RawServer(hanging) as dead, RawServer(answering(ok())) as alive:
            for number in range(100):
                transport.add(("dead", number), post(dead.url, timeout=30))
                transport.add(("alive", number), post(alive.url, timeout=30))
            started = time.monotonic()
            results = collect(transport, 100)
            assert time.monotonic() - started < 15
            assert {name for name, _ in results} == {"alive"}
            assert len(transport.abandon()) == 100
        transport.close()

    def test_each_request_keeps_its_own_deadline(self) -> None:
        transport = MultiTransport()
        with RawServer(hanging) as dead:
            for number in range(20):
                transport.add(number, post(dead.url, timeout=0.3 + number * 0.05))
            results = collect(transport, 20)
        transport.close()
        assert list(results) == sorted(results)
        for number, result in results.items():
            assert kind_of(result) is FailureKind.TIMEOUT
            assert 0.25 < result.duration - number * 0.05 < 0.3 + TOLERANCE

    def test_waiting_for_nothing_takes_no_time(self) -> None:
        transport = MultiTransport()
        started = time.monotonic()
        assert transport.poll(10) == []
        assert time.monotonic() - started < 5
        transport.close()

    def test_waiting_ends_when_the_time_is_up_though_nothing_came(self) -> None:
        transport = MultiTransport()
        with RawServer(hanging) as dead:
            transport.add("it", post(dead.url, timeout=30))
            started = time.monotonic()
            assert transport.poll(0.2) == []
            assert 0.15 < time.monotonic() - started < 0.2 + TOLERANCE
            transport.close()

    def test_fifty_threads_send_directly_and_the_dead_sites_hold_up_none(self) -> None:
        with RawServer(hanging) as dead, RawServer(answering(ok())) as alive, ThreadPoolExecutor(50) as pool:
            hanging_calls = [pool.submit(direct.send, post(dead.url, timeout=3)) for _ in range(25)]
            started = time.monotonic()
            good = list(pool.map(lambda _: direct.send(post(alive.url, timeout=30)), range(500)))
            took = time.monotonic() - started
            assert {getattr(result, "status", result) for result in good} == {200}
            assert took < 20
            for call in hanging_calls:
                result = call.result(30)
                assert kind_of(result) is FailureKind.TIMEOUT
                assert result.duration < 3 + TOLERANCE


def collect(transport: MultiTransport, count: int) -> dict[Any, HttpResult]:
    """That many results, in the order they came."""
    found: dict[Any, HttpResult] = {}
    ends = time.monotonic() + 40
    while len(found) < count:
        assert time.monotonic() < ends, f"{len(found)} of {count} came"
        found.update(transport.poll(1))
    return found
