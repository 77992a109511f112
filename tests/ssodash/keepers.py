"""Processes that start the embedded database and keep it, for tests that kill them."""

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Self

from ssodash.embedded import account, processes
from ssodash.embedded.home import locate
from tests.conftest import PROJECT, eventually_true

SCRIPT = """
import sys, time
from pathlib import Path
from ssodash import embedded
server = embedded.start(Path(sys.argv[1]), settings={"fsync": "off"})
print("ours" if server.ours else "theirs", server.url, flush=True)
sys.stdin.read()
server.stop()
"""


class Keeper:
    """A process that starts the database of this folder, and stops it when it is told to `finish()`."""

    def __init__(self, folder: Path) -> None:
        command = [sys.executable, "-c", SCRIPT, str(folder)]
        self.process = subprocess.Popen(command, cwd=PROJECT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self._answer: list[str] = []

    def __enter__(self) -> Self:
        self._answers()
        return self

    def __exit__(self, *_: object) -> None:
        self.finish()

    @property
    def ours(self) -> bool:
        """Whether it started the server, and did not find it running."""
        return self._answers()[0] == "ours"

    @property
    def url(self) -> str:
        return self._answers()[1]

    def kill(self) -> None:
        self.process.kill()
        self.process.communicate()

    def finish(self) -> None:
        if self.process.poll() is None:
            self.process.communicate()  # which closes its standard input

    def _answers(self) -> list[str]:
        if not self._answer:
            assert self.process.stdout is not None
            self._answer = self.process.stdout.readline().split()
            assert len(self._answer) == 2, "the keeper could not start the database"
        return self._answer


def postmaster(folder: Path) -> int:
    """The pid of the server of this folder."""
    data = locate(folder).data
    pid = int((data / "postmaster.pid").read_text().splitlines()[0])
    assert pid in processes.working_in(data)
    return pid


def is_gone(folder: Path) -> bool:
    """Whether no PostgreSQL process works in this folder any more."""
    return not processes.working_in(locate(folder).data)


def kill_server(folder: Path) -> None:
    """`kill -9` of the postmaster; its backends notice and end."""
    os.kill(postmaster(folder), signal.SIGKILL)
    eventually_true(lambda: is_gone(folder), message="The backends did not end")


def bystander(folder: Path) -> subprocess.Popen[bytes]:
    """A process that has nothing to do with PostgreSQL, but runs as the account that PostgreSQL runs as."""
    whom = account.as_account(account.for_data(locate(folder).data))
    return subprocess.Popen(["/bin/sleep", "600"], cwd="/", **whom)
