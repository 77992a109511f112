"""The watchdog cuts calls whose time is up, and remembers no others."""

import contextlib
import gc
import socket
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from sync.transport.watchdog import Watchdog


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    ours, theirs = socket.socketpair()
    ours.settimeout(20)
    with ours, theirs:
        yield ours, theirs


Pair = tuple[socket.socket, socket.socket]


def test_a_read_that_blocks_ends_when_the_time_is_up(pair: Pair) -> None:
    started = time.monotonic()
    with Watchdog().watch(started + 0.3) as call:
        call.uses(pair[0])
        assert pair[0].recv(1) == b""
        assert call.expired
    assert 0.25 < time.monotonic() - started < 5


def test_a_call_that_ends_in_time_is_left_alone(pair: Pair, eventually: Callable[..., Any]) -> None:
    dog = Watchdog()
    with dog.watch(time.monotonic() + 0.2) as call:
        call.uses(pair[0])
    with dog.watch(time.monotonic() + 0.4) as later:
        eventually(lambda: later.expired)
    assert not call.expired
    pair[1].send(b"x")
    assert pair[0].recv(1) == b"x"


def test_a_shorter_call_that_comes_later_is_cut_first(pair: Pair) -> None:
    dog = Watchdog()
    with dog.watch(time.monotonic() + 60) as long, dog.watch(time.monotonic() + 0.2) as short:
        short.uses(pair[0])
        assert pair[0].recv(1) == b""
        assert short.expired
        assert not long.expired


def test_a_call_whose_time_is_up_takes_no_further_socket(pair: Pair, eventually: Callable[..., Any]) -> None:
    with Watchdog().watch(time.monotonic()) as call:
        eventually(lambda: call.expired)
        with pytest.raises(TimeoutError):
            call.uses(pair[0])


def test_ten_thousand_quick_calls_with_a_long_deadline_leave_nothing_behind(pair: Pair) -> None:
    dog = Watchdog()
    remembered = []
    for _ in range(10_000):
        with dog.watch(time.monotonic() + 60) as call:
            call.uses(pair[0])
            assert len(dog) == 1
        remembered.append(weakref.ref(call))
    assert len(dog) == 0
    del call
    gc.collect()
    assert sum(reference() is not None for reference in remembered) == 0


def test_calls_from_many_threads_are_each_cut_at_their_own_time() -> None:
    dog = Watchdog()
    late: list[float] = []

    def one(seconds: float) -> None:
        ours, theirs = socket.socketpair()
        with ours, theirs, contextlib.closing(dog.watch(time.monotonic() + seconds)) as call:
            started = time.monotonic()
            ours.settimeout(20)
            call.uses(ours)
            ours.recv(1)
            late.append(time.monotonic() - started - seconds)

    threads = [threading.Thread(target=one, args=(0.1 + 0.01 * (number % 40),)) for number in range(40)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert len(late) == 40
    assert all(-0.05 < seconds < 5 for seconds in late)
    assert len(dog) == 0
