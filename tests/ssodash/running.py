"""A whole hub as `up` runs it, in a folder of its own, for tests that sign in to it and tests that kill parts of it."""

import os
import re
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Self

import requests

from ssodash.embedded import processes
from ssodash.embedded.home import Home
from tests.conftest import PROJECT, eventually_true
from tests.ports import free_port

START_SECONDS = 120  # a first start on a busy machine makes a database and migrates it
UNSET = {"DATABASE_URL", "SECRET_KEY", "EMBEDDED_PORT", "STATIC_ROOT", "DEBUG", "HOST", "PYTEST_CURRENT_TEST"}


class Hub:
    """`up` and everything it starts. Entering waits until it runs; leaving stops it, and fails if anything is left."""

    def __init__(self, var: Path, *arguments: str, **settings: str) -> None:
        self.var = var
        self.arguments = arguments
        # The pages' files that the test run's other hubs collected: collecting them takes longer than all the rest.
        static = Path(os.environ["STATIC_ROOT"]).with_name(f"collected-{os.environ.get('PYTEST_XDIST_WORKER', 'here')}")
        self.settings = {"PORT": str(free_port()), "VAR_DIR": str(var), "STATIC_ROOT": str(static), **settings}
        self.printed: list[str] = []

    @property
    def address(self) -> str:
        return f"http://localhost:{self.settings['PORT']}"

    @property
    def text(self) -> str:
        """All that it printed so far."""
        return "\n".join(self.printed)

    def begin(self) -> None:
        """Start it and do not wait."""
        environment = {name: value for name, value in os.environ.items() if name not in UNSET} | self.settings
        self.process = subprocess.Popen(
            [sys.executable, "-m", "ssodash.up", *self.arguments],
            cwd=PROJECT,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def __enter__(self) -> Self:
        self.begin()
        try:
            eventually_true(lambda: "SSO Dashboard runs" in self.text or self.process.poll() is not None, START_SECONDS)
            assert self.process.poll() is None, self.text
        except BaseException:
            self.kill()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.stop(signal.SIGINT)
        assert self.left() == []

    def stop(self, number: signal.Signals) -> int:
        """Ask it to end, as Ctrl-C (SIGINT) or `kill` (SIGTERM) do; its exit status. Fails when that takes longer than 10 s."""
        self.process.send_signal(number)
        try:
            return self.ended()
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"It did not end within 10 s:\n{self.text}") from None

    def ended(self, timeout: float = 10) -> int:
        """Wait for it to end by itself; its exit status."""
        status = self.process.wait(timeout)
        self._reader.join(timeout)
        return status

    def kill(self) -> None:
        """`kill -9` of `up` alone."""
        self.process.kill()
        self.process.wait()
        eventually_true(lambda: not self._reader.is_alive(), 15, message="Something still holds its output open")

    def left(self) -> list[int]:
        """The pids of all its programs, of their children and of its database: all that still run."""
        mark = f"VAR_DIR={self.var}".encode()
        found = []
        for entry in Path("/proc").iterdir():
            try:
                ours = entry.name.isdecimal() and mark in (entry / "environ").read_bytes().split(b"\0")
            except OSError:  # it ended, or is another account's
                continue
            if ours and int(entry.name) != os.getpid():
                found.append(int(entry.name))
        return found + processes.working_in(Home(self.var / "pg").data)

    def pid_of(self, part: str) -> int | None:
        """The pid of the program whose command line has this in it, None when there is none; of several, the first started."""
        return min((pid for pid in self.left() if part in command_line(pid)), default=None)

    def kill_program(self, part: str) -> int:
        """`kill -9` of that program; its pid."""
        pid = self.pid_of(part)
        assert pid is not None, f"{part} does not run"
        os.kill(pid, signal.SIGKILL)
        return pid

    def answers(self) -> bool:
        """Whether the dashboard shows its sign-in page, for which it asks the database."""
        try:
            return requests.get(f"{self.address}/admin/login/", timeout=5).ok
        except requests.RequestException:
            return False

    def can_sign_in(self, username: str, password: str) -> bool:
        session = requests.Session()
        page = session.get(f"{self.address}/admin/login/", timeout=10)
        token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', page.text)
        assert token is not None
        form = {"csrfmiddlewaretoken": token[1], "username": username, "password": password, "next": "/admin/"}
        answer = session.post(f"{self.address}/admin/login/", form, headers={"Referer": page.url}, timeout=10, allow_redirects=False)
        return answer.status_code == 302

    def _read(self) -> None:
        assert self.process.stdout is not None
        with self.process.stdout:
            for line in self.process.stdout:
                self.printed.append(line.rstrip("\n"))


def command_line(pid: int) -> str:
    """The command line of a process, empty when it has ended."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ")
    except OSError:
        return ""
