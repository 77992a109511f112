"""The data file: JSON Lines, one line per message that was applied, rewritten to its shortest form now and then.

Appending costs microseconds however many users there are, and a line is with the operating system before the message
is answered: what was answered 2xx survives `kill -9`. (A power cut may still take the last moments: nothing is fsynced.)
"""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

HEADER = {"format": "sample-site-1"}


class CorruptJournal(Exception):
    """The file is not a journal of ours, or one of its lines cannot be read."""


class Journal:
    def __init__(self, path: Path) -> None:
        self.path = path
        self.lines = 0
        self._file: Any = None

    def read(self) -> list[dict[str, Any]]:
        """Every complete line, oldest first; an absent file is an empty journal.

        A last line without its line end was cut short by a kill before its message was answered: it is left out.
        Raises CorruptJournal, and OSError where the file cannot be read.
        """
        try:
            raw = self.path.read_bytes()
        except FileNotFoundError:
            return []
        complete, _, _cut_short = raw.rpartition(b"\n")
        try:
            lines = [json.loads(line) for line in complete.split(b"\n")]
        except (ValueError, RecursionError) as error:
            raise CorruptJournal(f"a line is not JSON ({error})") from error
        if not all(isinstance(line, dict) for line in lines) or lines[0] != HEADER:
            raise CorruptJournal("it was not written by a sample site")
        return lines[1:]

    def move_aside(self) -> Path:
        """Rename the file so that nothing overwrites it; returns its new name."""
        aside = self.path.with_name(f"{self.path.name}.corrupt-{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}")
        self.path.rename(aside)
        return aside

    def rewrite(self, line: dict[str, Any]) -> None:
        """Replace the whole file by this one line, atomically, and go on appending after it. Raises OSError."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        beside = self.path.with_name(self.path.name + ".new")
        beside.write_bytes(_encode(HEADER) + _encode(line))
        beside.replace(self.path)
        self.close()
        self._file = self.path.open("ab", buffering=0)
        self.lines = 1

    def append(self, line: dict[str, Any]) -> None:
        """Add a line. Raises OSError, and then leaves the file as it was."""
        before = os.fstat(self._file.fileno()).st_size
        encoded = _encode(line)
        try:
            if self._file.write(encoded) != len(encoded):
                raise OSError("the disk is full")
        except OSError:
            self._file.truncate(before)  # half a line would make every later one unreadable
            raise
        self.lines += 1

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None


def _encode(line: dict[str, Any]) -> bytes:
    return json.dumps(line, separators=(",", ":")).encode() + b"\n"
