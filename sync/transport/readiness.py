"""Which sockets can be read or written now. The standard library's selectors do the same, at a cost that shows at each change."""

import contextlib
import select
import sys

READ, WRITE = 1, 4
"""As poll(2) and epoll(7) have them. An error is reported as another bit."""


class _Poll:
    """Sockets that are watched, by descriptor. Unlike select() it does not end at 1,024 of them."""

    def __init__(self) -> None:
        self._poll = select.poll()

    def watch(self, descriptor: int, events: int) -> None:
        """Watches a socket for these events, and no others any more."""
        self._poll.register(descriptor, events)

    def forget(self, descriptor: int) -> None:
        """Watches it no longer. It may be closed already, or never have been watched."""
        with contextlib.suppress(KeyError):
            self._poll.unregister(descriptor)

    def wait(self, seconds: float) -> list[tuple[int, int]]:
        """The sockets that something can be done with, at most so many seconds from now, and what."""
        return self._poll.poll(seconds * 1000)

    def close(self) -> None:
        """Frees what the system holds for it."""


if sys.platform == "linux":

    class Readiness(_Poll):
        """The same, at a cost that does not grow with the number of sockets."""

        def __init__(self) -> None:
            self._epoll = select.epoll()

        def watch(self, descriptor: int, events: int) -> None:
            try:
                self._epoll.register(descriptor, events)
            except FileExistsError:
                self._epoll.modify(descriptor, events)

        def forget(self, descriptor: int) -> None:
            with contextlib.suppress(OSError):
                self._epoll.unregister(descriptor)

        def wait(self, seconds: float) -> list[tuple[int, int]]:
            return self._epoll.poll(seconds)

        def close(self) -> None:
            self._epoll.close()

else:
    Readiness = _Poll
