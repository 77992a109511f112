"""The hub's processes: workers and web servers on one database, to be killed and started again."""

import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Self

import pytest

from ssodash.leash import die_with_parent
from tests.conftest import eventually_true
from tests.ports import free_port
from tests.processes import PROJECT

WORKER = ("manage.py", "sync_worker")
WEB = ("-m", "gunicorn", "ssodash.wsgi")


class Program:
    """One process, with its children, in a process group of its own. Start it in the thread that outlives it: it ends with that."""

    def __init__(self, kind: str, number: int, command: tuple[str, ...], folder: Path, environment: dict[str, str]) -> None:
        self.kind = kind
        self.name = f"{kind}{number}"
        self.log = folder / f"{self.name}.log"
        self.port = 0
        self._command = command
        self._environment = {**os.environ, **environment}
        if "DATABASE_URL" in environment:
            self._environment["DATABASE_URL"] = _named(environment["DATABASE_URL"], self.name)
        if kind == "web":
            self.port = free_port()
            self._environment |= {"PORT": str(self.port), "WEB_WORKERS": "1", "WEB_THREADS": "4", "WEB_GRACE_SECONDS": "5"}
        self._started_at = 0
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        assert self.process is not None
        return self.process.pid

    @property
    def running(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def start(self) -> Self:
        with self.log.open("ab") as log:
            self._started_at = log.tell()
            self.process = subprocess.Popen(
                [sys.executable, *self._command], cwd=PROJECT, env=self._environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                start_new_session=True, preexec_fn=die_with_parent(signal.SIGTERM),
            )  # fmt: skip
        return self

    def kill(self) -> None:
        """kill -9 of it and of its children."""
        if self.process is not None:
            with suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait(10)

    def stop(self, within: float = 15) -> float:
        """SIGTERM; returns the seconds it took to end. Raises subprocess.TimeoutExpired."""
        assert self.process is not None
        since = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(within)
        return time.monotonic() - since

    @property
    def ready(self) -> bool:
        """Whether a web server answers, or a worker says that it runs."""
        if self.kind == "worker":
            return self.running and "The worker is running" in self.output[self._started_at :]
        try:
            with _opener.open(f"http://127.0.0.1:{self.port}/admin/login/", timeout=5):
                return True
        except OSError:
            return False

    @property
    def output(self) -> str:
        """All that it wrote, over all its lives."""
        return self.log.read_bytes().decode("latin-1") if self.log.exists() else ""


class Hub:
    """So many workers and web servers on this database; all are dead after the `with` block."""

    def __init__(self, url: str, folder: Path, *, workers: int = 1, web: int = 0, **environment: str) -> None:
        given = {"DATABASE_URL": url, "SYNC_SWEEP_SECONDS": "0.5", "SYNC_PUSH_DEADLINE": "2", **environment}
        self.workers = [Program("worker", number, WORKER, folder, given) for number in range(1, workers + 1)]
        self.web = [Program("web", number, WEB, folder, given) for number in range(1, web + 1)]

    @property
    def programs(self) -> list[Program]:
        return [*self.workers, *self.web]

    def start(self) -> None:
        """Starts what does not run."""
        for program in self.programs:
            if not program.running:
                program.start()

    def kill(self) -> None:
        """kill -9 of everything."""
        for program in self.programs:
            program.kill()

    @property
    def ready(self) -> bool:
        return all(program.ready for program in self.programs)

    def eventually(self, look: Callable[[], Any], timeout: float, message: str) -> None:
        """Waits for it; fails with what the programs wrote meanwhile."""
        try:
            eventually_true(look, timeout, message=message)
        except pytest.fail.Exception as failed:
            raise AssertionError(f"{failed}\n{self.output}") from None

    @property
    def output(self) -> str:
        """The last lines that each program wrote."""
        return "\n".join(f"--- {program.name}\n" + "\n".join(program.output.splitlines()[-15:]) for program in self.programs)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()


# A proxy set in the environment must not be asked for 127.0.0.1.
_opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def _named(url: str, name: str) -> str:
    """The address, with the program's name where a trigger can read it: `current_setting('chaos.program')`."""
    return f"{url}{'&' if '?' in url else '?'}options=-c%20chaos.program%3D{name}"
