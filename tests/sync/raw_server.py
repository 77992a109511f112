"""A server that says exactly the bytes a test tells it, when it tells it: for answers no ordinary server would give.

    with RawServer(answering(ok("{}"))) as site:
        send(site.url)

What is given is called with each connection (`Visit`) in a thread of its own; several are used one after the other, the
last one for all that follow.
"""

import contextlib
import os
import socket
import ssl
import struct
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

HOST = "127.0.0.1"
STOP_WITHIN = 10.0


@dataclass(frozen=True)
class Request:
    """A request as the site got it. Header names are lower case."""

    line: str
    headers: dict[str, str]
    body: bytes


class Visit:
    """One connection."""

    def __init__(self, server: "RawServer", sock: socket.socket) -> None:
        self.over = server.over
        self._server = server
        self._sock = sock
        self._buffer = b""

    def request(self) -> Request | None:
        """The next request, read to its end; None when the client has gone."""
        while b"\r\n\r\n" not in self._buffer:
            if not self._read():
                return None
        head, _, self._buffer = self._buffer.partition(b"\r\n\r\n")
        line, *lines = head.decode("latin-1").split("\r\n")
        headers = {name.strip().lower(): value.strip() for name, value in (each.split(":", 1) for each in lines)}
        length = int(headers.get("content-length", 0))
        while len(self._buffer) < length:
            if not self._read():
                return None
        body, self._buffer = self._buffer[:length], self._buffer[length:]
        request = Request(line, headers, body)
        self._server.requests.append(request)
        return request

    def anything(self) -> bool:
        """Waits for the first bytes, whatever they are."""
        return self._read()

    def say(self, data: bytes) -> bool:
        """False when the client no longer listens."""
        try:
            self._sock.sendall(data)
        except OSError:
            return False
        self._server.said += len(data)
        return True

    def wait(self, seconds: float = 30.0) -> bool:
        """Says nothing for so long; True at once when the client goes, or the test is over."""
        ends = time.monotonic() + seconds
        while (left := ends - time.monotonic()) > 0 and not self._server.over.is_set():
            self._sock.settimeout(min(left, 0.05))
            try:
                if not self._sock.recv(65536):
                    return True
            except TimeoutError:
                continue
            except OSError:
                return True
        return self._server.over.is_set()

    def reset(self) -> None:
        """Ends the connection so that the client sees a reset."""
        self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._sock.close()

    def _read(self) -> bool:
        try:
            data = self._sock.recv(65536)
        except OSError:
            return False
        self._buffer += data
        self._server.heard += len(data)
        return bool(data)


Behaviour = Callable[[Visit], Any]


class RawServer:
    """See the module. `requests`, `connections`, and the bytes `heard` and `said` are there to be asserted on."""

    def __init__(self, *behaviours: Behaviour, tls: bool = False, host: str = HOST) -> None:
        self.requests: list[Request] = []
        self.connections = 0
        self.heard = 0
        self.said = 0
        self.over = threading.Event()
        self._behaviours = behaviours
        self._context = server_context() if tls else None
        self._threads: list[threading.Thread] = []
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._host = host
        self._listener = socket.create_server((host, 0), backlog=512)
        self._listener.settimeout(0.05)

    @property
    def port(self) -> int:
        port: int = self._listener.getsockname()[1]
        return port

    @property
    def url(self) -> str:
        return f"{'https' if self._context else 'http'}://{self._host}:{self.port}/api/users/sync"

    @property
    def open(self) -> int:
        """How many connections are open at the server's end, its handler still at work."""
        with self._lock:
            return len(self._open)

    def __enter__(self) -> Self:
        self._accepting = threading.Thread(target=self._accept, daemon=True)
        self._accepting.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.over.set()
        self._accepting.join(STOP_WITHIN)
        self._listener.close()
        with self._lock:
            for sock in self._open:
                with contextlib.suppress(OSError):
                    sock.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(STOP_WITHIN)
            assert not thread.is_alive(), "a behaviour did not end with its connection"

    def _accept(self) -> None:
        while not self.over.is_set():
            try:
                sock, _ = self._listener.accept()
            except TimeoutError:
                continue
            behaviour = self._behaviours[min(self.connections, len(self._behaviours) - 1)]
            self.connections += 1
            sock.settimeout(None)
            with self._lock:
                self._open.add(sock)
            thread = threading.Thread(target=self._serve, args=(sock, behaviour), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _serve(self, sock: socket.socket, behaviour: Behaviour) -> None:
        try:
            if self._context:
                with self._lock:
                    self._open.discard(sock)
                    sock = self._context.wrap_socket(sock, server_side=True, do_handshake_on_connect=False)
                    self._open.add(sock)
                sock.do_handshake()
            behaviour(Visit(self, sock))
        except OSError:
            pass  # the client went in the middle of it
        finally:
            with self._lock:
                sock.close()
                self._open.discard(sock)


# Behaviours


def answering(payload: bytes, *, times: int | None = None) -> Behaviour:
    """Answers every request the same, and keeps the connection; hangs up after so many."""

    def behave(visit: Visit) -> None:
        left = times
        while left != 0 and visit.request() and visit.say(payload):
            left = None if left is None else left - 1

    return behave


def saying(payload: bytes) -> Behaviour:
    """Answers one request, then hangs up."""
    return answering(payload, times=1)


def hanging(visit: Visit) -> None:
    """Takes the request and never answers."""
    visit.request()
    visit.wait()


def mute(visit: Visit) -> None:
    """Accepts the connection and does nothing at all, not even TLS."""
    visit.wait()


def deaf(visit: Visit) -> None:
    """Accepts the connection and never reads, so that a large request cannot be written to its end."""
    visit.over.wait(30)


def dripping(payload: bytes, after: bytes = b"", every: float = 0.1) -> Behaviour:
    """Says `after` at once, then `payload` byte by byte."""

    def behave(visit: Visit) -> None:
        visit.request()
        visit.say(after)
        for byte in payload:
            if not visit.say(bytes([byte])) or visit.wait(every):
                return

    return behave


def resetting(visit: Visit) -> None:
    """Takes the request and resets the connection."""
    visit.request()
    visit.reset()


def pouring(start: bytes, again: bytes) -> Behaviour:
    """Says `start`, then `again` for ever, as fast as the client takes it."""

    def behave(visit: Visit) -> None:
        visit.request()
        visit.say(start)
        while visit.say(again) and not visit.over.is_set():
            continue

    return behave


def ok(body: bytes = b'{"success":true}', *headers: bytes, status: bytes = b"200 OK") -> bytes:
    """A whole, ordinary answer."""
    lines = [b"HTTP/1.1 " + status, b"Content-Type: application/json", b"Content-Length: %d" % len(body), *headers]
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


# A certificate that is its own authority, for 127.0.0.1 and not for localhost; made for these tests, it guards nothing.

CERTIFICATE = """-----BEGIN CERTIFICATE-----
MIIBgTCCASegAwIBAgIUX46q0Wn+X6+5pHwOEwKAxPrWjBEwCgYIKoZIzj0EAwIw
FTETMBEGA1UEAwwKdGVzdHMgb25seTAgFw0yNjExMjIxMzU1NDBaGA8yMTI2MTAy
OTEzNTU0MFowFTETMBEGA1UEAwwKdGVzdHMgb25seTBZMBMGByqGSM49AgEGCCqG
SM49AwEHA0IABOtIxyCv+ZHiw7ylYS7o1YSEzIBtJJAA4C4KuOe3mP64sWuW4Z9a
H4qvwAtXmXZocOk/faEW4dNJOSX9nW/2d7ijUzBRMA8GA1UdEwEB/wQFMAMBAf8w
DgYDVR0PAQH/BAQDAgKEMA8GA1UdEQQIMAaHBH8AAAEwHQYDVR0OBBYEFPJJmXVv
ZLrzVeHZKmRHFv3PPiETMAoGCCqGSM49BAMCA0gAMEUCIQDVyVyxqJokHh27WuMk
4VbAUeRC+7Z8kUnHrEJkjUoGngIgStml2sLUdqONzReYelr3aPRLN52aE36A5gTy
HlEtC7k=
-----END CERTIFICATE-----
"""
KEY = """-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgiTK6+zfCNAjlaD4b
ir/KseDzUR9TrUv03HPfSHmVYJyhRANCAATrSMcgr/mR4sO8pWEu6NWEhMyAbSSQ
AOAuCrjnt5j+uLFrluGfWh+Kr8ALV5l2aHDpP32hFuHTSTkl/Z1v9ne4
-----END PRIVATE KEY-----
"""


def server_context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    descriptor, name = tempfile.mkstemp(suffix=".pem")
    try:
        with os.fdopen(descriptor, "w") as file:
            file.write(KEY + CERTIFICATE)
        context.load_cert_chain(name)
    finally:
        Path(name).unlink()
    return context
