"""One request and its answer as libcurl handles them."""

import errno
import functools
import io
import select
import socket
import time
from collections.abc import Hashable, Iterator, Mapping, Sequence
from typing import Any

import pycurl

from sync.transport import egress, failures, tls, wire
from sync.transport.failures import Failed
from sync.transport.values import KEEP_ALIVE, MAX_RESPONSE_BYTES, HttpRequest, HttpResponse

_TLS = {pycurl.E_SSL_CONNECT_ERROR, pycurl.E_PEER_FAILED_VERIFICATION, pycurl.E_SSL_CERTPROBLEM, pycurl.E_SSL_CIPHER}
_DNS = {pycurl.E_COULDNT_RESOLVE_HOST, pycurl.E_COULDNT_RESOLVE_PROXY}
_NOT_HTTP = {pycurl.E_UNSUPPORTED_PROTOCOL, pycurl.E_FTP_WEIRD_SERVER_REPLY}
_TOO_LARGE = 100
"""CURLE_TOO_LARGE, which pycurl has no name for: headers of more than 300 kB, or more than 5,000 of them."""
_OWN_DEFAULTS = ("accept", "content-type", "user-agent", "expect")
"""Headers that libcurl adds by itself; an `Expect` would make it wait a second for "100 Continue" before larger bodies."""


class _Socket(socket.socket):
    """What libcurl asks for: it duplicates the descriptor, so ours closes with the object."""

    def __del__(self) -> None:
        self.close()


class Exchange:
    """One request and what came back so far. Raises ValueError, in words for a person, for a request that cannot be sent."""

    def __init__(self, tag: Hashable, request: HttpRequest) -> None:
        self.tag = tag
        self.request = request
        self.address = wire.address(request.url)
        self._started = time.monotonic()
        self.connect_by = self._started + min(request.connect_timeout, request.timeout)
        self._lines = wire.lines(request)
        self._body = io.BytesIO()
        self._head: list[bytes] = []
        self._truncated = False
        self._blocked: str | None = None
        self.addresses: Sequence[str] = ()
        self._kept: Mapping[tuple[str, int], int] = {}
        self.opened = False
        """A connection was opened for it."""
        self._sent = False
        self.stale = False
        """Nothing was sent, since the kept connection that libcurl chose is dead: another one must be opened."""

    @property
    def took(self) -> float:
        """Seconds since the start."""
        return time.monotonic() - self._started

    @property
    def kind(self) -> tuple[str, str, bool]:
        """Requests of one kind can share a handle, one after the other."""
        return self.address.scheme, self.request.method, self._has_body

    @property
    def _has_body(self) -> bool:
        return bool(self.request.body) or self.request.method not in {"GET", "DELETE"}

    def new_handle(self) -> Any:
        """A handle that knows what is the same for all requests of this kind."""
        handle = pycurl.Curl()
        handle.setopt(pycurl.NOSIGNAL, 1)
        handle.setopt(pycurl.PROXY, "")
        handle.setopt(pycurl.PROTOCOLS, pycurl.PROTO_HTTP | pycurl.PROTO_HTTPS)
        handle.setopt(pycurl.HTTP_VERSION, pycurl.CURL_HTTP_VERSION_1_1)
        handle.setopt(pycurl.FOLLOWLOCATION, 0)
        handle.setopt(pycurl.CUSTOMREQUEST, self.request.method)
        handle.setopt(pycurl.MAXAGE_CONN, KEEP_ALIVE)
        return handle

    def prepare(self, handle: Any, addresses: Sequence[str], kept: Mapping[tuple[str, int], int]) -> None:
        """Tells a handle of its kind everything about the request.

        Takes the host's addresses, unless it is one itself, and the descriptors of kept connections by their local address and port.
        """
        request, to = self.request, self.address
        self.addresses, self._kept = addresses, kept
        handle.setopt(pycurl.FRESH_CONNECT, int(self.stale))
        self.stale = False
        handle.setopt(pycurl.URL, to.url)
        if self._has_body:
            handle.setopt(pycurl.POSTFIELDS, request.body)
        handle.setopt(pycurl.HTTPHEADER, self._lines + _unwanted(tuple(request.headers)))
        if to.scheme == "https":
            handle.setopt(pycurl.CAINFO, tls.ca_file())
        if addresses:
            listed = ",".join(f"[{ip}]" if ":" in ip else ip for ip in addresses)
            handle.setopt(pycurl.RESOLVE, [f"+{to.host}:{to.port}:{listed}"])
        took = self.took
        handle.setopt(pycurl.TIMEOUT_MS, _milliseconds(request.timeout - took))
        handle.setopt(pycurl.CONNECTTIMEOUT_MS, _milliseconds(request.connect_timeout - took))
        handle.setopt(pycurl.WRITEFUNCTION, self._write)
        handle.setopt(pycurl.HEADERFUNCTION, self._head.append)
        handle.setopt(pycurl.OPENSOCKETFUNCTION, self._open_socket)
        handle.setopt(pycurl.PREREQFUNCTION, self._about_to_send)

    def answer(self, handle: Any, code: int | None, message: str) -> HttpResponse:
        """The answer, once libcurl is done with it. Raises Failed when there is none."""
        if code is None or self._truncated:
            headers = _Headers(self._head)
            if code is None and not headers.whole:
                raise failures.cut_short()  # libcurl takes the site's hanging up for the end of the headers
            status = handle.getinfo(pycurl.RESPONSE_CODE)
            return HttpResponse(status, self._body.getvalue(), headers, self._truncated, self.took)
        raise self._failed(code, message, handle.getinfo(pycurl.OS_ERRNO))

    def not_in_time(self, failed: Failed) -> Failed:
        """`failed` when it was the connect timeout that ran out, else that there was no answer."""
        return failed if self.request.connect_timeout < self.request.timeout else failures.no_answer(self.request.timeout)

    def _failed(self, code: int, message: str, number: int) -> Failed:
        if self._blocked and not self.opened:
            return failures.blocked(self._blocked)
        if code == pycurl.E_OPERATION_TIMEDOUT:
            return failures.no_answer(self.request.timeout) if self._sent else self.not_in_time(failures.no_connection_in_time())
        if code in _DNS:
            return failures.not_found()
        if code == pycurl.E_GOT_NOTHING or number == errno.ECONNRESET or (self._sent and code == pycurl.E_COULDNT_CONNECT):
            return failures.hung_up()
        if code == pycurl.E_COULDNT_CONNECT:
            return failures.no_connection(number)
        if code in _TLS:
            return failures.tls(message)
        if code == pycurl.E_SSL_CACERT_BADFILE:
            return failures.no_ca_file(tls.ca_file())
        if code == pycurl.E_PARTIAL_FILE:
            return failures.cut_short()
        if code in _NOT_HTTP:
            return failures.not_http()
        if code == _TOO_LARGE or "Too large" in message:
            return failures.too_long()
        return failures.broken(message)

    # What libcurl calls

    def _write(self, data: bytes) -> int:
        room = MAX_RESPONSE_BYTES - self._body.tell()
        self._body.write(data[:room])
        if len(data) > room:
            self._truncated = True
            return 0  # tells libcurl to stop
        return len(data)

    def _open_socket(self, purpose: int, address: Any) -> Any:
        family, kind, protocol, target = address
        if self._sent:
            # libcurl repeats a request when the site hangs up on a kept connection; but this site may have carried it out.
            return pycurl.SOCKET_BAD
        reason = egress.blocked(target[0])
        if reason:
            self._blocked = reason
            return pycurl.SOCKET_BAD  # the host's next address may be allowed
        self.opened = True
        return _Socket(family, kind, protocol)

    def _about_to_send(self, _: str, local_ip: str, __: int, local_port: int) -> int:
        # libcurl looks for dead connections once a second only, and otherwise finds out by losing a request.
        descriptor = None if self.opened else self._kept.get((local_ip, local_port))
        if descriptor is not None and _has_something_to_read(descriptor):
            self.stale = True
            return int(pycurl.PREREQFUNC_ABORT)
        self._sent = True
        return int(pycurl.PREREQFUNC_OK)


def _milliseconds(seconds: float) -> int:
    """At least one: none at all would be no limit."""
    return max(1, int(seconds * 1000))


def _has_something_to_read(descriptor: int) -> bool:
    """Of an idle connection that is the end of it, or bytes that belong to no answer."""
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    return bool(poll.poll(0))


class _Headers(Mapping[str, str]):
    """The headers of the final answer, by their names in lower case. Taken apart when one is asked for: mostly, none is."""

    def __init__(self, lines: Sequence[bytes]) -> None:
        self._lines = lines

    def __getitem__(self, name: str) -> str:
        return self._parsed[0][name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._parsed[0])

    def __len__(self) -> int:
        return len(self._parsed[0])

    @property
    def whole(self) -> bool:
        """Their end was seen."""
        return bool(self._lines and self._lines[-1] == b"\r\n") or self._parsed[1]

    @functools.cached_property
    def _parsed(self) -> tuple[dict[str, str], bool]:
        headers: dict[str, str] = {}
        in_head = True
        for line in self._lines:
            text = line.decode("latin-1").rstrip("\r\n")
            if text.startswith("HTTP/"):
                headers.clear()  # of an interim answer (100 Continue)
                in_head = True
            elif not text:
                in_head = False  # trailers may follow, which are no headers
            elif in_head and ":" in text:
                name, value = text.split(":", 1)
                name, value = name.strip().lower(), value.strip()
                headers[name] = f"{headers[name]}, {value}" if name in headers else value
        return headers, not in_head


@functools.lru_cache(maxsize=64)
def _unwanted(names: tuple[str, ...]) -> list[bytes]:
    """What takes away the headers that libcurl would add to those given."""
    given = {name.lower() for name in names}
    return [f"{name}:".encode() for name in _OWN_DEFAULTS if name not in given]
