"""Sites that accept everything and cost next to nothing: `python -m tests.bench.sink --ports 10 --delay 0.02`.

One thread, epoll, answers prepared in advance. It prints its ports as a JSON list once it listens, and ends on SIGTERM or with its parent.
A request to `…/batch` is answered user by user. Nothing of the hub is imported here.
"""

import argparse
import json
import re
import select
import signal
import socket
import sys
import time
from collections import deque

_ID = re.compile(rb'"id":"([^"]+)"')
_LENGTH = re.compile(rb"content-length: *([0-9]+)", re.IGNORECASE)


def _answer(body: bytes) -> bytes:
    return b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)


_TAKEN = _answer(b'{"success":true}')


def _batch_answer(body: bytes) -> bytes:
    return _answer(b'{"results":[' + b",".join(b'{"id":"%s","success":true}' % name for name in _ID.findall(body)) + b"]}")


class Sink:
    """Listens on free ports of 127.0.0.1. Answers after `delay` seconds; never on the last `hanging` of the ports."""

    def __init__(self, ports: int, delay: float, hanging: int) -> None:
        self._delay = delay
        self._listeners: dict[int, tuple[socket.socket, bool]] = {}
        self._epoll = select.epoll()
        self._connections: dict[int, socket.socket] = {}
        self._received: dict[int, bytes] = {}
        self._mute: set[int] = set()
        self._late: deque[tuple[float, int, socket.socket, bytes]] = deque()
        self.ports = []
        for number in range(ports):
            listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
            listener.setblocking(False)
            self._listeners[listener.fileno()] = (listener, number >= ports - hanging)
            self._epoll.register(listener.fileno(), select.EPOLLIN)
            self.ports.append(listener.getsockname()[1])

    def run(self) -> None:
        """Serves until the process ends."""
        while True:
            wait = -1.0 if not self._late else max(0.0, self._late[0][0] - time.monotonic())
            for descriptor, _ in self._epoll.poll(wait):
                if descriptor in self._listeners:
                    self._accept(descriptor)
                else:
                    self._read(descriptor)
            now = time.monotonic()
            while self._late and self._late[0][0] <= now:
                _, descriptor, connection, answer = self._late.popleft()
                self._send(descriptor, connection, answer)

    def _accept(self, descriptor: int) -> None:
        listener, mute = self._listeners[descriptor]
        try:
            connection, _ = listener.accept()
        except BlockingIOError:
            return
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        number = connection.fileno()
        self._connections[number] = connection
        self._received[number] = b""
        if mute:
            self._mute.add(number)
        self._epoll.register(number, select.EPOLLIN)

    def _read(self, descriptor: int) -> None:
        connection = self._connections.get(descriptor)
        if connection is None:
            return
        try:
            # An event may be about a connection that had this descriptor before: there may be nothing to read.
            piece = connection.recv(1 << 20, socket.MSG_DONTWAIT)
        except BlockingIOError:
            return
        except OSError:
            piece = b""
        if not piece:
            self._forget(descriptor)
            return
        received = self._received[descriptor] + piece
        head, found, body = received.partition(b"\r\n\r\n")
        length = _LENGTH.search(head) if found else None
        if not found or length is None or len(body) < int(length[1]):
            self._received[descriptor] = received
            return
        self._received[descriptor] = b""
        if descriptor in self._mute:
            return
        answer = _batch_answer(body) if b"/batch HTTP" in head[:300] else _TAKEN
        if self._delay:
            self._late.append((time.monotonic() + self._delay, descriptor, connection, answer))
        else:
            self._send(descriptor, connection, answer)

    def _send(self, descriptor: int, connection: socket.socket, answer: bytes) -> None:
        if self._connections.get(descriptor) is not connection:
            return  # it hung up meanwhile
        try:
            connection.sendall(answer)
        except OSError:
            self._forget(descriptor)

    def _forget(self, descriptor: int) -> None:
        self._epoll.unregister(descriptor)
        self._connections.pop(descriptor).close()
        self._received.pop(descriptor, None)
        self._mute.discard(descriptor)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--ports", type=int, default=1)
    parser.add_argument("--delay", type=float, default=0.0)
    parser.add_argument("--hanging", type=int, default=0)
    given = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    sink = Sink(given.ports, given.delay, given.hanging)
    sys.stdout.write(json.dumps(sink.ports) + "\n")
    sys.stdout.flush()
    sink.run()


if __name__ == "__main__":
    main()
