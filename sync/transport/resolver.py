"""Host names looked up beside the threads that send.

The system's look-up cannot be stopped and may hang for half a minute; libcurl's own has some 20 threads for all hosts, so
three sites with a dead DNS server would hold up all others. Here each host has at most one look-up under way, in a thread of
its own, and whoever needs the answer waits for it no longer than it wants to.
"""

import os
import socket
import threading
import time
from concurrent.futures import Future

KEEP = 60.0
"""Seconds that a found answer is used again. Nothing is kept of a look-up that failed."""


class Resolver:
    """Looks up host names. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._under_way: dict[str, Future[tuple[str, ...]]] = {}
        self._known: dict[str, tuple[float, tuple[str, ...]]] = {}

    def look_up(self, host: str) -> "Future[tuple[str, ...]]":
        """The host's IP addresses, best first, or OSError: to be waited for, never cancelled (others wait for it too)."""
        with self._lock:
            found_at, addresses = self._known.get(host, (0.0, ()))
            if addresses and time.monotonic() - found_at < KEEP:
                known: Future[tuple[str, ...]] = Future()
                known.set_result(addresses)
                return known
            future = self._under_way.get(host)
            if future is None:
                future = self._under_way[host] = Future()
                threading.Thread(target=self._find, args=(host, future), name="sync-resolver", daemon=True).start()
            return future

    def _find(self, host: str, future: "Future[tuple[str, ...]]") -> None:
        found: tuple[str, ...] = ()
        error: Exception | None = None
        try:
            # A dict drops what is named twice and keeps the order.
            found = tuple(dict.fromkeys(str(info[4][0]) for info in socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)))
        except (OSError, UnicodeError) as failed:
            error = failed
        with self._lock:
            self._under_way.pop(host, None)
            self._known.pop(host, None)
            if found:
                if len(self._known) >= 1024:
                    self._known.clear()
                self._known[host] = (time.monotonic(), found)
        if found:
            future.set_result(found)
        else:
            future.set_exception(error or OSError(f"{host} has no address"))


_resolver = Resolver()


def look_up(host: str) -> "Future[tuple[str, ...]]":
    """See Resolver.look_up; one resolver serves the process."""
    return _resolver.look_up(host)


def _fresh() -> None:
    """A fork takes the look-ups under way along, but not their threads."""
    global _resolver
    _resolver = Resolver()


os.register_at_fork(after_in_child=_fresh)
