"""Start the embedded PostgreSQL, or find the one that runs; stop the one we started."""

import contextlib
import os
import shutil
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import psycopg

from ssodash import ports
from ssodash.embedded import binaries, cluster, probe, processes
from ssodash.embedded.errors import EmbeddedError, PortTaken
from ssodash.embedded.home import ELSEWHERE, Home, locate
from ssodash.embedded.patience import Patience
from ssodash.embedded.probe import Answer

STOP_SECONDS = 5
LEFTOVER_SECONDS = 10
"""How long a server that nobody keeps any more may take to end."""
THROWAWAY = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off", "autovacuum": "off"}
"""Settings for a database that nobody will miss: much faster, and lost when the machine fails."""


@dataclass
class Server:
    """A running embedded PostgreSQL. `url` is for DATABASE_URL and holds the password."""

    url: str = field(repr=False)
    port: int
    home: Home = field(repr=False)
    process: subprocess.Popen[bytes] | None = field(default=None, repr=False)
    held: int | None = field(default=None, repr=False)

    @property
    def ours(self) -> bool:
        """Whether this process started it, and so has to stop it."""
        return self.process is not None

    def is_alive(self) -> bool:
        """Whether it still runs; of one that another process started: whether that process still keeps it."""
        if self.process is not None:
            return self.process.poll() is None
        return self.home.holder() is not None

    def stop(self, timeout: float = STOP_SECONDS) -> None:
        """Stop it within the seconds, if this process started it; otherwise leave it alone. May be called twice."""
        if self.process is None or self.held is None:
            return
        with contextlib.suppress(EmbeddedError), self.home.mutex(Patience(timeout)):  # better stop it unlocked than leave it running
            self._end(timeout)
        self._end(timeout)
        os.close(self.held)
        self.process = self.held = None

    def _end(self, timeout: float) -> None:
        if self.process is None:
            return
        if self.process.poll() is None:
            processes.end(self.home.data, timeout)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(1)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


def start(
    data_dir: Path,
    *,
    port: int | None = None,
    settings: Mapping[str, str] | None = None,
    timeout: float = 60,
    still_wanted: Callable[[], None] = lambda: None,
) -> Server:
    """The embedded PostgreSQL of this folder: the running one, or one started now, with the hub's (maybe empty) database in it.

    The folder is made when needed. `port` overrides the one kept from the last start (the first time a free one is
    chosen). A server started here stops when `stop()` is called, or by itself when this process ends; call this from the
    main thread. `still_wanted` is called while it waits, and may raise to give up. Raises PortTaken, or EmbeddedError;
    waits `timeout` seconds at most.
    """
    if threading.current_thread() is not threading.main_thread():
        raise RuntimeError("start() ties the server to the thread that calls it: call it from the main thread")
    patience = Patience(timeout, still_wanted)
    try:
        home = locate(data_dir, patience)
        while True:
            with home.mutex(patience):
                held = home.try_to_hold()
                if held is not None:
                    return _start_held(home, held, port, settings or {}, patience)
                running = _find(home)
            if running:
                return running
            if patience.is_over():
                raise EmbeddedError(
                    f"Process {home.holder()} keeps the embedded PostgreSQL in {home.folder}, but it does not answer. "
                    f"End that process and try again; the server's log is {home.log}."
                )
            time.sleep(0.1)
    except OSError as error:
        raise EmbeddedError(_about(error, data_dir)) from error


def find(data_dir: Path) -> Server | None:
    """The running server of this folder, never to be stopped by us; None when none runs. Raises EmbeddedError."""
    home = find_home(data_dir)
    return _find(home) if home is not None and home.holder() else None


def find_home(data_dir: Path) -> Home | None:
    """Where the database of this folder lies; None when it was never made. Raises EmbeddedError."""
    try:
        return locate(data_dir) if data_dir.exists() else None
    except OSError as error:
        raise EmbeddedError(_about(error, data_dir)) from error


@contextlib.contextmanager
def throwaway() -> Iterator[Server]:
    """A fast server in a temporary folder, gone without trace at the end."""
    folder = Path(tempfile.mkdtemp(prefix="ssodash-"))
    folder.chmod(0o711)  # ours alone, made a line above; the account that PostgreSQL runs as has to pass through
    try:
        with start(folder / "pg", settings=THROWAWAY) as server:
            yield server
    finally:
        remove(folder / "pg")
        folder.rmdir()


def remove(data_dir: Path) -> None:
    """Remove the database of this folder and the folder, wherever it lies. Only when no server runs in it. Raises OSError."""
    if not data_dir.exists():
        return
    elsewhere = Home(data_dir).read("location")
    if elsewhere:
        shutil.rmtree(elsewhere)
        with contextlib.suppress(OSError):  # others may keep theirs there
            ELSEWHERE.rmdir()
    shutil.rmtree(data_dir)


def _find(home: Home) -> Server | None:
    password = home.read("password")
    for port in _running_ports(home):
        if password and probe.ask(port, password, home.data) == Answer.READY:
            return Server(probe.url(port, password), port, home)
    return None


def _running_ports(home: Home) -> list[int]:
    """Where the server may listen: as its pid file says, which is truer than what we remember, unless it was cut short."""
    found = []
    with contextlib.suppress(OSError, IndexError, ValueError):
        found.append(int((home.data / "postmaster.pid").read_text(errors="replace").splitlines()[3]))
    return found + [port for port in [home.port()] if port]


def _start_held(home: Home, held: int, port: int | None, settings: Mapping[str, str], patience: Patience) -> Server:
    process = None
    try:
        # A server without a holder is a leftover: its starter was killed, and it is about to end, or ought to.
        if not processes.end(home.data, timeout=LEFTOVER_SECONDS):
            pids = ", ".join(map(str, processes.working_in(home.data)))
            raise EmbeddedError(f"PostgreSQL of an earlier start still runs in {home.data}. End these processes: {pids}.")
        processes.drop_lying_pid_file(home.data)
        install = binaries.for_account(home.account, home.folder)
        cluster.create(home, install)
        fixed = port or home.port()
        chosen = fixed or ports.propose(str(home.folder))
        while True:
            _require_free(chosen)
            offset = home.begin_log()
            process = cluster.launch(home, install, chosen, settings)
            trouble = _wait_until_ready(home, process, chosen, offset, patience)
            if trouble is None:
                break
            if "could not create any TCP/IP sockets" not in trouble and "in use" not in trouble:
                raise EmbeddedError(f"The embedded PostgreSQL did not start: {trouble}. Its log is {home.log}.")
            if fixed or patience.is_over():
                raise PortTaken(_taken(chosen))
            chosen = ports.propose(str(home.folder))  # someone was faster; nobody knows our port yet
        if chosen != home.port():
            home.write("port", str(chosen))
        probe.create_database(chosen, home.password())
        return Server(probe.url(chosen, home.password()), chosen, home, process, held)
    except BaseException as error:
        if process is not None and process.poll() is None:
            processes.end(home.data, STOP_SECONDS)
        os.close(held)
        if isinstance(error, psycopg.Error):
            why = " ".join(str(error).split())
            raise EmbeddedError(f"The embedded PostgreSQL started but does not work: {why}. Its log is {home.log}.") from error
        raise


def _wait_until_ready(home: Home, process: subprocess.Popen[bytes], port: int, offset: int, patience: Patience) -> str | None:
    """None when it is ready; what it said when it ended instead. Raises EmbeddedError at the deadline."""
    while True:
        if process.poll() is not None:
            return cluster.complaint(home, offset)
        if probe.ask(port, home.password(), home.data) == Answer.READY:
            return None
        if patience.is_over():
            raise EmbeddedError(
                f"The embedded PostgreSQL is not ready yet (recovering after a crash?). Its log is {home.log}. Try again in a while."
            )
        time.sleep(0.05)


def _require_free(port: int) -> None:
    try:
        taken = ports.is_taken(port)
    except OSError as error:
        raise EmbeddedError(
            f"The embedded PostgreSQL cannot use port {port} ({error.strerror}). Choose another: EMBEDDED_PORT=15432."
        ) from error
    if taken:
        raise PortTaken(_taken(port))


def _taken(port: int) -> str:
    return (
        f"Port {port} on {ports.LOOPBACK}, which the embedded PostgreSQL uses, is taken by another program. "
        f"Stop that program, or choose another port once: EMBEDDED_PORT={port + 1} (it is kept from then on)."
    )


def _about(error: OSError, data_dir: Path) -> str:
    what = f"{error.strerror or error}" + (f": {error.filename}" if error.filename else "")
    return (
        f"The embedded PostgreSQL cannot use {data_dir} ({what}). "
        "It must belong to the account that runs this. If another one made it, run this as that one, or remove it to start anew."
    )
