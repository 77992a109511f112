"""One request, sent from the calling thread, cut at a total deadline.

Built on the transport adapter of `requests`, without its session: no cookie jar that carries one site's cookie to the next request,
no proxies or passwords from the environment, no decoding of what a site packed. `requests` has timeouts per read only, so that a
site which drips a byte a second holds it for ever; here a watchdog shuts the connection when the time is up.
"""

import functools
import http.client
import logging
import os
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from typing import Any

import requests
import urllib3
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import InvalidChunkLength
from urllib3.util import SKIP_HEADER
from urllib3.util.connection import create_connection

from sync.transport import egress, failures, resolver, tls, watchdog, wire
from sync.transport.failures import Failed
from sync.transport.strict import StrictResponse
from sync.transport.values import KEEP_ALIVE, MAX_RESPONSE_BYTES, HttpRequest, HttpResponse, HttpResult

_HOSTS = 100
_CONNECTIONS_PER_HOST = 8

_NOT_HTTP = (http.client.BadStatusLine, http.client.UnknownProtocol, InvalidChunkLength)

_local = threading.local()

# Reports with a traceback that a site's headers are odd, at every attempt.
logging.getLogger("urllib3.connection").setLevel(logging.ERROR)


def send(request: HttpRequest) -> HttpResult:
    """Sends one request and waits for its answer, at most `request.timeout` seconds. Never raises for what a site does.

    Thread-safe. Connections are kept for the next request to the same host, whichever thread makes it.
    """
    started = time.monotonic()
    with watchdog.watch(started + request.timeout) as call:
        _local.exchange = exchange = _Exchange(request, started, call)
        try:
            result: HttpResult = exchange.perform()
        except (Failed, requests.RequestException, urllib3.exceptions.HTTPError, http.client.HTTPException, OSError, ValueError) as error:
            result = exchange.failed(error).after(time.monotonic() - started)
        finally:
            del _local.exchange
    return result


class _Exchange:
    """One request and its answer, in one thread."""

    def __init__(self, request: HttpRequest, started: float, call: watchdog.Call) -> None:
        self.request = request
        self.started = started
        self.call = call
        self.connect_by = started + min(request.connect_timeout, request.timeout)

    def perform(self) -> HttpResponse:
        """Raises Failed, and what urllib3 and the system raise."""
        request = self.request
        try:
            to, headers = wire.address(request.url), wire.headers(request)
        except ValueError as error:
            raise failures.unsendable(error) from error
        if not any(name.lower() == "user-agent" for name in headers):
            headers["User-Agent"] = SKIP_HEADER
        prepared = requests.Request(request.method, to.url, headers=headers, data=request.body or None).prepare()
        # The timeout is a second line behind the watchdog.
        with _adapter.send(prepared, stream=True, timeout=(request.timeout, request.timeout)) as response:
            body = bytearray()
            for piece in response.raw.stream(16 * 1024, decode_content=False):
                body += piece
                if len(body) > MAX_RESPONSE_BYTES:
                    break
            if self.call.expired:  # what looks like the answer's end is the watchdog's doing
                raise failures.no_answer(request.timeout)
            return HttpResponse(
                response.status_code,
                bytes(body[:MAX_RESPONSE_BYTES]),
                {name.lower(): value for name, value in response.raw.headers.itermerged()},
                len(body) > MAX_RESPONSE_BYTES,
                time.monotonic() - self.started,
            )

    def failed(self, error: Exception) -> Failed:
        """What an exception means."""
        if self.call.expired:
            return failures.no_answer(self.request.timeout)
        causes = list(_causes(error))
        for cause in causes:
            if isinstance(cause, Failed):
                return cause
        if any(isinstance(cause, TimeoutError | urllib3.exceptions.TimeoutError | requests.Timeout) for cause in causes):
            return failures.no_answer(self.request.timeout)
        if any(isinstance(cause, ConnectionError) for cause in causes):
            return failures.hung_up()
        if any(isinstance(cause, _NOT_HTTP) for cause in causes):
            return failures.not_http()
        if any(isinstance(cause, http.client.IncompleteRead) or "ended prematurely" in str(cause) for cause in causes):
            return failures.cut_short()
        if any(type(cause) in {http.client.LineTooLong, http.client.HTTPException} for cause in causes):
            return failures.too_long()
        return failures.broken(str(causes[-1]))

    def connect(self, host: str, port: int, options: Any) -> socket.socket:
        """A connection to the first of the host's addresses that answers and is not forbidden. Raises Failed."""
        found = self._look_up(host)
        addresses = [ip for ip in found if egress.blocked(ip) is None]
        if not addresses:
            raise failures.blocked(egress.blocked(found[0]) or "")
        number = None
        for left, ip in zip(range(len(addresses), 0, -1), addresses, strict=True):
            try:
                # An address that swallows everything must leave time for the next one.
                sock = create_connection((ip, port), self.time_to_connect() / left, socket_options=options)
            except TimeoutError:
                number = None
                continue
            except OSError as error:
                number = error.errno
                continue
            sock.settimeout(self.time_to_connect())
            try:
                self.call.uses(sock)
            except OSError:
                sock.close()
                raise
            return sock
        raise failures.no_connection(number) if number else self.not_in_time(failures.no_connection_in_time())

    def time_to_connect(self) -> float:
        """Seconds left, never none: sockets take 0 for "do not wait"."""
        return max(0.001, self.connect_by - time.monotonic())

    def not_in_time(self, failed: Failed) -> Failed:
        """`failed` when it was the connect timeout that ran out, else that there was no answer."""
        return failed if self.request.connect_timeout < self.request.timeout else failures.no_answer(self.request.timeout)

    def _look_up(self, host: str) -> tuple[str, ...]:
        if wire.is_ip(host):
            return (host,)
        try:
            return resolver.look_up(host).result(self.time_to_connect())
        except TimeoutError:
            raise self.not_in_time(failures.not_found_in_time()) from None
        except (OSError, UnicodeError) as error:
            raise failures.not_found() from error


class _Watched:
    """A connection that goes only where it may, and whose socket the watchdog can shut."""

    response_class: Any = StrictResponse
    sock: Any
    timeout: Any
    idle_since = 0.0

    def _new_conn(self) -> socket.socket:
        exchange: _Exchange = _local.exchange
        return exchange.connect(self._dns_host.strip("[]"), self.port, self.socket_options)  # type: ignore[attr-defined]

    def connect(self) -> None:
        exchange: _Exchange = _local.exchange
        try:
            super().connect()  # type: ignore[misc]
        except TimeoutError:
            raise exchange.not_in_time(failures.no_connection_in_time()) from None
        except ConnectionError as error:
            raise failures.broken(error.strerror or str(error)) from error
        except (ssl.SSLError, urllib3.exceptions.SSLError) as error:
            raise failures.tls(getattr(error, "verify_message", "") or str(error)) from error
        self.sock.settimeout(self.timeout)

    def request(self, *args: Any, **kwargs: Any) -> None:
        if self.sock is not None:
            _local.exchange.call.uses(self.sock)
        super().request(*args, **kwargs)  # type: ignore[misc]


class _WatchedHTTP(_Watched, HTTPConnection):
    pass


class _WatchedHTTPS(_Watched, HTTPSConnection):
    pass


class _Kept:
    """A pool that hands out no connection that idled so long that the site may be about to close it."""

    def _get_conn(self, timeout: float | None = None) -> Any:
        conn = super()._get_conn(timeout)  # type: ignore[misc]
        if conn.sock is not None and time.monotonic() - conn.idle_since > KEEP_ALIVE:
            conn.close()
        return conn

    def _put_conn(self, conn: Any) -> None:
        # The next to use this connection may be another thread, and our time may run out just then.
        _local.exchange.call.close()
        if conn is not None:
            conn.idle_since = time.monotonic()
            if self.pool is not None and self.pool.full():  # type: ignore[attr-defined]
                conn.close()  # else urllib3 does, with a warning
                return
        super()._put_conn(conn)  # type: ignore[misc]


class _HTTPPool(_Kept, HTTPConnectionPool):
    ConnectionCls = _WatchedHTTP


class _HTTPSPool(_Kept, HTTPSConnectionPool):
    ConnectionCls = _WatchedHTTPS


def _connections(scheme: str) -> urllib3.PoolManager:
    return _plain() if scheme == "http" else _secure(tls.ca_file())


def _manager(**options: Any) -> urllib3.PoolManager:
    manager = urllib3.PoolManager(_HOSTS, maxsize=_CONNECTIONS_PER_HOST, **options)
    manager.pool_classes_by_scheme = {"http": _HTTPPool, "https": _HTTPSPool}
    return manager


@functools.lru_cache(maxsize=1)
def _plain() -> urllib3.PoolManager:
    return _manager()


@functools.lru_cache(maxsize=1)
def _secure(ca_file: str) -> urllib3.PoolManager:
    # One context for all: reading the authorities' certificates takes longer than a request.
    try:
        return _manager(ssl_context=ssl.create_default_context(cafile=ca_file))
    except OSError:
        raise failures.no_ca_file(ca_file) from None


class _Adapter(HTTPAdapter):
    """The adapter of `requests` over our connections, whose TLS is settled already."""

    def get_connection_with_tls_context(self, request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> Any:
        to = wire.address(request.url or "")
        return _connections(to.scheme).connection_from_url(to.url)

    def cert_verify(self, *args: Any, **kwargs: Any) -> None:
        """Nothing to set on a pool: its context verifies."""


_adapter = _Adapter(max_retries=0)


def _causes(error: BaseException) -> Iterator[BaseException]:
    """The exception and what it was made from, outermost first."""
    queue: list[Any] = [error]
    seen: list[BaseException] = []
    while queue and len(seen) < 20:
        item = queue.pop(0)
        if isinstance(item, BaseException) and item not in seen:
            seen.append(item)
            yield item
            queue += [item.__cause__, None if item.__suppress_context__ else item.__context__, *item.args]


def _fresh() -> None:
    """A forked child must not talk over its parent's connections."""
    global _local
    _local = threading.local()
    _plain.cache_clear()
    _secure.cache_clear()


os.register_at_fork(after_in_child=_fresh)
