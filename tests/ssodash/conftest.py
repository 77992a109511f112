"""Folders for embedded databases and running hubs."""

import contextlib
import secrets
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

from ssodash import embedded
from ssodash.embedded import account, processes
from ssodash.embedded.home import Home


@contextlib.contextmanager
def open_folder() -> Iterator[Path]:
    """An empty folder that other accounts can pass through, as those of pytest cannot. Databases in it are ended and removed."""
    folder = Path(tempfile.mkdtemp(prefix="ssodash-test-", dir=_open_temporary_folder()))
    folder.chmod(0o711)
    yield folder
    for lock in folder.glob("*/lock"):
        processes.end(Home(lock.parent).data, timeout=5)
        embedded.remove(lock.parent)
    shutil.rmtree(folder)


def _open_temporary_folder() -> str:
    """Usually $TMPDIR; not where that is closed to the account that PostgreSQL runs as."""
    borrowed = account.for_data(Path("/nonexistent"))
    folders = (tempfile.gettempdir(), "/tmp", "/var/tmp")  # noqa: S108  (mkdtemp makes the name)
    return next(folder for folder in folders if borrowed is None or borrowed.can_enter(Path(folder)))


@pytest.fixture
def reachable() -> Iterator[Path]:
    """See open_folder."""
    with open_folder() as folder:
        yield folder


@pytest.fixture
def hub_folder() -> Iterator[Path]:
    """An empty folder for what a running hub keeps (its VAR_DIR)."""
    with open_folder() as folder:
        yield folder


@pytest.fixture(scope="module")
def module_folder() -> Iterator[Path]:
    """The same, shared by the tests of a module."""
    with open_folder() as folder:
        yield folder


@pytest.fixture(scope="session")
def made_database() -> Iterator[Path]:
    """The folder of one database for all tests of a run: making one takes a second or two."""
    with open_folder() as folder:
        with embedded.start(folder / "pg", settings={"fsync": "off"}):
            pass
        yield folder / "pg"


@pytest.fixture
def stopped(made_database: Path) -> Iterator[Path]:
    """The folder of a database that is not running. A test may spoil its pid file and its port, and crash it."""
    home = Home(made_database)
    port = home.read("port")
    yield made_database
    assert processes.end(home.data, timeout=10)
    (home.data / "postmaster.pid").unlink(missing_ok=True)
    home.write("port", port)


@pytest.fixture
def remember() -> Callable[[str, int], list[int]]:
    """`remember(url, number)` writes a number down in a table of this test's own, and gives all that were."""
    table = f"remembered_{secrets.token_hex(4)}"

    def write_and_read(url: str, what: int) -> list[int]:
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(f"create table if not exists {table} (what int)")  # type: ignore[arg-type]
            connection.execute(f"insert into {table} values (%s)", [what])  # type: ignore[arg-type]
            return [row[0] for row in connection.execute(f"select what from {table} order by what")]  # type: ignore[arg-type]

    return write_and_read
