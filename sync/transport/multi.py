"""Many requests under way at the same time in one thread, through libcurl's multi interface.

libcurl itself keeps the total deadline, so a dripping site is cut without a watchdog, and thousands of waiting sites cost no thread.
"""

import io
import socket
import time
from collections.abc import Hashable
from typing import Any

import pycurl

from sync.transport import egress
from sync.transport.values import MAX_RESPONSE_BYTES, FailureKind, HttpFailure, HttpRequest, HttpResponse, HttpResult

_CONNECT = {pycurl.E_COULDNT_CONNECT}
_DNS = {pycurl.E_COULDNT_RESOLVE_HOST, pycurl.E_COULDNT_RESOLVE_PROXY}
_TLS = {pycurl.E_SSL_CONNECT_ERROR, pycurl.E_PEER_FAILED_VERIFICATION, pycurl.E_SSL_CERTPROBLEM, pycurl.E_SSL_CIPHER, pycurl.E_SSL_CACERT_BADFILE}
_CUT_SHORT = {pycurl.E_PARTIAL_FILE}


class _Socket(socket.socket):
    """What libcurl asks for: it duplicates the descriptor, so ours closes with the object."""

    def __del__(self) -> None:
        self.close()


class _Exchange:
    """One handle's request and what came back so far."""

    def __init__(self, tag: Hashable, request: HttpRequest) -> None:
        self.tag = tag
        self.request = request
        self.started = time.monotonic()
        self.body = io.BytesIO()
        self.headers: dict[str, str] = {}
        self.truncated = False
        self.blocked: str | None = None

    def write(self, data: bytes) -> int:
        room = MAX_RESPONSE_BYTES - self.body.tell()
        self.body.write(data[:room])
        if len(data) > room:
            self.truncated = True
            return 0  # tells libcurl to stop
        return len(data)

    def header(self, line: bytes) -> None:
        text = line.decode("latin-1")
        if text.startswith("HTTP/"):
            self.headers.clear()  # of an interim answer (100 Continue)
        elif ":" in text:
            name, value = text.split(":", 1)
            self.headers[name.strip().lower()] = value.strip()

    def open_socket(self, purpose: int, address: Any) -> Any:
        family, kind, protocol, target = address
        self.blocked = egress.blocked(target[0])
        if self.blocked:
            return pycurl.SOCKET_BAD
        return _Socket(family, kind, protocol)


class MultiTransport:
    """A pool of requests under way. Not thread-safe: one thread owns it."""

    def __init__(self) -> None:
        self._multi = pycurl.CurlMulti()
        self._idle: list[Any] = []
        self._busy: dict[Any, _Exchange] = {}
        self._ready: list[tuple[Any, int | None, str]] = []

    def __len__(self) -> int:
        return len(self._busy)

    def add(self, tag: Hashable, request: HttpRequest) -> None:
        """Starts a request; its answer comes out of `poll` under this tag."""
        handle = self._idle.pop() if self._idle else pycurl.Curl()
        exchange = _Exchange(tag, request)
        handle.setopt(pycurl.URL, request.url)
        handle.setopt(pycurl.NOSIGNAL, 1)
        handle.setopt(pycurl.PROXY, "")
        handle.setopt(pycurl.PROTOCOLS, pycurl.PROTO_HTTP | pycurl.PROTO_HTTPS)
        handle.setopt(pycurl.FOLLOWLOCATION, 0)
        handle.setopt(pycurl.CUSTOMREQUEST, request.method)
        handle.setopt(pycurl.POSTFIELDS, request.body)
        # An empty Expect keeps libcurl from waiting a second for "100 Continue" before larger bodies.
        handle.setopt(pycurl.HTTPHEADER, [*(f"{name}: {value}" for name, value in request.headers.items()), "Expect:"])
        handle.setopt(pycurl.TIMEOUT_MS, max(1, int(request.timeout * 1000)))
        handle.setopt(pycurl.CONNECTTIMEOUT_MS, max(1, int(min(request.connect_timeout, request.timeout) * 1000)))
        handle.setopt(pycurl.WRITEFUNCTION, exchange.write)
        handle.setopt(pycurl.HEADERFUNCTION, exchange.header)
        handle.setopt(pycurl.OPENSOCKETFUNCTION, exchange.open_socket)
        self._busy[handle] = exchange
        self._multi.add_handle(handle)

    def poll(self, wait: float) -> list[tuple[Hashable, HttpResult]]:
        """What was answered, or failed, since the last call; waits at most `wait` seconds for something to happen."""
        if self._busy:
            self._perform()
            self._read_info()
            if wait > 0 and not self._ready:
                self._multi.select(wait)
                self._perform()
                self._read_info()
        ready, self._ready = self._ready, []
        return [self._finish(handle, code, message) for handle, code, message in ready]

    def _perform(self) -> None:
        while self._multi.perform()[0] == pycurl.E_CALL_MULTI_PERFORM:
            pass

    def _read_info(self) -> None:
        while True:
            queued, succeeded, failed = self._multi.info_read()
            self._ready += [(handle, None, "") for handle in succeeded]
            self._ready += [(handle, code, message) for handle, code, message in failed]
            if not queued:
                return

    def _finish(self, handle: Any, code: int | None, message: str) -> tuple[Hashable, HttpResult]:
        exchange = self._busy.pop(handle)
        took = time.monotonic() - exchange.started
        status = handle.getinfo(pycurl.RESPONSE_CODE)
        self._multi.remove_handle(handle)
        handle.reset()
        self._idle.append(handle)
        if code is None or exchange.truncated:
            return exchange.tag, HttpResponse(status, exchange.body.getvalue(), exchange.headers, exchange.truncated, took)
        return exchange.tag, _failure(exchange, code, message, took)

    def abandon(self) -> list[Hashable]:
        """Drops every request under way and returns their tags."""
        tags = [exchange.tag for exchange in self._busy.values()]
        for handle in self._busy:
            self._multi.remove_handle(handle)
            handle.close()
        self._busy.clear()
        return tags

    def close(self) -> None:
        """Ends everything and frees the connections."""
        self.abandon()
        for handle in self._idle:
            handle.close()
        self._idle.clear()
        self._multi.close()


def _failure(exchange: _Exchange, code: int, message: str, took: float) -> HttpFailure:
    if exchange.blocked:
        return HttpFailure(FailureKind.BLOCKED, exchange.blocked, took)
    if code == pycurl.E_OPERATION_TIMEDOUT:
        if "onnect" in message and took < exchange.request.timeout * 0.99:
            return HttpFailure(FailureKind.CONNECT, "No connection in time: the site's machine does not answer", took)
        return HttpFailure(FailureKind.TIMEOUT, f"No complete answer within {exchange.request.timeout:.3g} s", took)
    if code in _DNS:
        return HttpFailure(FailureKind.DNS, "The host name cannot be found: check the site's URL", took)
    if code in _CONNECT:
        return HttpFailure(FailureKind.CONNECT, "Connection refused: nothing listens at the site's address", took)
    if code in _TLS:
        return HttpFailure(FailureKind.TLS, f"TLS failed: {message}"[:200], took)
    if code in _CUT_SHORT:
        return HttpFailure(FailureKind.CUT_SHORT, "The answer was cut short", took)
    return HttpFailure(FailureKind.RESET, f"The connection broke: {message}"[:200], took)
