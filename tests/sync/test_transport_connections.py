"""Where both ways of sending go, what they keep between requests, and what they leave behind."""

import contextlib
import os
import resource
import signal
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from urllib3.connectionpool import HTTPConnectionPool

from sync.transport import FailureKind, HttpResponse, direct, exchange, watchdog
from sync.transport.multi import MultiTransport
from tests.ports import free_port
from tests.sync.hinges import BROKEN, HINGES, TOLERANCE, Send, failure, kind_of, post
from tests.sync.raw_server import CERTIFICATE, RawServer, Visit, answering, dripping, hanging, ok, resetting, saying


@pytest.fixture(params=HINGES)
def send(request: pytest.FixtureRequest) -> Iterator[Send]:
    """Every test is run with each way of sending."""
    hinge = HINGES[request.param]()
    yield hinge
    hinge.close()


class TestKeptConnections:
    def test_two_requests_use_one_connection(self, send: Send) -> None:
        with RawServer(answering(ok())) as site:
            for _ in range(5):
                assert isinstance(send(post(site.url)), HttpResponse)
            assert site.connections == 1
        assert len(site.requests) == 5

    def test_a_connection_the_site_closed_meanwhile_is_replaced(self, send: Send, eventually: Callable[..., Any]) -> None:
        with RawServer(saying(ok())) as site:
            for number in range(1, 4):
                assert isinstance(send(post(site.url)), HttpResponse)
                eventually(lambda: site.open == 0)
                assert site.connections == number
        assert len(site.requests) == 3

    def test_a_request_the_site_may_have_carried_out_is_not_sent_twice(self, send: Send) -> None:
        def takes_the_second_and_hangs_up(visit: Visit) -> None:
            visit.request()
            visit.say(ok())
            visit.request()

        with RawServer(takes_the_second_and_hangs_up, answering(ok())) as site:
            assert isinstance(send(post(site.url, b"1")), HttpResponse)
            assert failure(send(post(site.url, b"2"))) == BROKEN
            assert isinstance(send(post(site.url, b"3")), HttpResponse)
        assert [request.body for request in site.requests] == [b"1", b"2", b"3"]

    def test_a_connection_that_idled_is_not_used_again(self, send: Send, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(direct, "KEEP_ALIVE", 1)
        monkeypatch.setattr(exchange, "KEEP_ALIVE", 1)
        with RawServer(answering(ok())) as site:
            send(post(site.url))
            time.sleep(2.2)  # libcurl counts whole seconds
            send(post(site.url))
            assert site.connections == 2

    def test_no_cookie_is_kept(self, send: Send) -> None:
        with RawServer(answering(ok(b"{}", b"Set-Cookie: session=secret; Path=/"))) as site:
            send(post(site.url))
            send(post(site.url))
        assert len(site.requests) == 2
        assert not any("cookie" in request.headers for request in site.requests)

    def test_a_failure_spoils_nothing_for_the_next_request(self, send: Send) -> None:
        with RawServer(resetting, saying(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n"), hanging, answering(ok())) as site:
            for _ in range(3):
                failure(send(post(site.url, timeout=0.5)))
            assert isinstance(send(post(site.url)), HttpResponse)

    def test_a_connection_is_given_back_only_when_the_watchdog_has_let_go_of_it(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Or else it could cut the next request on it, another thread's."""
        watched: list[int] = []
        give_back = HTTPConnectionPool._put_conn

        def put_conn(pool: HTTPConnectionPool, connection: Any) -> None:
            watched.append(watchdog.watching())
            give_back(pool, connection)

        monkeypatch.setattr(HTTPConnectionPool, "_put_conn", put_conn)
        with RawServer(answering(ok())) as site:
            direct.send(post(site.url))
        assert watched == [0]


class TestEnvironment:
    @pytest.mark.parametrize("scheme", ["http", "https"])
    def test_proxies_in_the_environment_are_ignored(self, send: Send, scheme: str, monkeypatch: pytest.MonkeyPatch) -> None:
        with RawServer(answering(ok())) as proxy:
            for name in ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"):
                monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
            monkeypatch.delenv("NO_PROXY", raising=False)
            monkeypatch.delenv("no_proxy", raising=False)
            assert kind_of(send(post(f"{scheme}://127.0.0.1:{free_port()}/"))) is FailureKind.CONNECT
            assert proxy.connections == 0

    def test_passwords_in_netrc_are_ignored(self, send: Send, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        netrc = tmp_path / ".netrc"
        netrc.write_text("machine 127.0.0.1 login admin password hunter2\n")
        netrc.chmod(0o600)
        monkeypatch.setenv("HOME", str(tmp_path))
        monkeypatch.setenv("NETRC", str(netrc))
        with RawServer(answering(ok())) as site:
            send(post(site.url))
        assert "authorization" not in site.requests[0].headers

    def test_a_user_name_in_the_url_is_not_sent(self, send: Send) -> None:
        with RawServer(answering(ok())) as site:
            send(post(site.url.replace("://", "://admin:hunter2@")))
        assert "authorization" not in site.requests[0].headers
        assert "hunter2" not in str(site.requests[0])


class TestForbiddenAddresses:
    @pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::ffff:127.0.0.1]", "127.1", "2130706433"])
    def test_nothing_at_all_reaches_a_forbidden_network(self, send: Send, host: str, settings: Any) -> None:
        with RawServer(answering(ok())) as site:
            settings.SYNC_BLOCKED_NETWORKS = ["127.0.0.0/8", "::1/128"]
            kind, message = failure(send(post(site.url.replace("127.0.0.1", host))))
            settings.SYNC_BLOCKED_NETWORKS = []
            assert isinstance(send(post(site.url)), HttpResponse)
            assert (site.connections, len(site.requests)) == (1, 1)
        assert kind is FailureKind.BLOCKED
        assert "SYNC_BLOCKED_NETWORKS" in message

    def test_the_addresses_of_cloud_metadata_are_forbidden_from_the_start(self, send: Send) -> None:
        assert failure(send(post("http://169.254.169.254/latest/meta-data"))) == (
            FailureKind.BLOCKED,
            "The site's address 169.254.169.254 is in 169.254.0.0/16, where the hub sends nothing (SYNC_BLOCKED_NETWORKS)",
        )


class TestTls:
    @pytest.fixture
    def trusted(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        """The servers' certificate counts as that of an authority."""
        path = tmp_path / "authority.pem"
        path.write_text(CERTIFICATE)
        monkeypatch.setenv("SSL_CERT_FILE", str(path))

    def test_a_certificate_of_no_known_authority_is_refused_before_anything_is_sent(self, send: Send) -> None:
        with RawServer(answering(ok()), tls=True) as site:
            kind, message = failure(send(post(site.url)))
        assert kind is FailureKind.TLS
        assert "self" in message
        assert "signed" in message
        assert site.heard == 0

    @pytest.mark.usefixtures("trusted")
    def test_a_company_s_own_authority_is_trusted_by_ssl_cert_file_and_connections_are_kept(self, send: Send) -> None:
        with RawServer(answering(ok(b'{"over":"TLS"}')), tls=True) as site:
            for _ in range(3):
                result = send(post(site.url))
                assert isinstance(result, HttpResponse), result
                assert result.body == b'{"over":"TLS"}'
            assert site.connections == 1

    @pytest.mark.usefixtures("trusted")
    def test_a_certificate_for_another_name_is_refused(self, send: Send) -> None:
        with RawServer(answering(ok()), tls=True) as site:
            assert kind_of(send(post(site.url.replace("127.0.0.1", "localhost")))) is FailureKind.TLS
        assert site.heard == 0

    @pytest.mark.usefixtures("trusted")
    def test_the_deadline_holds_over_tls(self, send: Send) -> None:
        with RawServer(dripping(b"x" * 300, after=b"HTTP/1.1 200 OK\r\n\r\n"), tls=True) as site:
            result = send(post(site.url, timeout=0.8))
        assert kind_of(result) is FailureKind.TIMEOUT
        assert result.duration < 0.8 + TOLERANCE

    @pytest.mark.usefixtures("trusted")
    def test_an_answer_cut_over_tls_is_no_answer(self, send: Send) -> None:
        with RawServer(saying(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{}"), tls=True) as site:
            assert kind_of(send(post(site.url))) in {FailureKind.CUT_SHORT, FailureKind.RESET}

    def test_a_site_that_speaks_no_tls_is_told_apart(self, send: Send) -> None:
        def answers_anything(visit: Visit) -> None:
            visit.anything()
            visit.say(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")

        with RawServer(answers_anything) as site:
            kind, message = failure(send(post(site.url.replace("http://", "https://"))))
        assert kind is FailureKind.TLS
        assert "Should its URL begin with http://?" in message

    def test_a_missing_file_of_authorities_is_named(self, send: Send, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "missing.pem"))
        with RawServer(answering(ok()), tls=True) as site:
            kind, message = failure(send(post(site.url)))
        assert kind is FailureKind.TLS
        assert "missing.pem (SSL_CERT_FILE)" in message


class TestLeftBehind:
    def test_five_hundred_calls_leave_no_descriptor_open(self, send: Send, eventually: Callable[..., Any]) -> None:
        nowhere = free_port()
        cut = saying(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n")
        behaviours = [saying(ok()), resetting, cut, answering(ok())]
        with RawServer(*behaviours * 120) as site, RawServer(hanging) as dead:
            send(post(site.url))
            before = descriptors()
            for number in range(500):
                if number % 50 == 0:
                    send(post(dead.url, timeout=0.05))
                elif number % 10 == 0:
                    send(post(f"http://127.0.0.1:{nowhere}/"))
                else:
                    send(post(site.url))
            # One kept connection to each site at most, both ends of which are here.
            eventually(lambda: descriptors() <= before + 6, message="the descriptors were not given back")
        assert watchdog.watching() == 0

    def test_abandoned_requests_leave_no_connection(self, eventually: Callable[..., Any]) -> None:
        transport = MultiTransport()
        with RawServer(hanging) as site:
            for number in range(20):
                transport.add(number, post(site.url, timeout=30))
            transport.poll(0.1)
            eventually(lambda: len(site.requests) == 20 or transport.poll(0.05))
            assert set(transport.abandon()) == set(range(20))
            assert len(transport) == 0
            assert transport.poll(0.1) == []
            eventually(lambda: site.open == 0, message="the connections stayed open")
            transport.close()

    def test_closing_ends_what_is_under_way_and_what_was_kept(self, eventually: Callable[..., Any]) -> None:
        before = descriptors()
        with RawServer(hanging) as dead, RawServer(answering(ok())) as alive:
            transport = MultiTransport()
            transport.add("dead", post(dead.url, timeout=30))
            transport.add("alive", post(alive.url, timeout=30))
            eventually(lambda: transport.poll(0.1), message="no answer")
            transport.close()
            eventually(lambda: dead.open == alive.open == 0, message="the connections stayed open")
        assert descriptors() <= before

    def test_more_than_1024_descriptors_are_no_limit(self, send: Send) -> None:
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(4096, hard) if soft < 4096 else soft, hard))
        with contextlib.ExitStack() as stack:
            for _ in range(1100):
                stack.enter_context(open(os.devnull))
            with RawServer(dripping(ok(), every=0.005)) as site:
                assert isinstance(send(post(site.url)), HttpResponse)
            with RawServer(hanging) as dead:
                assert kind_of(send(post(dead.url, timeout=0.3))) is FailureKind.TIMEOUT

    def test_a_forked_child_sends_on_connections_of_its_own_and_keeps_its_deadlines(self) -> None:
        drip = dripping(b"x" * 300, after=b"HTTP/1.1 200 OK\r\n\r\n")
        with RawServer(answering(ok(b"{}"))) as site, RawServer(drip) as dead, ThreadPoolExecutor(1) as other:
            assert isinstance(direct.send(post(site.url)), HttpResponse)
            # At the moment of the fork another thread may hold the lock.
            other.submit(watchdog._watchdog._wake.acquire).result()
            child = os.fork()
            if child == 0:
                os._exit(_in_child(site.url, dead.url))
            other.submit(watchdog._watchdog._wake.release).result()
            _, status = os.waitpid(child, 0)
            assert os.waitstatus_to_exitcode(status) == 0
            assert isinstance(direct.send(post(site.url)), HttpResponse)
            assert site.connections == 2
            assert len(site.requests) == 3


def _in_child(url: str, dead: str) -> int:
    """0 when all is well; a number that says what is not."""
    signal.alarm(30)
    try:
        if not isinstance(direct.send(post(url)), HttpResponse):
            return 2
        result = direct.send(post(dead, timeout=0.5))
        if kind_of(result) is not FailureKind.TIMEOUT or result.duration > 0.5 + TOLERANCE:
            return 3
    except BaseException:
        return 4
    return 0


def descriptors() -> int:
    return len(os.listdir("/dev/fd"))
