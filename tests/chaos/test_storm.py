"""Workers and web servers killed at random moments, again and again, under continuous edits."""

from collections.abc import Callable
from pathlib import Path

from tests.chaos.storm.form import LONG, SEED
from tests.chaos.storm.storm import FULL, SHORT, storm

Tell = Callable[[str], None]


def test_whatever_is_killed_whenever_every_site_ends_with_exactly_the_directory(own_database: str, tmp_path: Path, tell: Tell) -> None:
    told = storm(own_database, tmp_path, FULL if LONG else SHORT, SEED)
    tell(f"storm (CHAOS_SEED={SEED})\n{told}")
    assert told.reckoning.verdict == "lost 0, stale 0, unlogged 0, left 0", f"{told.reckoning.examples}\n{told.output}"
    assert told.edits.total() > told.kills.total()
