"""Which PostgreSQL processes work in a data folder. Asked of the system: the pid file tells lies after a crash."""

import contextlib
import os
import signal
import subprocess
import time
from pathlib import Path

PROC = Path("/proc")


def working_in(data: Path) -> list[int]:
    """The pids of the PostgreSQL processes, postmaster and backends, whose data folder this is."""
    return _by_proc(data) if PROC.joinpath("self", "cwd").exists() else _by_ps(data)


def end(data: Path, timeout: float) -> bool:
    """End every PostgreSQL process in this folder, as gently as the seconds allow; whether none is left.

    Fast shutdown for most of the time, then immediate (the next start recovers), then kill.
    """
    for number, share in ((signal.SIGINT, 0.7), (signal.SIGQUIT, 0.2), (signal.SIGKILL, 0.1)):
        pids = working_in(data)
        for pid in pids if number == signal.SIGKILL else _postmaster_or_all(data, pids):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)
        if wait_until_gone(data, timeout * share):
            return True
    return False


def wait_until_gone(data: Path, timeout: float) -> bool:
    """Wait for every PostgreSQL process in this folder to end; whether they did within the seconds."""
    deadline = time.monotonic() + timeout
    while working_in(data):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.03)
    return True


def drop_lying_pid_file(data: Path) -> None:
    """Remove a `postmaster.pid` that PostgreSQL would believe although no server runs here: a reused pid, or half a file.

    Only call this under the mutex. A file that PostgreSQL sees through by itself stays, for it also names the shared
    memory that PostgreSQL checks before it starts.
    """
    path = data / "postmaster.pid"
    try:
        lines = path.read_text(errors="replace").splitlines()
    except FileNotFoundError:
        return
    if working_in(data):
        return
    first = lines[0].strip() if lines else ""
    if not first.isdecimal() or _exists(int(first)):
        path.unlink(missing_ok=True)


def _postmaster_or_all(data: Path, pids: list[int]) -> list[int]:
    """The postmaster alone where it lives: it stops its backends in the right order."""
    with contextlib.suppress(OSError, ValueError, IndexError):
        postmaster = int((data / "postmaster.pid").read_text().splitlines()[0])
        if postmaster in pids:
            return [postmaster]
    return pids


def _by_proc(data: Path) -> list[int]:
    found = []
    for entry in os.listdir(PROC):
        # A process that just ended, or is another account's, cannot be read: it is none of ours. The name is asked too,
        # for a person's shell may stand in the folder.
        with contextlib.suppress(OSError):
            if entry.isdecimal() and os.readlink(PROC / entry / "cwd") == str(data) and _name(entry) == "postgres":
                found.append(int(entry))
    return found


def _name(pid: str) -> str:
    return (PROC / pid / "comm").read_text().strip()


def _by_ps(data: Path) -> list[int]:
    """Without /proc only the postmaster can be told: by its command line."""
    listing = subprocess.run(["/bin/ps", "-axww", "-o", "pid=,command="], capture_output=True, text=True, check=False).stdout
    lines = (line.split(None, 1) for line in listing.splitlines())
    return [int(line[0]) for line in lines if len(line) == 2 and "postgres" in line[1] and f"-D {data} " in f"{line[1]} "]


def _exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        return True
    return True
