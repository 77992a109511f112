"""The hub's own processes on the test's database: real ones, to be stopped, or killed."""

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Self
from urllib.parse import quote

from django.db import connection

PROJECT = Path(__file__).resolve().parent.parent


def database_url() -> str:
    """The address of this test's database."""
    own = connection.settings_dict
    return f"postgresql://{quote(own['USER'])}:{quote(own['PASSWORD'])}@{own['HOST']}:{own['PORT']}/{own['NAME']}"


class HubProcess:
    """One `manage.py` command as a process of its own; it is dead after the `with` block."""

    def __init__(self, *arguments: str, log: Path, **environment: str) -> None:
        self._arguments = arguments
        self._log = log
        self._environment = {**os.environ, "DATABASE_URL": database_url(), **environment}
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> Self:
        with self._log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "manage.py", *self._arguments], cwd=PROJECT, env=self._environment, stdout=log, stderr=log
            )
        return self

    def kill(self) -> None:
        """kill -9: no farewell."""
        assert self.process is not None
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(10)

    def stop(self, within: float = 15) -> int:
        """SIGTERM; returns the exit status. Fails when the process does not end in time."""
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(within)

    @property
    def output(self) -> str:
        return self._log.read_text()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        if self.process is not None and self.process.poll() is None:
            self.kill()


def worker(tmp_path: Path, **environment: str) -> HubProcess:
    """A worker that looks around often, so that a test need not wait."""
    return HubProcess("sync_worker", log=tmp_path / "worker.log", **{"SYNC_SWEEP_SECONDS": "0.5", **environment})
