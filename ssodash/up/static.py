"""Whether the pages' files have to be collected again: that takes many seconds, and most starts change none of them."""

import hashlib
import importlib.metadata
import os
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from ssodash.local import BASE_DIR


class Collected:
    """The collected files in this folder, and the note beside it that says of what they were made."""

    def __init__(self, folder: Path, environment: Mapping[str, str]) -> None:
        self.folder = folder
        self.note = folder.with_name(f"{folder.name}.made-of")
        self._made_of = _fingerprint(environment.get("DEBUG", ""))

    def is_current(self) -> bool:
        """Whether they were made of what there is now."""
        try:
            return self.folder.is_dir() and self.note.read_text() == self._made_of
        except FileNotFoundError:
            return False

    def forget(self) -> None:
        """Call this before they are collected, so that a collection cut short is done again."""
        self.note.unlink(missing_ok=True)

    def remember(self) -> None:
        """Call this after they were collected."""
        self.note.write_text(self._made_of)


def _fingerprint(debug: str) -> str:
    parts = [sys.version, debug, (BASE_DIR / "ssodash" / "settings.py").read_text()]
    parts += sorted(f"{found.name}=={found.version}" for found in importlib.metadata.distributions())
    parts += sorted(f"{path} {status.st_size} {status.st_mtime_ns}" for path, status in _own_files())
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def _own_files() -> Iterator[tuple[Path, os.stat_result]]:
    for folder in (BASE_DIR / "static", *BASE_DIR.glob("*/static")):
        if folder.is_relative_to(BASE_DIR / "var"):
            continue
        for path in folder.rglob("*"):
            yield path, path.stat()
