"""What both ways of sending must do alike, against real servers: `direct.send`, and `MultiTransport` for many at once."""

import gzip
from collections.abc import Iterator

import pytest

from sync.transport import MAX_RESPONSE_BYTES, FailureKind, HttpFailure, HttpRequest, HttpResponse
from tests.ports import free_port
from tests.sync.hinges import BROKEN, CUT_SHORT, HINGES, TOLERANCE, Send, failure, kind_of, post
from tests.sync.raw_server import RawServer, answering, ok, pouring, resetting, saying


@pytest.fixture(params=HINGES)
def send(request: pytest.FixtureRequest) -> Iterator[Send]:
    """Every test is run with each way of sending."""
    hinge = HINGES[request.param]()
    yield hinge
    hinge.close()


class TestAnswers:
    def test_an_ordinary_answer_comes_back_whole_with_header_names_in_lower_case(self, send: Send) -> None:
        with RawServer(answering(ok(b'{"success":true}', b"X-Custom: Some Value"))) as site:
            result = send(post(site.url))
        assert isinstance(result, HttpResponse)
        assert (result.status, result.body, result.truncated) == (200, b'{"success":true}', False)
        assert result.headers["content-type"] == "application/json"
        assert result.headers["x-custom"] == "Some Value"
        assert 0 < result.duration < 10

    def test_the_site_receives_the_body_and_headers_that_were_given_and_nothing_surprising(self, send: Send) -> None:
        body = "é".encode() * 1_000_000  # beyond what makes libcurl ask with Expect first
        with RawServer(answering(ok())) as site:
            send(post(site.url + "?a=1", body, **{"webhook-id": "msg_1", "X-Empty": ""}))
            port = site.port
        (request,) = site.requests
        assert request.line == "POST /api/users/sync?a=1 HTTP/1.1"
        assert request.body == body
        assert request.headers == {
            "host": f"127.0.0.1:{port}",
            "content-length": "2000000",
            "content-type": "application/json",
            "accept": "application/json",
            "user-agent": "SSO-Dashboard/1",
            "accept-encoding": "identity",
            "webhook-id": "msg_1",
            "x-empty": "",
        }

    def test_without_headers_none_are_made_up(self, send: Send) -> None:
        with RawServer(answering(ok())) as site:
            send(HttpRequest(site.url, {}, b"{}", 10, 10))
        assert set(site.requests[0].headers) == {"host", "content-length", "accept-encoding"}

    def test_a_get_without_a_body_is_sent_as_one(self, send: Send) -> None:
        with RawServer(answering(ok())) as site:
            send(HttpRequest(site.url, {}, b"", 10, 10, "GET"))
        assert site.requests[0].line == "GET /api/users/sync HTTP/1.1"
        assert site.requests[0].body == b""
        assert "content-length" not in site.requests[0].headers

    @pytest.mark.parametrize("answer", [b"HTTP/1.1 204 No Content\r\n\r\n", ok(b"")], ids=["204", "200 of length 0"])
    def test_an_empty_body_is_an_answer(self, send: Send, answer: bytes) -> None:
        with RawServer(answering(answer)) as site:
            result = send(post(site.url))
        assert isinstance(result, HttpResponse)
        assert (result.status // 100, result.body) == (2, b"")

    def test_a_header_given_twice_is_joined(self, send: Send) -> None:
        with RawServer(answering(ok(b"{}", b"X-A: 1", b"X-A: 2"))) as site:
            result = send(post(site.url))
        assert isinstance(result, HttpResponse)
        assert result.headers["x-a"] == "1, 2"

    def test_a_chunked_answer_is_put_together_and_its_trailers_are_no_headers(self, send: Send) -> None:
        answer = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\nabc\r\n2\r\nde\r\n0\r\nX-Late: 1\r\n\r\n"
        with RawServer(answering(answer)) as site:
            result = send(post(site.url))
        assert isinstance(result, HttpResponse)
        assert result.body == b"abcde"
        assert "x-late" not in result.headers

    @pytest.mark.parametrize(
        "answer",
        [b"HTTP/1.0 200 OK\r\n\r\n{}", b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n{}", b"HTTP/1.1 200\r\nContent-Length: 2\r\n\r\n{}"],
        ids=["HTTP/1.0", "Connection: close", "no reason"],
    )
    def test_an_answer_may_end_with_its_connection(self, send: Send, answer: bytes) -> None:
        with RawServer(saying(answer)) as site:
            result = send(post(site.url))
        assert isinstance(result, HttpResponse)
        assert (result.status, result.body) == (200, b"{}")

    def test_interim_answers_are_passed_over(self, send: Send) -> None:
        interim = b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 102 Processing\r\n\r\n"
        with RawServer(answering(interim + ok(b"{}"))) as site:
            result = send(post(site.url))
        assert isinstance(result, HttpResponse)
        assert (result.status, result.body) == (200, b"{}")
        assert "link" not in result.headers

    def test_a_redirect_is_not_followed_and_its_target_is_told(self, send: Send) -> None:
        with RawServer(answering(ok())) as other:
            moved = ok(b"", b"Location: " + other.url.encode(), status=b"301 Moved Permanently")
            with RawServer(answering(moved)) as site:
                result = send(post(site.url))
            assert isinstance(result, HttpResponse)
            assert (result.status, result.headers["location"]) == (301, other.url)
            assert other.connections == 0

    def test_a_length_shorter_than_the_body_ends_the_body_there_and_spoils_no_later_answer(self, send: Send) -> None:
        liar = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n"
        with RawServer(answering(liar), answering(ok(b'{"second":true}'))) as site:
            first, second = send(post(site.url)), send(post(site.url))
        assert isinstance(first, HttpResponse)
        assert isinstance(second, HttpResponse)
        assert (first.status, first.body) == (200, b"{}")
        assert (second.status, second.body) == (200, b'{"second":true}')


class TestBounds:
    def test_a_body_beyond_64_kb_is_cut_and_not_read_further(self, send: Send) -> None:
        start = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n"
        with RawServer(pouring(start, b"x" * 65536), answering(ok())) as site:
            result = send(post(site.url, timeout=30))
            assert isinstance(result, HttpResponse)
            assert result.truncated
            assert result.body == b"x" * MAX_RESPONSE_BYTES
            assert result.duration < 30
            # What lies in the sockets' buffers was said, but no more.
            assert site.said < 30_000_000
            assert isinstance(send(post(site.url)), HttpResponse)
            assert site.connections == 2

    def test_a_body_of_exactly_64_kb_is_whole(self, send: Send) -> None:
        with RawServer(answering(ok(b"x" * MAX_RESPONSE_BYTES))) as site:
            result = send(post(site.url))
        assert isinstance(result, HttpResponse)
        assert (len(result.body), result.truncated) == (MAX_RESPONSE_BYTES, False)

    def test_a_packed_answer_is_left_packed_so_that_no_bomb_goes_off(self, send: Send) -> None:
        bomb = gzip.compress(b"0" * 50_000_000)
        assert len(bomb) < MAX_RESPONSE_BYTES
        with RawServer(answering(ok(bomb, b"Content-Encoding: gzip"))) as site:
            result = send(post(site.url))
        assert isinstance(result, HttpResponse)
        assert result.body == bomb

    @pytest.mark.parametrize(
        ("start", "again"),
        [
            (b"HTTP/1.1 200 OK\r\n", b"X-Filler: " + b"y" * 1000 + b"\r\n"),
            (b"HTTP/1.1 200 OK\r\nX-Long: ", b"y" * 65536),
            (b"", b"HTTP/1.1 100 Continue\r\nX-Filler: y\r\n\r\n" * 1000),
            (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"0" * 65536),
            (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n", b"X-Trailer: y\r\n" * 5000),
        ],
        ids=["many headers", "one long header", "interim answers", "a chunk size", "trailers"],
    )
    def test_headers_without_end_are_given_up(self, send: Send, start: bytes, again: bytes) -> None:
        with RawServer(pouring(start, again)) as site:
            result = send(post(site.url, timeout=30))
        assert kind_of(result) in {FailureKind.CUT_SHORT, FailureKind.RESET}
        assert result.duration < 15


class TestFailures:
    def test_nothing_listens(self, send: Send) -> None:
        result = send(post(f"http://127.0.0.1:{free_port()}/"))
        assert failure(result) == (FailureKind.CONNECT, "Connection refused: nothing listens at the site's address")

    def test_the_host_name_is_unknown(self, send: Send) -> None:
        result = send(post("http://no-such-site.invalid/api/users/sync"))
        assert failure(result) == (FailureKind.DNS, "The host name cannot be found: check the site's URL")

    @pytest.mark.parametrize(
        "url",
        [
            "ftp://example.com/",
            "http://",
            "example.com/path",
            "http://a b/",
            f"http://{'a' * 64}.example.com/",
            "http://[::1/",
            "http://h:99999/",
            "",
        ],
    )
    def test_a_url_that_cannot_be_used_is_an_answer_not_an_exception(self, send: Send, url: str) -> None:
        kind, message = failure(send(post(url)))
        assert kind is FailureKind.BLOCKED
        assert message.startswith("The site's URL cannot be used: ")

    @pytest.mark.parametrize("value", ["one\r\nX-Injected: two", "one\nX-Injected: two", "nul\x00", "€"])
    def test_a_header_that_cannot_be_sent_is_named_without_its_value(self, send: Send, value: str) -> None:
        with RawServer(answering(ok())) as site:
            result = send(post(site.url, **{"X-Api-Key": value}))
        assert failure(result) == (FailureKind.BLOCKED, "The header 'X-Api-Key' has characters in it that cannot be sent")
        assert site.connections == 0

    def test_a_name_in_other_letters_is_sent_as_dns_has_it(self, send: Send) -> None:
        assert kind_of(send(post("http://bücher.invalid/straße"))) is FailureKind.DNS

    def test_the_site_resets_the_connection(self, send: Send) -> None:
        with RawServer(resetting) as site:
            result = send(post(site.url))
        assert failure(result) == BROKEN

    def test_the_site_hangs_up_without_an_answer(self, send: Send) -> None:
        with RawServer(saying(b"")) as site:
            result = send(post(site.url))
        assert failure(result) == BROKEN

    @pytest.mark.parametrize(
        "answer",
        [
            b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{}",
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n64\r\n{}",
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n",
            b"HTTP/1.1 200 OK\r\nContent-Le",
            b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n",
            b"HTTP/1.1 200 OK\r\n",
        ],
        ids=["the body", "a chunk", "between chunks", "a header", "between headers", "after the status"],
    )
    def test_an_answer_that_was_cut_is_never_taken_for_a_whole_one(self, send: Send, answer: bytes) -> None:
        with RawServer(saying(answer)) as site:
            result = send(post(site.url))
        assert failure(result) == CUT_SHORT

    @pytest.mark.parametrize(
        "answer",
        [
            b"SSH-2.0-OpenSSH_9.2\r\n",
            b"\x15\x03\x01\x00\x02\x02\x16\n",
            b"\n\n\n\n",
            b"HTTP/1.1 abc OK\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n{}",
            b"<html>Not a web server's answer</html>\n",
        ],
        ids=["SSH", "TLS alert", "blank lines", "a bad status", "a bad chunk", "two lengths", "HTML alone"],
    )
    def test_what_is_not_http_is_a_failure(self, send: Send, answer: bytes) -> None:
        with RawServer(saying(answer)) as site:
            assert kind_of(send(post(site.url))) is FailureKind.RESET

    @pytest.mark.parametrize(
        "answer",
        [
            b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n{}",
            b"HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\n{}",
            b"HTTP/1.1 200 OK\r\nno colon here\r\n folded\r\nContent-Length: 2\r\n\r\n{}",
            b"HTTP/1.1 200 OK\r\nX: \x00\xff\r\n\xc3\x28: \xed\xa0\x80\r\nContent-Length: 2\r\n\r\n{}",
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n",
            b"HTTP/1.1 999 Odd\r\nContent-Length: 0\r\n\r\n",
            b"HTTP/2 200\r\nContent-Length: 0\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
            b"HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\nhello",
            bytes(range(256)) * 20,
        ],
    )
    def test_an_odd_answer_raises_nothing(self, send: Send, answer: bytes) -> None:
        with RawServer(saying(answer)) as site:
            result = send(post(site.url, timeout=5))
        assert isinstance(result, HttpResponse | HttpFailure)
        assert result.duration < 5 + TOLERANCE
