"""One request, sent from the calling thread with `requests`, cut at a total deadline.

`requests` has timeouts per read only: a site that drips a byte a second holds it for ever. So a watchdog thread shuts the
connection's socket when the time is up, and the blocked read ends.
"""

import heapq
import itertools
import os
import socket
import threading
import time
from typing import Any

import requests
import urllib3
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import NameResolutionError

from sync.transport import egress
from sync.transport.values import MAX_RESPONSE_BYTES, FailureKind, HttpFailure, HttpRequest, HttpResponse, HttpResult

_local = threading.local()


class Blocked(OSError):
    """The address is one that no request may go to."""


class Watchdog:
    """Shuts sockets when their time is up. One thread serves all calls of the process."""

    def __init__(self) -> None:
        self._due: list[tuple[float, int, Call]] = []
        self._wake = threading.Condition()
        self._numbers = itertools.count()
        self._pid = 0

    def watch(self, call: "Call") -> None:
        with self._wake:
            if self._pid != os.getpid():  # a fork takes the object along, but not its thread
                self._pid = os.getpid()
                self._due.clear()
                threading.Thread(target=self._run, name="sync-watchdog", daemon=True).start()
            heapq.heappush(self._due, (call.ends, next(self._numbers), call))
            self._wake.notify()

    def _run(self) -> None:
        while True:
            with self._wake:
                while not self._due:
                    self._wake.wait()
                left = self._due[0][0] - time.monotonic()
                if left > 0:
                    self._wake.wait(left)
                    continue
                call = heapq.heappop(self._due)[2]
            call.cut()


class Call:
    """One request under way: its end and the sockets it uses."""

    def __init__(self, ends: float) -> None:
        self.ends = ends
        self.expired = False
        self._lock = threading.Lock()
        self._done = False
        self._sockets: list[socket.socket] = []

    def uses(self, sock: socket.socket) -> None:
        """Remembers a duplicate of the socket: TLS detaches the original while it shakes hands."""
        with self._lock:
            if self.expired:
                raise TimeoutError("out of time")
            self._sockets.append(socket.socket(sock.family, sock.type, sock.proto, fileno=os.dup(sock.fileno())))

    def cut(self) -> None:
        with self._lock:
            if self._done:
                return
            self.expired = True
            for sock in self._sockets:
                try:
                    sock.shutdown(socket.SHUT_RDWR)
                except OSError:
                    continue  # closed by the site meanwhile, which ends the read as well

    def close(self) -> None:
        with self._lock:
            self._done = True
            for sock in self._sockets:
                sock.close()
            self._sockets.clear()


_watchdog = Watchdog()


class _Watched:
    """A connection whose socket the watchdog can shut, and which refuses forbidden addresses before a byte is sent."""

    sock: Any

    def _new_conn(self) -> socket.socket:
        sock: socket.socket = super()._new_conn()  # type: ignore[misc]
        reason = egress.blocked(sock.getpeername()[0])
        if reason:
            sock.close()
            raise Blocked(reason)
        _local.call.uses(sock)
        return sock

    def request(self, *args: Any, **kwargs: Any) -> None:
        if self.sock is not None:
            _local.call.uses(self.sock)
        super().request(*args, **kwargs)  # type: ignore[misc]


class _WatchedHTTP(_Watched, HTTPConnection):
    pass


class _WatchedHTTPS(_Watched, HTTPSConnection):
    pass


class _HTTPPool(HTTPConnectionPool):
    ConnectionCls = _WatchedHTTP


class _HTTPSPool(HTTPSConnectionPool):
    ConnectionCls = _WatchedHTTPS


class _Adapter(HTTPAdapter):
    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = {"http": _HTTPPool, "https": _HTTPSPool}


def _session() -> requests.Session:
    if getattr(_local, "pid", None) != os.getpid():
        session = requests.Session()
        session.trust_env = False  # no proxy, no .netrc: what is sent, and where, is the hub's alone to say
        for scheme in ("http://", "https://"):
            session.mount(scheme, _Adapter(pool_connections=20, pool_maxsize=4, max_retries=0))
        _local.session, _local.pid = session, os.getpid()
    return _local.session  # type: ignore[no-any-return]


def send(request: HttpRequest) -> HttpResult:
    """Sends one request and waits for its answer, at most `request.timeout` seconds. Never raises for what a site does."""
    started = time.monotonic()
    call = _local.call = Call(started + request.timeout)
    _watchdog.watch(call)
    try:
        return _send(request, call, started)
    except requests.exceptions.RequestException as error:
        return _failure(error, call, started)
    except (urllib3.exceptions.HTTPError, OSError) as error:
        return _failure(error, call, started)
    finally:
        call.close()


def _send(request: HttpRequest, call: Call, started: float) -> HttpResult:
    session = _session()
    prepared = session.prepare_request(requests.Request(request.method, request.url, headers=dict(request.headers), data=request.body))
    connect = min(request.connect_timeout, request.timeout)
    with session.send(prepared, stream=True, timeout=(connect, request.timeout), allow_redirects=False) as response:
        body = bytearray()
        for piece in response.iter_content(8192):
            body += piece
            if len(body) > MAX_RESPONSE_BYTES:
                break
        if call.expired:
            return HttpFailure(FailureKind.TIMEOUT, f"No complete answer within {request.timeout:g} s", time.monotonic() - started)
        return HttpResponse(
            response.status_code,
            bytes(body[:MAX_RESPONSE_BYTES]),
            {name.lower(): value for name, value in response.headers.items()},
            len(body) > MAX_RESPONSE_BYTES,
            time.monotonic() - started,
        )


def _causes(error: BaseException) -> list[BaseException]:
    found: list[BaseException] = []
    queue: list[Any] = [error]
    while queue and len(found) < 20:
        item = queue.pop(0)
        if isinstance(item, BaseException) and item not in found:
            found.append(item)
            queue += [item.__cause__, item.__context__, getattr(item, "reason", None), *item.args]
    return found


def _failure(error: BaseException, call: Call, started: float) -> HttpFailure:
    took = time.monotonic() - started
    causes = _causes(error)

    def has(*kinds: type[BaseException]) -> BaseException | None:
        return next((cause for cause in causes if isinstance(cause, kinds)), None)

    if call.expired:
        return HttpFailure(FailureKind.TIMEOUT, f"No complete answer within {call.ends - started:.3g} s", took)
    if found := has(Blocked):
        return HttpFailure(FailureKind.BLOCKED, str(found), took)
    if has(NameResolutionError, socket.gaierror):
        return HttpFailure(FailureKind.DNS, "The host name cannot be found: check the site's URL", took)
    if found := has(requests.exceptions.SSLError, urllib3.exceptions.SSLError):
        return HttpFailure(FailureKind.TLS, f"TLS failed: {_short(found)}", took)
    if has(ConnectionRefusedError):
        return HttpFailure(FailureKind.CONNECT, "Connection refused: nothing listens at the site's address", took)
    if has(requests.exceptions.ConnectTimeout, urllib3.exceptions.ConnectTimeoutError):
        return HttpFailure(FailureKind.CONNECT, "No connection in time: the site's machine does not answer", took)
    if has(requests.exceptions.Timeout, urllib3.exceptions.TimeoutError, TimeoutError):
        return HttpFailure(FailureKind.TIMEOUT, "No complete answer in time", took)
    if has(urllib3.exceptions.IncompleteRead, requests.exceptions.ChunkedEncodingError):
        return HttpFailure(FailureKind.CUT_SHORT, "The answer was cut short", took)
    if has(urllib3.exceptions.NewConnectionError):
        return HttpFailure(FailureKind.CONNECT, f"No connection: {_short(causes[-1])}", took)
    return HttpFailure(FailureKind.RESET, f"The connection broke: {_short(causes[-1])}", took)


def _short(error: BaseException) -> str:
    return " ".join(str(error).split())[:200]
