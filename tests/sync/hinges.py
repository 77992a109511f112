"""Both ways of sending, as tests use them: one request in, one result out."""

import time
from collections.abc import Callable

from sync.transport import FailureKind, HttpFailure, HttpRequest, HttpResult, direct
from sync.transport.multi import MultiTransport

Send = Callable[[HttpRequest], HttpResult]
TOLERANCE = 3.0
"""Seconds that a busy machine may add; every server here would go on for 30."""
HEADERS = {"Content-Type": "application/json", "Accept": "application/json", "User-Agent": "SSO-Dashboard/1"}
BROKEN = (FailureKind.RESET, "The connection broke: the site closed it before its answer was complete")
CUT_SHORT = (FailureKind.CUT_SHORT, "The answer was cut short")


class Direct:
    """`direct.send`: one request at a time from the calling thread."""

    def __call__(self, request: HttpRequest) -> HttpResult:
        return direct.send(request)

    def close(self) -> None:
        """There is nothing to close."""


class Multi:
    """`MultiTransport`, asked for one request at a time."""

    def __init__(self) -> None:
        self.transport = MultiTransport()

    def __call__(self, request: HttpRequest) -> HttpResult:
        self.transport.add("it", request)
        ends = time.monotonic() + request.timeout + 10
        while time.monotonic() < ends:
            for tag, result in self.transport.poll(0.5):
                assert tag == "it"
                return result
        raise AssertionError("no result came out of the transport")

    def close(self) -> None:
        self.transport.close()


HINGES = {"direct": Direct, "multi": Multi}


def post(
    url: str, body: bytes = b'{"id":"user_1"}', timeout: float = 10, connect_timeout: float | None = None, **headers: str
) -> HttpRequest:
    return HttpRequest(url, {**HEADERS, **headers}, body, timeout, timeout if connect_timeout is None else connect_timeout)


def failure(result: HttpResult) -> tuple[FailureKind, str]:
    assert isinstance(result, HttpFailure), result
    return result.kind, result.message


def kind_of(result: HttpResult) -> FailureKind:
    return failure(result)[0]
