"""How the commands of sync write: to a person's terminal, to a pipe, or one JSON document."""

import getpass
import json
import os
import sys
from collections.abc import Sequence
from typing import IO, Any, NoReturn, cast

from django.core.management.base import CommandError, OutputWrapper
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

WRONG_USAGE = 2
PLAIN_WIDTH = 200
"""Columns of a table that goes to a file or a pipe, where nothing is folded."""


def operating_system_user() -> str:
    """Who runs the command, for the log. Never fails: a container may have no name for its user."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"uid {os.getuid()}"


def printable(text: str) -> str:
    """On one line and without what a terminal would obey: errors quote what sites answer."""
    return "".join(character if character.isprintable() else " " for character in text)


class Screen:
    """Standard output of a command."""

    def __init__(self, stdout: OutputWrapper) -> None:
        stdout.ending = ""  # rich writes parts of lines
        if reconfigure := getattr(stdout, "reconfigure", None):
            reconfigure(errors="backslashreplace")  # a name that the terminal has no letters for is no reason to stop
        self._stdout = stdout
        self.is_terminal = bool(stdout.isatty()) and os.environ.get("TERM") != "dumb"
        self.console = Console(
            file=cast(IO[str], stdout),
            force_terminal=self.is_terminal,
            width=None if self.is_terminal else PLAIN_WIDTH,
            highlight=False,
            markup=False,
            emoji=False,
        )

    def line(self, text: str = "") -> None:
        self._stdout.write(printable(text) + "\n")
        self._stdout.flush()

    def json(self, document: dict[str, Any]) -> None:
        self._stdout.write(json.dumps(document, indent=2, ensure_ascii=False, default=str) + "\n")

    def refuse(self, reason: str, *, as_json: bool) -> NoReturn:
        """Ends the command with exit status 2; the reason is the JSON document where one was asked for."""
        if not as_json:
            raise CommandError(reason, returncode=WRONG_USAGE)
        self.json({"error": reason})
        sys.exit(WRONG_USAGE)

    def table(self, heads: Sequence[str], rows: Sequence[Sequence[str | int]]) -> None:
        """Numbers are set to the right."""
        table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
        for position, head in enumerate(heads):
            numbers = all(isinstance(row[position], int) for row in rows)
            table.add_column(head, justify="right" if numbers and rows else "left", overflow="fold")
        for row in rows:
            table.add_row(*(Text(f"{cell:,}" if isinstance(cell, int) else printable(cell)) for cell in row))
        with self.console.capture() as drawn:
            self.console.print(table)
        self._stdout.write("".join(f"{line.rstrip()}\n" for line in drawn.get().splitlines()))
