"""Receiving sites as real processes, for every test that needs a site: `with SampleSiteProcess("hrms", tmp_path, secret) as site:`.

A process is started by `start()` or by entering `with`, and always ended by leaving it. A restart keeps its port and,
for the sample site, its users. Nothing of the hub is imported here.
"""

from __future__ import annotations

import functools
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any, Self

from tests.ports import free_port

PROJECT = Path(__file__).resolve().parent.parent
EXAMPLES = PROJECT / "examples"
START_WITHIN = 20.0  # seconds
STOP_WITHIN = 5.0


class ReceiverProcess:
    """One receiving site on 127.0.0.1. Subclasses say what to run."""

    host = "127.0.0.1"

    def __init__(self, name: str, tmp_path: Path, port: int | None = None) -> None:
        self.name = name
        self.folder = tmp_path
        self.port = port or free_port()
        self.process: subprocess.Popen[bytes] | None = None
        self.log = tmp_path / f"{name}-{self.port}.log"

    # What a subclass says

    def command(self) -> list[str]:
        raise NotImplementedError

    def environment(self) -> dict[str, str]:
        return {}

    # What a test uses

    @property
    def url(self) -> str:
        return f"http://{self.host}:{self.port}"

    @property
    def running(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def start(self) -> Self:
        """Returns once the site answers; raises AssertionError with its output where it does not within 20 s."""
        self.begin()
        return self.answering()

    def begin(self) -> Self:
        """Starts it and does not wait: `answering` does. So several start at the same time."""
        assert not self.running, f"{self.name} is running already"
        assert not self._answered(), f"something else listens at {self.url}: {self.name} cannot be told from it"
        with self.log.open("ab") as log:
            environment = {**os.environ, "PORT": str(self.port), "PYTHONUNBUFFERED": "1", **self.environment()}
            self.process = subprocess.Popen(self.command(), cwd=PROJECT, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        return self

    def answering(self) -> Self:
        assert self.process is not None
        deadline = time.monotonic() + START_WITHIN
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                raise AssertionError(f"{self.name} ended with status {self.process.returncode} at start:\n{self.output()}")
            try:
                self.users()
                return self
            except OSError:
                time.sleep(0.02)
        self.kill()
        raise AssertionError(f"{self.name} did not answer at {self.url} within {START_WITHIN:.0f} s:\n{self.output()}")

    def stop(self) -> float:
        """SIGTERM; returns the seconds it took. Does nothing where it is not running."""
        return self._end(signal.SIGTERM)

    def kill(self) -> None:
        """SIGKILL: no chance to save anything."""
        self._end(signal.SIGKILL)

    def restart(self) -> Self:
        self.stop()
        return self.start()

    def users(self) -> list[dict[str, Any]]:
        """The users the site holds now, as its `/users.json` tells. Raises OSError where it does not answer."""
        users: list[dict[str, Any]] = self.get_json("/users.json")["users"]
        return users

    def user(self, key: str) -> dict[str, Any] | None:
        """The user with this id or email, or None."""
        return next((user for user in self.users() if key in (user.get("id"), user.get("email"))), None)

    def emails(self) -> set[str]:
        return {user["email"] for user in self.users()}

    def get(self, path: str) -> str:
        # Without an opener of our own, a proxy set in the environment would be asked for 127.0.0.1.
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(self.url + path, timeout=10) as answer:
            text: str = answer.read().decode()
        return text

    def get_json(self, path: str) -> Any:
        return json.loads(self.get(path))

    def output(self) -> str:
        """What the process wrote so far."""
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    def _answered(self) -> bool:
        with socket.socket() as probe:
            probe.settimeout(5)
            return probe.connect_ex((self.host, self.port)) == 0

    def _end(self, number: signal.Signals) -> float:
        if self.process is None:
            return 0.0
        since = time.monotonic()
        self.process.send_signal(number)
        try:
            self.process.wait(STOP_WITHIN)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(STOP_WITHIN)
            raise AssertionError(f"{self.name} did not end within {STOP_WITHIN:.0f} s of {number.name}:\n{self.output()}") from None
        return time.monotonic() - since

    def __enter__(self) -> Self:
        return self if self.running else self.start()

    def __exit__(self, *_: object) -> None:
        self.kill()


class SampleSiteProcess(ReceiverProcess):
    """`examples/sample_site`. `secret` is written to its secret file; None leaves the site without one."""

    def __init__(self, name: str, tmp_path: Path, secret: str | None, port: int | None = None, title: str | None = None) -> None:
        super().__init__(name, tmp_path, port)
        self.title = title or name.upper()
        self.data_file = tmp_path / f"{name}.data"
        self.secret_file = tmp_path / f"{name}.secret"
        if secret is not None:
            self.set_secret(secret)

    def set_secret(self, secret: str) -> None:
        """The site takes the new secret with its next request."""
        new = self.secret_file.with_suffix(".new")
        new.write_text(secret + "\n")
        new.replace(self.secret_file)

    def command(self) -> list[str]:
        options = {"--name": self.name, "--title": self.title, "--port": str(self.port), "--data": str(self.data_file)}
        options["--secret-file"] = str(self.secret_file)
        return [sys.executable, "-m", "examples.sample_site", *(part for option in options.items() for part in option)]


class NodeMinimalProcess(ReceiverProcess):
    """`examples/node-minimal`: the site in a dozen lines; keeps its users in memory."""

    def __init__(self, tmp_path: Path, port: int | None = None) -> None:
        super().__init__("node-minimal", tmp_path, port)

    def command(self) -> list[str]:
        return [node(), str(EXAMPLES / "node-minimal" / "server.mjs")]


class NodeVerifiedProcess(ReceiverProcess):
    """`examples/node-verified`; keeps its users in memory."""

    def __init__(self, tmp_path: Path, secret: str, port: int | None = None) -> None:
        super().__init__("node-verified", tmp_path, port)
        self.secret = secret

    def command(self) -> list[str]:
        return [node(), str(EXAMPLES / "node-verified" / "server.mjs")]

    def environment(self) -> dict[str, str]:
        return {"SYNC_SECRET": self.secret}


class PythonMinimalProcess(ReceiverProcess):
    """`examples/python-minimal`; keeps its users in memory."""

    def __init__(self, tmp_path: Path, secret: str, port: int | None = None) -> None:
        super().__init__("python-minimal", tmp_path, port)
        self.secret = secret

    def command(self) -> list[str]:
        return [sys.executable, str(EXAMPLES / "python-minimal" / "receiver.py")]

    def environment(self) -> dict[str, str]:
        return {"SYNC_SECRET": self.secret}


@functools.cache
def node() -> str:
    """The path of a Node that is new enough. Raises AssertionError saying how to get one."""
    path = shutil.which("node")
    remedy = "The Node examples are tested on Node 18 or newer: apt-get install nodejs"
    assert path, f"node was not found. {remedy}"
    version = subprocess.run([path, "--version"], capture_output=True, text=True, check=True, timeout=20).stdout.strip()
    assert int(version.lstrip("v").split(".")[0]) >= 18, f"{path} is {version}. {remedy}"
    return path
