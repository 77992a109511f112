"""Whom PostgreSQL runs as, and where its data may lie. These hold for root and for an ordinary user."""

import contextlib
import os
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from ssodash import embedded
from ssodash.embedded import account, binaries, home, processes

AS_ROOT = os.geteuid() == 0


@pytest.fixture
def closed(reachable: Path) -> Iterator[Path]:
    """A folder below one that is closed to other accounts, such as a clone in root's home."""
    parent = reachable / "closed"
    parent.mkdir(mode=0o700)
    (parent / "clone" / "var").mkdir(parents=True)
    yield parent / "clone" / "var" / "pg"
    embedded.remove(parent / "clone" / "var" / "pg")


def modes(folder: Path, upto: Path) -> list[int]:
    return [stat.S_IMODE(path.stat().st_mode) for path in (folder, *folder.parents) if path.is_relative_to(upto)]


def test_no_process_of_it_runs_as_root(stopped: Path) -> None:
    with embedded.start(stopped) as server:
        owners = set()
        for pid in processes.working_in(server.home.data):
            # One that was listed may have ended by now.
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):
                owners.add(Path(f"/proc/{pid}").stat().st_uid)
        assert owners == {server.home.data.stat().st_uid}
        assert 0 not in owners


def test_the_data_are_open_to_its_account_alone(stopped: Path) -> None:
    assert stat.S_IMODE((stopped / "data").stat().st_mode) == 0o700
    assert ((stopped / "data").stat().st_uid != os.geteuid()) == AS_ROOT


def test_below_a_closed_folder_the_data_go_where_they_can_be_reached_and_no_mode_changes(closed: Path) -> None:
    before = modes(closed.parent, closed.parents[2])
    with embedded.start(closed) as server:
        first = server.url
        assert (server.home.folder != closed) == AS_ROOT
        assert (closed / "location").exists() == AS_ROOT
        with psycopg.connect(server.url, autocommit=True) as connection:
            connection.execute("create table kept as select 1")
    with embedded.start(closed) as server:
        assert server.url == first
        with psycopg.connect(server.url) as connection:
            assert connection.execute("select count(*) from kept").fetchone() == (1,)
    assert modes(closed.parent, closed.parents[2]) == before


def test_two_clones_below_closed_folders_do_not_share_their_data(closed: Path) -> None:
    other = closed.with_name("other")
    try:
        assert home.locate(closed).folder != home.locate(other).folder
        assert home.locate(closed).folder == home.locate(closed).folder
    finally:
        embedded.remove(other)


def test_data_that_were_moved_away_are_not_silently_replaced_by_an_empty_database(closed: Path) -> None:
    home.make_folder(closed)
    (closed / "location").write_text("/var/lib/ssodash/that-was-here-once")
    with pytest.raises(embedded.EmbeddedError, match="that folder is gone"):
        embedded.start(closed)
    (closed / "location").unlink()


def test_a_folder_closed_after_the_data_were_made_is_named(stopped: Path) -> None:
    parent = stopped.parent
    mode = stat.S_IMODE(parent.stat().st_mode)
    parent.chmod(0o600 if not AS_ROOT else 0o700)
    try:
        with pytest.raises(embedded.EmbeddedError, match="chmod o\\+x" if AS_ROOT else "cannot use"):
            embedded.start(stopped)
    finally:
        parent.chmod(mode)


def test_a_strict_umask_changes_nothing(reachable: Path) -> None:
    before = os.umask(0o077)
    try:
        with embedded.start(reachable / "pg") as server:
            assert server.home.folder == reachable / "pg"
    finally:
        os.umask(before)


def test_programs_that_the_account_cannot_read_are_copied_with_their_libraries(reachable: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    packages = reachable / "closed" / "site-packages"
    packages.mkdir(parents=True)
    for part in (f"{binaries.PACKAGE}/{binaries.INSTALL}", *binaries.LIBRARIES):
        if (source := binaries._site_packages() / part).is_dir():
            shutil.copytree(source, packages / part, symlinks=True)
    packages.parent.chmod(0o700)
    monkeypatch.setattr(binaries, "_site_packages", lambda: packages)
    with embedded.start(reachable / "pg") as server:
        copies = list(server.home.folder.glob("postgresql-*"))
        assert len(copies) == (1 if AS_ROOT else 0)
        with psycopg.connect(server.url) as connection:
            assert connection.execute("select 1").fetchone() == (1,)
    assert stat.S_IMODE(packages.parent.stat().st_mode) == 0o700


def test_the_owner_of_the_data_is_taken_rather_than_a_better_account(stopped: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    owner = (stopped / "data").stat().st_uid
    monkeypatch.setattr(account, "BORROWED", ("nobody", "postgres"))
    found = account.for_data(stopped / "data")
    assert (found.uid if found else os.geteuid()) == owner
