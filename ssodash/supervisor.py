"""Keep a set of programs running: forward what they print, restart one that ends, stop them all together.

One thread, one loop. Children end with this process, whatever ends it.
"""

import contextlib
import os
import selectors
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from types import FrameType
from typing import IO, Self

from ssodash.leash import die_with_parent

BACKOFF_SECONDS = (1, 2, 4, 8, 15, 30)
STEADY_SECONDS = 60
"""A program that ran this long starts with the shortest backoff again when it ends."""
LAST_WORDS_SECONDS = 2
STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
COLOURS = (36, 35, 32, 33, 34, 96, 95)


class Stopped(Exception):
    """Somebody asked for an end: Ctrl-C, SIGTERM, or a closed terminal."""


@dataclass(slots=True)
class Child:
    """One program and what became of it."""

    name: str
    command: Sequence[str]
    held: Callable[[], bool] = lambda: False
    process: subprocess.Popen[bytes] | None = None
    started: float = 0.0
    failures: int = 0
    ended: float | None = None
    again: float | None = None
    unfinished: bytes = b""

    @property
    def is_running(self) -> bool:
        return self.process is not None and self.process.poll() is None


@dataclass
class Supervisor:
    """Runs programs in `cwd` with this environment. Use it in a `with` block: leaving that stops everything it started.

    `stop_seconds`: how long the programs may take to end before they are killed. `patrol` is called about once a second,
    for whoever has more to look after.
    """

    environment: dict[str, str]
    cwd: str
    stop_seconds: float = 5
    patrol: Callable[[], None] = lambda: None
    out: IO[str] = field(default_factory=lambda: sys.stdout)
    _children: list[Child] = field(default_factory=list)
    _signals: int = 0
    _next_patrol: float = 0.0

    def __enter__(self) -> Self:
        self._selector = selectors.DefaultSelector()
        self._bell, ringer = socket.socketpair()
        self._bell.setblocking(False)
        ringer.setblocking(False)
        self._ringer = ringer
        self._selector.register(self._bell, selectors.EVENT_READ, None)
        signal.set_wakeup_fd(ringer.fileno(), warn_on_full_buffer=False)
        ignored = signal.getsignal(signal.SIGHUP) == signal.SIG_IGN  # by nohup: a closed terminal is no reason to stop then
        heard = [number for number in STOP_SIGNALS if not (ignored and number == signal.SIGHUP)]
        self._before = {number: signal.signal(number, self._on_signal) for number in heard}
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self.stop()
        finally:
            signal.set_wakeup_fd(-1)
            for number, handler in self._before.items():
                signal.signal(number, handler)
            self._selector.close()
            self._bell.close()
            self._ringer.close()

    def say(self, text: str) -> None:
        """Print for the person at the terminal. A terminal that went away is a reason to stop, not to fail."""
        try:
            self.out.write(text + "\n")
            self.out.flush()
        except OSError:
            self._signals = max(1, self._signals)
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self.out.fileno())  # what is still buffered goes there when Python ends
            os.close(nowhere)

    def run(self, name: str, command: Sequence[str], *, quiet: bool = True) -> tuple[int, str]:
        """Run a program to its end: its exit status and what it printed. Raises Stopped.

        What it prints is shown as it comes unless `quiet`.
        """
        child = Child(name, command)
        printed: list[str] = []
        self._children.append(child)
        self._spawn(child)
        while child.is_running or self._reads(child):
            self._turn(0.2, printed if quiet else None)
            self.raise_if_stopped()
        self._children.remove(child)
        assert child.process is not None  # noqa: S101  (spawned above)
        return child.process.returncode, "\n".join(printed)

    def add(self, name: str, command: Sequence[str], *, held: Callable[[], bool] = lambda: False) -> Child:
        """Start a program and keep it running from now on, but for as long as `held` says that somebody wants it stopped."""
        child = Child(name, command, held)
        self._children.append(child)
        self._spawn(child)
        return child

    def wait_for(self, condition: Callable[[], bool], timeout: float) -> bool:
        """Look after the programs until the condition holds; whether it did within the seconds. Raises Stopped."""
        deadline = time.monotonic() + timeout
        while not condition():
            if time.monotonic() > deadline:
                return False
            self._look_after()
        return True

    def run_forever(self) -> None:
        """Look after the programs until somebody asks for an end. Always raises Stopped."""
        while True:
            self._look_after()

    def raise_if_stopped(self) -> None:
        """Raises Stopped when somebody asked for an end. Long steps elsewhere call it in between."""
        if self._signals:
            raise Stopped

    def stop(self) -> None:
        """End all programs at once, within `stop_seconds`. A second Ctrl-C does not wait for them. May be called twice."""
        asked = self._signals
        running = [child for child in self._children if child.is_running]
        for child in running:
            assert child.process is not None  # noqa: S101  (it runs)
            child.process.terminate()
        deadline = time.monotonic() + self.stop_seconds
        while any(child.is_running for child in running) and time.monotonic() < deadline and self._signals <= max(asked, 1):
            self._turn(0.05)
        for child in self._children:
            self._kill(child)
        self._turn(0)
        self._children.clear()

    def _look_after(self) -> None:
        self._turn(0.2)
        self.raise_if_stopped()
        now = time.monotonic()
        for child in self._children:
            if child.again is not None:
                if now >= child.again and not child.held():
                    self._spawn(child)
            elif child.is_running:
                if child.process is not None and child.held():
                    child.process.terminate()
            else:
                self._bury(child, now)
        if now >= self._next_patrol:
            self._next_patrol = now + 1
            self.patrol()

    def _spawn(self, child: Child) -> None:
        child.again, child.ended, child.started = None, None, time.monotonic()
        child.process = subprocess.Popen(
            child.command,
            cwd=self.cwd,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # a Ctrl-C in the terminal reaches us alone, and we stop them in order
            # When we are killed nobody is left to insist, and one that loses its database at the same moment may not end on a request.
            preexec_fn=die_with_parent(signal.SIGKILL),
        )
        assert child.process.stdout is not None  # noqa: S101  (it is a pipe)
        os.set_blocking(child.process.stdout.fileno(), False)
        self._selector.register(child.process.stdout, selectors.EVENT_READ, child)

    def _bury(self, child: Child, now: float) -> None:
        """One has ended: hear its last words to the end, then plan its restart."""
        if child.ended is None:
            child.ended = now
            self._kill(child)  # what is left of its own children would hold its port, and its output open
        if not self._reads(child) or now > child.ended + LAST_WORDS_SECONDS:
            self._plan_restart(child, now)

    def _plan_restart(self, child: Child, now: float) -> None:
        assert child.process is not None  # noqa: S101  (it ran)
        if child.held():
            child.failures, child.again = 0, now
            self._show(child, "is stopped, as you asked")
            return
        if now - child.started >= STEADY_SECONDS:
            child.failures = 0
        pause = BACKOFF_SECONDS[min(child.failures, len(BACKOFF_SECONDS) - 1)]
        child.failures += 1
        child.again = now + pause
        self._show(child, f"ended {_how(child.process.returncode)}; it starts again in {pause} s")

    def _turn(self, timeout: float, into: list[str] | None = None) -> None:
        """Read what there is to read, waiting this long for the first of it."""
        for key, _ in self._selector.select(timeout):
            if key.data is None:
                with contextlib.suppress(BlockingIOError):
                    self._bell.recv(64)
            else:
                self._read(key.data, key.fileobj, into)  # type: ignore[arg-type]

    def _read(self, child: Child, pipe: IO[bytes], into: list[str] | None) -> None:
        try:
            data = os.read(pipe.fileno(), 65_536)
        except BlockingIOError:
            return
        *lines, child.unfinished = (child.unfinished + data).split(b"\n")
        if not data:
            self._selector.unregister(pipe)
            pipe.close()
            lines, child.unfinished = ([child.unfinished] if child.unfinished else []), b""
        for line in lines:
            text = line.decode(errors="replace").rstrip()
            if into is None:
                self._show(child, text)
            else:
                into.append(text)

    def _reads(self, child: Child) -> bool:
        return any(key.data is child for key in self._selector.get_map().values())

    def _show(self, child: Child, text: str) -> None:
        label = f"{child.name:<7}|"
        if self.out.isatty():
            label = f"\x1b[{COLOURS[self._children.index(child) % len(COLOURS)]}m{label}\x1b[0m"
        self.say(f"{label} {text}")

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        self._signals += 1

    def _kill(self, child: Child) -> None:
        """End a program and its own children, at once."""
        if child.process is None:
            return
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(child.process.pid, signal.SIGKILL)
        child.process.wait()


def _how(status: int) -> str:
    return f"(exit status {status})" if status >= 0 else f"(killed by {signal.Signals(-status).name})"
