"""Child processes that end when their parent ends, however it ended: a `kill -9` of the parent included."""

import ctypes
import os
import signal
import sys
from collections.abc import Callable

_PR_SET_PDEATHSIG = 1  # linux/prctl.h
_libc = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


def die_with_parent(number: signal.Signals) -> Callable[[], None]:
    """A `preexec_fn` that has the kernel send this signal to the child when the thread that started it ends.

    Start children from the main thread, or they end with the thread. Linux only: elsewhere the child outlives a parent
    that was killed, and whoever starts next has to deal with it.
    """
    parent = os.getpid()

    def arrange() -> None:
        if _libc is None:
            return
        _libc.prctl(_PR_SET_PDEATHSIG, int(number), 0, 0, 0)
        if os.getppid() != parent:  # it ended before the arrangement was made: nobody will send the signal
            os._exit(1)

    return arrange
