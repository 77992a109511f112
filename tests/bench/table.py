"""What came out, beside what was asked for."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Row:
    """One line of the table. `met` is None for what is only reported."""

    what: str
    measured: str
    target: str = ""
    met: bool | None = None


def at_least(what: str, value: float, target: float, unit: str = "", note: str = "") -> Row:
    """A figure that has to reach its target."""
    return Row(what, _figure(value, unit) + note, f"≥ {_figure(target, unit)}", value >= target)


def at_most(what: str, value: float, target: float, unit: str = "", note: str = "") -> Row:
    """A figure that has to stay below its target."""
    return Row(what, _figure(value, unit) + note, f"≤ {_figure(target, unit)}", value <= target)


def _figure(value: float, unit: str) -> str:
    shown = f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.0f}" if abs(value) >= 100 else f"{value:.2f}"
    return f"{shown} {unit}".rstrip()


def say(text: str) -> None:
    """One line for whoever watches."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def render(rows: Sequence[Row]) -> str:
    """The table, as Markdown, so that it can go into docs/performance.md as it is."""
    cells = [("what", "measured", "target", "met")]
    cells += [(row.what, row.measured, row.target, {None: "", True: "yes", False: "NO"}[row.met]) for row in rows]
    widths = [max(len(line[column]) for line in cells) for column in range(4)]
    lines = ["| " + " | ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)) + " |" for line in cells]
    lines.insert(1, "| " + " | ".join("-" * width for width in widths) + " |")
    return "\n".join(lines)
