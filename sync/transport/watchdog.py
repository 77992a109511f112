"""Total deadlines for blocking sockets: one thread shuts those whose time is up, and whatever read or write they block in ends."""

import math
import os
import socket
import threading
import time
from types import TracebackType
from typing import Self


class Call:
    """One request under way: its end (of `time.monotonic`) and the sockets it uses. Leave it by `with`, or `close` it."""

    def __init__(self, ends: float, watchdog: "Watchdog") -> None:
        self.ends = ends
        self.expired = False
        self._watchdog = watchdog
        self._lock = threading.Lock()
        self._closed = False
        self._sockets: list[socket.socket] = []

    def uses(self, sock: socket.socket) -> None:
        """Remembers a duplicate of the socket: TLS detaches the original while it shakes hands. Raises TimeoutError when time is up."""
        with self._lock:
            if self.expired:
                raise TimeoutError("out of time")
            if not self._closed:
                self._sockets.append(socket.socket(sock.family, sock.type, sock.proto, fileno=os.dup(sock.fileno())))

    def cut(self) -> None:
        """Ends the call: its sockets are shut, for reading and writing."""
        with self._lock:
            if self._closed:
                return
            self.expired = True
            for sock in self._sockets:
                try:
                    sock.shutdown(socket.SHUT_RDWR)
                except OSError:
                    continue  # closed by the site meanwhile, which ends the read as well

    def close(self) -> None:
        """From here on the watchdog leaves the sockets alone. Does nothing the second time."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
            for sock in self._sockets:
                sock.close()
            self._sockets.clear()
        self._watchdog.forget(self)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()


class Watchdog:
    """Cuts calls when their time is up. One thread serves all calls of the process, and remembers only those under way."""

    def __init__(self) -> None:
        self._wake = threading.Condition()
        self._calls: set[Call] = set()
        self._looks_at = math.inf
        self._running = False

    def watch(self, ends: float) -> Call:
        """A call that is cut when `time.monotonic()` reaches `ends`."""
        call = Call(ends, self)
        with self._wake:
            if not self._running:
                threading.Thread(target=self._run, name="sync-watchdog", daemon=True).start()
                self._running = True
            self._calls.add(call)
            if ends < self._looks_at:
                self._wake.notify()
        return call

    def forget(self, call: Call) -> None:
        # The thread need not be woken: it finds out when it looks next.
        with self._wake:
            self._calls.discard(call)

    def __len__(self) -> int:
        with self._wake:
            return len(self._calls)

    def _run(self) -> None:
        while True:
            with self._wake:
                now = time.monotonic()
                late = [call for call in self._calls if call.ends <= now]
                self._calls.difference_update(late)
                if not late:
                    self._looks_at = min((call.ends for call in self._calls), default=math.inf)
                    self._wake.wait(None if self._looks_at == math.inf else self._looks_at - now)
            for call in late:
                call.cut()


_watchdog = Watchdog()


def watch(ends: float) -> Call:
    """See Watchdog.watch; one watchdog serves the process."""
    return _watchdog.watch(ends)


def watching() -> int:
    """How many calls are under way."""
    return len(_watchdog)


def _fresh() -> None:
    """A fork takes the object along, its lock perhaps held, but not its thread."""
    global _watchdog
    _watchdog = Watchdog()


os.register_at_fork(after_in_child=_fresh)
