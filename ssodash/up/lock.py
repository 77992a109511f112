"""Only one `up` at a time in one clone."""

import fcntl
import os
from pathlib import Path
from types import TracebackType
from typing import Self

from ssodash.up.errors import CannotStart


class RunLock:
    """Held while `up` runs. A lock, not a pid file: it ends with the process, whatever ends it.

    `was_killed`: the one before us did not come to its orderly end, so some of its programs may still be ending.
    Entering raises CannotStart when another `up` runs.
    """

    def __init__(self, path: Path, address: str) -> None:
        self.path = path
        self.address = address
        self.was_killed = False

    def __enter__(self) -> Self:
        self._descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            pid, _, address = os.read(self._descriptor, 200).decode(errors="replace").partition(" ")
            os.close(self._descriptor)
            raise CannotStart(
                f"It already runs at {address or 'another port'}. "
                f"Stop that one first: Ctrl-C in its terminal, or `kill {pid or 'its process'}`."
            ) from None
        self.was_killed = bool(os.read(self._descriptor, 1))
        self._write(f"{os.getpid()} {self.address}")
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._write("")
        os.close(self._descriptor)

    def _write(self, text: str) -> None:
        os.ftruncate(self._descriptor, 0)
        os.pwrite(self._descriptor, text.encode(), 0)
