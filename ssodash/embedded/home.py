"""The folder of one embedded PostgreSQL: what lies in it, where it lies, and who may start or stop it right now."""

import contextlib
import fcntl
import functools
import os
import secrets
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from ssodash.embedded import account
from ssodash.embedded.account import Account
from ssodash.embedded.errors import EmbeddedError
from ssodash.embedded.patience import Patience

ELSEWHERE = Path("/var/lib/ssodash")
"""Where root keeps the data of a clone that the borrowed account cannot reach (a clone under /root, say)."""
LARGEST_LOG = 10_000_000  # bytes; a longer one is set aside at the next start


class Home:
    """One embedded PostgreSQL's folder: `data` (the cluster), `password`, `port`, `log`, and the locks.

    `mutex` is held while somebody starts or stops the server. `holder` is locked for as long as the process lives that
    started it: locks, unlike pid files, never outlive a process.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.data = folder / "data"
        self.log = folder / "log"

    @functools.cached_property
    def account(self) -> Account | None:
        """Whom the server runs as. Raises EmbeddedError when that account cannot reach the data."""
        found = account.for_data(self.data)
        if found is not None and not found.can_enter(self.folder):
            raise EmbeddedError(
                f"The database in {self.folder} runs as the account {found.name!r}, which cannot reach it: a folder above it is closed "
                "to others. Open that folder (`chmod o+x`), or move the clone, or remove the database to start anew."
            )
        return found

    @contextlib.contextmanager
    def mutex(self, patience: Patience) -> Iterator[None]:
        """Only one process at a time starts or stops this server. Raises EmbeddedError when that takes too long."""
        with _opened(self.folder / "lock") as lock:
            while not _try_lock(lock):
                if patience.is_over():
                    raise EmbeddedError(
                        f"Another process has been starting or stopping the database in {self.folder} for {patience.seconds:.0f} s. "
                        "Wait for it, or end it, and try again."
                    )
                time.sleep(0.05)
            yield

    def try_to_hold(self) -> int | None:
        """Become the process that runs the server: a file descriptor to keep open until it is stopped; None if another one is."""
        descriptor = os.open(self.folder / "holder", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        if not _try_lock(descriptor):
            os.close(descriptor)
            return None
        os.ftruncate(descriptor, 0)
        os.write(descriptor, str(os.getpid()).encode())
        return descriptor

    def holder(self) -> int | None:
        """The pid of the process that runs the server; None when none does."""
        path = self.folder / "holder"
        if not path.exists():
            return None
        with _opened(path) as descriptor:
            if _try_lock(descriptor):
                return None
            text = os.read(descriptor, 32).decode(errors="replace")
            return int(text) if text.isdecimal() else -1

    def password(self) -> str:
        """The server's password, made up the first time."""
        return self.read("password") or self.write("password", secrets.token_urlsafe(24))

    def port(self) -> int | None:
        """The port of the last start; None before the first."""
        text = self.read("port")
        return int(text) if text.isdecimal() else None

    def read(self, name: str) -> str:
        """The text of a small file; empty when it is not there."""
        try:
            return (self.folder / name).read_text().strip()
        except FileNotFoundError:
            return ""

    def write(self, name: str, text: str) -> str:
        """Keep a small text in a file that only we can read; never half of it."""
        descriptor, path = tempfile.mkstemp(dir=self.folder, prefix=f".{name}-")  # mkstemp makes it 0600
        with os.fdopen(descriptor, "w") as file:
            file.write(text)
        os.replace(path, self.folder / name)
        return text

    def begin_log(self) -> int:
        """Where in the log, in bytes, the next start begins. A long log is set aside."""
        with contextlib.suppress(FileNotFoundError):
            if self.log.stat().st_size <= LARGEST_LOG:
                return self.log.stat().st_size
            self.log.replace(self.log.with_suffix(".old"))
        return 0

    def open_log(self) -> int:
        """A file descriptor that appends to the log. We open it, so the server's account needs no right to it."""
        return os.open(self.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)


def locate(asked: Path, patience: Patience | None = None) -> Home:
    """The home for the folder that was asked for: that folder, unless PostgreSQL's account cannot reach it.

    Then it is a folder under ELSEWHERE, made once and remembered in `asked/location`, so a clone keeps its own.
    Raises EmbeddedError, or OSError when the folder cannot be made or read.
    """
    make_folder(asked)
    asked = asked.resolve()
    home = Home(asked)
    with home.mutex(patience or Patience(60)):
        remembered = home.read("location")
        if remembered:
            if not Path(remembered).is_dir():
                raise EmbeddedError(
                    f"The database of this clone lies in {remembered}, says {asked / 'location'}, but that folder is gone. "
                    f"Bring it back, or remove {asked} to start with an empty database."
                )
            return Home(Path(remembered))
        borrowed = account.for_data(home.data)
        if borrowed is None or home.data.exists() or borrowed.can_enter(asked):
            return home
        make_folder(ELSEWHERE)
        elsewhere = ELSEWHERE / f"{asked.parent.parent.name or 'data'}-{secrets.token_hex(4)}"
        make_folder(elsewhere)
        if not borrowed.can_enter(elsewhere):
            raise EmbeddedError(
                f"PostgreSQL has to run as the account {borrowed.name!r} here, which can reach neither {asked} nor {elsewhere}. "
                "Run this as an ordinary user, or set DATABASE_URL."
            )
        home.write("location", str(elsewhere))
        return Home(elsewhere)


def make_folder(folder: Path) -> None:
    """Make a folder where there is none; one that exists keeps its mode, and so do those above it.

    For root it is open to pass through (PostgreSQL runs as another account), otherwise it is ours alone.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    before = os.umask(0)  # the mode has to be right from the start: another start may look at it at once
    try:
        with contextlib.suppress(FileExistsError):
            folder.mkdir(0o711 if os.geteuid() == 0 else 0o700)
    finally:
        os.umask(before)


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[int]:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        yield descriptor
    finally:
        os.close(descriptor)  # which also gives the lock back


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
