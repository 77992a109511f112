"""Make the data folder, and run the server program on it."""

import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ssodash.embedded import account, probe
from ssodash.embedded.errors import EmbeddedError
from ssodash.embedded.home import Home
from ssodash.leash import die_with_parent
from ssodash.ports import LOOPBACK

SETTINGS = {
    "listen_addresses": LOOPBACK,
    "unix_socket_directories": "",  # a socket lies in a folder, and folders are what other accounts get wrong
    "max_connections": "200",
    "log_min_messages": "warning",
    "log_checkpoints": "off",
    "random_page_cost": "1.1",  # the default is a spinning disk's: it reads ten thousand deliveries in a row to find a user's hundred
}
TIDY = {"PATH": os.defpath, "LC_ALL": "C"}
"""The environment of the server programs: nothing of ours, so no PGDATA and no secret gets in. Messages in English: we read them."""


def create(home: Home, install: Path) -> None:
    """Make the data folder where there is none. One that was cut short leaves nothing. Raises EmbeddedError."""
    if (home.data / "PG_VERSION").exists():
        return
    if home.data.exists() and any(home.data.iterdir()):
        raise EmbeddedError(f"{home.data} is no PostgreSQL data folder, yet something is in it. Move it away and try again.")
    as_whom = home.account
    half = home.folder / "data.half"
    shutil.rmtree(half, ignore_errors=True)
    half.mkdir(0o700)
    descriptor, password_file = tempfile.mkstemp(dir=home.folder)
    try:
        with os.fdopen(descriptor, "w") as file:
            file.write(home.password() + "\n")
        if as_whom is not None:
            os.chown(half, as_whom.uid, as_whom.gid)
            os.chown(password_file, as_whom.uid, as_whom.gid)
        _initdb(install, half, password_file, account.as_account(as_whom))
    finally:
        os.unlink(password_file)
    if home.data.exists():
        home.data.rmdir()
    half.rename(home.data)


def _initdb(install: Path, data: Path, password_file: str, as_whom: dict[str, Any]) -> None:
    command = [str(install / "bin" / "initdb"), "-D", str(data), "-U", probe.USER, "--auth=scram-sha-256", f"--pwfile={password_file}"]
    command += ["--encoding=UTF8", "--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--no-instructions"]
    try:
        done = subprocess.run(  # in a session of its own: a Ctrl-C must not leave half a database
            command, cwd="/", env=TIDY, capture_output=True, text=True, errors="replace", check=False, start_new_session=True, **as_whom
        )
    except OSError as error:
        raise EmbeddedError(f"initdb, which makes the embedded database, cannot be run: {error}. Set DATABASE_URL instead.") from error
    if done.returncode:
        shutil.rmtree(data, ignore_errors=True)
        raise EmbeddedError(f"The embedded database could not be made in {data.parent}: {_last_lines(done.stderr or done.stdout)}")


def launch(home: Home, install: Path, port: int, settings: Mapping[str, str]) -> subprocess.Popen[bytes]:
    """Run the server. It shuts down by itself when this process ends. Raises EmbeddedError when it cannot even be tried."""
    command = [str(install / "bin" / "postgres"), "-D", str(home.data)]
    for name, value in {**SETTINGS, "port": str(port), **settings}.items():
        command += ["-c", f"{name}={value}"]
    log = home.open_log()
    try:
        return subprocess.Popen(
            command,
            cwd="/",
            env=TIDY,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,  # a Ctrl-C in the terminal is ours to handle: the web must not lose its database first
            preexec_fn=die_with_parent(signal.SIGINT),
            **account.as_account(home.account),
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise EmbeddedError(f"The embedded PostgreSQL cannot be run: {error}. Set DATABASE_URL instead.") from error
    finally:
        os.close(log)


def complaint(home: Home, offset: int) -> str:
    """What the server wrote to its log since this byte: the last lines that say what is wrong."""
    with home.log.open("rb") as log:
        log.seek(offset)
        text = log.read().decode(errors="replace")
    return _last_lines(text)


def _last_lines(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    telling = [line for line in lines if any(word in line for word in ("FATAL", "PANIC", "ERROR", "error:", "HINT"))] or lines
    return " / ".join(telling[-4:]) or "it said nothing"
