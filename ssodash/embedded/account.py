"""The operating system account that PostgreSQL runs as. PostgreSQL refuses to run as root, so root lends it another one."""

import os
import pwd
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ssodash.embedded.errors import EmbeddedError

BORROWED = ("postgres", "nobody")
"""Accounts that root may run PostgreSQL as, the best first."""


@dataclass(frozen=True, slots=True)
class Account:
    """An account that is not ours: only root has one of these."""

    name: str
    uid: int
    gid: int

    def can_enter(self, folder: Path) -> bool:
        """Whether this account can reach the folder, through everything above it."""
        return self._succeeds(["/bin/sh", "-c", 'cd "$0"', str(folder)])

    def can_run(self, program: Path) -> bool:
        """Whether this account can start the program, the libraries it needs included."""
        return self._succeeds([str(program), "--version"])

    def _succeeds(self, command: list[str]) -> bool:
        try:
            return subprocess.run(command, cwd="/", capture_output=True, timeout=30, check=False, **as_account(self)).returncode == 0
        except (OSError, subprocess.SubprocessError):
            return False


def as_account(account: Account | None) -> dict[str, Any]:
    """What to pass to `subprocess` so that the child runs as this account; None means as ourselves."""
    return {} if account is None else {"user": account.uid, "group": account.gid, "extra_groups": []}


def for_data(data: Path) -> Account | None:
    """The account to run as: None, that is ourselves, unless we are root; then the owner of the data, or one to borrow.

    The owner comes first, for PostgreSQL refuses data of another account: a `nobody` stays one when a `postgres` appears later.
    Raises EmbeddedError when there is none.
    """
    if os.geteuid() != 0:
        return None
    if data.exists() and (owner := data.stat().st_uid) != 0:
        try:
            entry = pwd.getpwuid(owner)
        except KeyError:
            return Account(str(owner), owner, data.stat().st_gid)
        return Account(entry.pw_name, entry.pw_uid, entry.pw_gid)
    for name in BORROWED:
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return Account(name, entry.pw_uid, entry.pw_gid)
    raise EmbeddedError(
        "PostgreSQL refuses to run as root, and this machine has neither an account 'postgres' nor 'nobody' to run it as. "
        "Create one with `useradd --system postgres`, or run this as an ordinary user, or set DATABASE_URL."
    )
