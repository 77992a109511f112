"""Many requests under way at the same time in one thread, through libcurl's multi interface.

libcurl itself keeps the total deadline, so a dripping site is cut without a watchdog, and thousands of waiting sites cost no thread.
Its sockets are waited for by epoll (or the like): select() ends at 1,024 descriptors.
"""

import contextlib
import math
import socket
import time
from collections.abc import Hashable, Sequence
from concurrent.futures import Future
from typing import Any

import pycurl

from sync.transport import failures, resolver, wire
from sync.transport.exchange import Exchange
from sync.transport.failures import Failed
from sync.transport.readiness import READ, WRITE, Readiness
from sync.transport.values import HttpRequest, HttpResult

_EVENTS = {pycurl.POLL_IN: READ, pycurl.POLL_OUT: WRITE, pycurl.POLL_INOUT: READ | WRITE}


class MultiTransport:
    """A pool of requests under way. One thread owns it."""

    def __init__(self) -> None:
        self._multi = pycurl.CurlMulti()
        self._multi.setopt(pycurl.M_SOCKETFUNCTION, self._watch)
        self._multi.setopt(pycurl.M_TIMERFUNCTION, self._set_timer)
        self._readiness = Readiness()
        self._timer = math.inf
        self._idle: dict[tuple[str, str, bool], list[Any]] = {}
        self._kept = KeptConnections()
        self._busy: dict[Any, Exchange] = {}
        self._looking_up: dict[Exchange, Future[tuple[str, ...]]] = {}
        self._ready: list[tuple[Hashable, HttpResult]] = []
        # Written to by the thread that looked up a host, so that `poll` wakes.
        self._woken, self._bell = socket.socketpair()
        self._woken.setblocking(False)
        self._bell.setblocking(False)
        self._readiness.watch(self._woken.fileno(), READ)
        self._wanted = False

    def __len__(self) -> int:
        return len(self._busy) + len(self._looking_up) + len(self._ready)

    def add(self, tag: Hashable, request: HttpRequest) -> None:
        """Starts a request; its answer comes out of `poll` under this tag. Never raises for what is wrong with the request."""
        try:
            exchange = Exchange(tag, request)
        except ValueError as error:
            self._ready.append((tag, failures.unsendable(error).after(0.0)))
            return
        if wire.is_ip(exchange.address.host):
            self._start(exchange, ())
            return
        look_up = resolver.look_up(exchange.address.host)
        if look_up.done():
            self._found(exchange, look_up)
        else:
            self._looking_up[exchange] = look_up
            look_up.add_done_callback(self._ring)

    def poll(self, wait: float) -> list[tuple[Hashable, HttpResult]]:
        """What was answered, or failed, since the last call; waits at most `wait` seconds for the first.

        Returns at once when nothing is under way.
        """
        ends = time.monotonic() + wait
        left = wait
        while True:
            self._turn(left if self._waits else 0.0)
            if not self._waits or (left := ends - time.monotonic()) <= 0:
                break
        self._wanted = False
        ready, self._ready = self._ready, []
        return ready

    @property
    def _waits(self) -> bool:
        """There is nothing to return yet, and something will come."""
        return not self._ready and not self._wanted and bool(self._busy or self._looking_up)

    def wake(self) -> None:
        """Has `poll` return soon. The one method that any thread may call."""
        self._wanted = True
        self._ring(None)

    def abandon(self) -> list[Hashable]:
        """Drops every request under way and returns their tags."""
        tags = [exchange.tag for exchange in (*self._busy.values(), *self._looking_up)] + [tag for tag, _ in self._ready]
        for handle in self._busy:
            self._multi.remove_handle(handle)
            handle.close()
        self._busy.clear()
        self._looking_up.clear()
        self._ready.clear()
        return tags

    def close(self) -> None:
        """Ends everything and frees the connections."""
        self.abandon()
        for handles in self._idle.values():
            for handle in handles:
                handle.close()
        self._idle.clear()
        self._multi.close()
        self._readiness.close()
        self._woken.close()
        self._bell.close()

    # Looking up

    def _ring(self, _: "Future[tuple[str, ...]] | None") -> None:
        # Rung often enough already, or closed meanwhile.
        with contextlib.suppress(OSError):
            self._bell.send(b".")

    def _see_who_was_found(self) -> None:
        now = time.monotonic()
        for exchange, look_up in list(self._looking_up.items()):
            if look_up.done() or now >= exchange.connect_by:
                del self._looking_up[exchange]
                self._found(exchange, look_up)

    def _found(self, exchange: Exchange, look_up: "Future[tuple[str, ...]]") -> None:
        if not look_up.done():
            self._fail(exchange, exchange.not_in_time(failures.not_found_in_time()))
        elif look_up.exception() is not None:
            self._fail(exchange, failures.not_found())
        else:
            self._start(exchange, look_up.result())

    def _fail(self, exchange: Exchange, failed: Failed) -> None:
        self._ready.append((exchange.tag, failed.after(exchange.took)))

    # Sending

    def _start(self, exchange: Exchange, addresses: Sequence[str]) -> None:
        idle = self._idle.get(exchange.kind)
        handle = idle.pop() if idle else exchange.new_handle()
        exchange.prepare(handle, addresses, self._kept.descriptors)
        self._busy[handle] = exchange
        self._multi.add_handle(handle)

    def _turn(self, wait: float) -> None:
        """Waits at most so long for something to happen, and lets libcurl act on it."""
        now = time.monotonic()
        until = min([now + wait, self._timer, *(exchange.connect_by for exchange in self._looking_up)])
        bell = self._woken.fileno()
        for descriptor, events in self._readiness.wait(max(0.0, until - now)):
            if descriptor == bell:
                with contextlib.suppress(BlockingIOError):
                    self._woken.recv(4096)
                continue
            # What is neither is an error or a hang-up: libcurl finds out what by trying.
            readable = pycurl.CSELECT_IN if events & ~WRITE else 0
            writable = pycurl.CSELECT_OUT if events & ~READ else 0
            self._multi.socket_action(descriptor, readable | writable)
        if time.monotonic() >= self._timer:
            self._timer = math.inf
            self._multi.socket_action(pycurl.SOCKET_TIMEOUT, 0)
        if self._looking_up:
            self._see_who_was_found()
        queued = 1
        while queued:
            queued, succeeded, failed = self._multi.info_read()
            for handle in succeeded:
                self._finish(handle, None, "")
            for handle, code, message in failed:
                self._finish(handle, code, message)

    def _finish(self, handle: Any, code: int | None, message: str) -> None:
        exchange = self._busy.pop(handle)
        if exchange.stale:
            self._release(handle, exchange)
            self._start(exchange, exchange.addresses)
            return
        if code is None and exchange.opened:
            self._kept.note(handle)
        try:
            result: HttpResult = exchange.answer(handle, code, message)
        except Failed as failed:
            result = failed.after(exchange.took)
        self._release(handle, exchange)
        self._ready.append((exchange.tag, result))

    def _release(self, handle: Any, exchange: Exchange) -> None:
        self._multi.remove_handle(handle)
        # Whatever is not told anew for each request is taken back. RESOLVE is, where a host has to be looked up.
        if exchange.addresses:
            handle.unsetopt(pycurl.RESOLVE)
        self._idle.setdefault(exchange.kind, []).append(handle)

    # What libcurl calls

    def _watch(self, what: int, descriptor: int, multi: Any, data: Any) -> None:
        if what == pycurl.POLL_REMOVE:
            self._readiness.forget(descriptor)
        elif what in _EVENTS:
            self._readiness.watch(descriptor, _EVENTS[what])

    def _set_timer(self, milliseconds: int) -> None:
        self._timer = math.inf if milliseconds < 0 else time.monotonic() + milliseconds / 1000


class KeptConnections:
    """Which descriptor libcurl uses for a connection, known by its local address and port: all that it tells before it sends."""

    def __init__(self) -> None:
        self.descriptors: dict[tuple[str, int], int] = {}
        self._names: dict[int, tuple[str, int]] = {}

    def note(self, handle: Any) -> None:
        """Remembers the connection of a request that was answered. A descriptor that is used anew replaces what it was."""
        descriptor = handle.getinfo(pycurl.ACTIVESOCKET)
        if descriptor < 0:
            return
        name = handle.getinfo(pycurl.LOCAL_IP), handle.getinfo(pycurl.LOCAL_PORT)
        self.descriptors.pop(self._names.get(descriptor, ("", 0)), None)
        self._names[descriptor] = name
        self.descriptors[name] = descriptor
