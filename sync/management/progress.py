"""Showing a run while it goes on: a bar on a terminal, a line now and then elsewhere, nothing beside a JSON document."""

import time
from types import TracebackType
from typing import Self

from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from sync import status
from sync.management.screen import Screen
from sync.models import SyncRun

LOOK_EVERY = 0.2
LINE_EVERY = 5.0
"""Seconds between two looks at the run, and between two plain lines."""


class RunProgressDisplay:
    """`with RunProgressDisplay(screen) as display: display.update(run)`, as often as you like."""

    def __init__(self, screen: Screen, *, quiet: bool) -> None:
        self._screen = screen
        self._quiet = quiet
        self._next_look = 0.0
        self._next_line = time.monotonic() + LINE_EVERY
        self._bar: Progress | None = None
        if screen.is_terminal and not quiet:
            self._bar = Progress(
                TextColumn("Syncing"),
                BarColumn(complete_style="cyan", finished_style="green"),
                TextColumn("{task.completed:,.0f} of {task.total:,.0f}{task.fields[failed]}"),
                TimeRemainingColumn(),
                console=screen.console,
                transient=True,
            )
            self._task = self._bar.add_task("", total=1, failed="")

    def __enter__(self) -> Self:
        if self._bar:
            self._bar.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._bar:
            self._bar.stop()

    def update(self, run: SyncRun) -> None:
        """Looks at the run and shows how far it is, unless it did so a moment ago."""
        now = time.monotonic()
        if self._quiet or now < self._next_look:
            return
        self._next_look = now + LOOK_EVERY
        state = status.progress(run)
        failed = f", {state.failed:,} failed" if state.failed else ""
        if self._bar:
            self._bar.update(self._task, completed=state.done, total=max(state.total, 1), failed=failed)
        elif now >= self._next_line:
            self._next_line = now + LINE_EVERY
            self._screen.line(f"{state.done:,} of {state.total:,} done{failed}")
