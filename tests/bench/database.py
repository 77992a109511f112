"""The bench's PostgreSQL: the embedded one in a temporary folder, with the settings that `make run` has (it syncs to disk)."""

import contextlib
import os
import re
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg

from ssodash import embedded

ENVIRONMENT = {
    "SECRET_KEY": "a-key-that-signs-nothing-in-a-database-that-nobody-will-miss",
    "DEBUG": "false",
    "HTTPS": "",
    "LOG_LEVEL": "WARNING",
    "SYNC_ROLES": "user,staff,lead,manager,admin",
    **dict.fromkeys(["SYNC_ON_SAVE", "SYNC_PUSH_DEADLINE", "SYNC_PUSH_THREADS", "SYNC_PUSH_MAX", "SYNC_SWEEP_SECONDS"], ""),
    **dict.fromkeys(["SYNC_LOG_DAYS", "SYNC_WORKER_IN_FLIGHT", "SYNC_CONNECT_TIMEOUT"], ""),
}
"""The hub's defaults, whatever the caller's environment or `.env` says."""
_OURS = ("pg_reload_conf", "alter system")
_DURATION = re.compile(r"duration: ([0-9.]+) ms([^\n]*(?:\n\t[^\n]*)*)")


class Database:
    """A connection of the bench's own, in autocommit; it does not say that it pushes, so its changes are the worker's at once."""

    def __init__(self, server: embedded.Server) -> None:
        self._server = server
        self.url = server.url
        self.connection = psycopg.connect(server.url, autocommit=True)

    def sql(self, query: str, *parameters: Any) -> list[tuple[Any, ...]]:
        """Runs one statement; returns its rows, if it has any."""
        cursor = self.connection.execute(query, parameters or None)
        return cursor.fetchall() if cursor.description else []

    def value(self, query: str, *parameters: Any) -> Any:
        """The first column of the first row."""
        return self.sql(query, *parameters)[0][0]

    @contextlib.contextmanager
    def statements(self) -> Iterator[list[tuple[float, str]]]:
        """Has the server log every statement while the block runs; afterwards the list holds (milliseconds, statement)."""
        found: list[tuple[float, str]] = []
        self._log_statements(0)
        offset = self._server.home.log.stat().st_size
        try:
            yield found
        finally:
            self._log_statements(-1)
        text = self._server.home.log.read_bytes()[offset:].decode(errors="replace")
        entries = ((float(entry[1]), " ".join(entry[2].split())) for entry in _DURATION.finditer(text))
        found += [(took, statement) for took, statement in entries if not any(ours in statement for ours in _OURS)]

    def _log_statements(self, milliseconds: int) -> None:
        self.sql(f"alter system set log_min_duration_statement = {milliseconds}")
        self.sql("select pg_reload_conf()")
        time.sleep(0.3)  # until every session has heard of it; there is nothing to ask


@contextlib.contextmanager
def database() -> Iterator[Database]:
    """A server with the hub's tables, gone at the end. Sets this process's environment for Django, which is ready afterwards."""
    with tempfile.TemporaryDirectory(prefix="ssodash-bench-") as name:
        folder = Path(name)
        folder.chmod(0o711)  # the account that PostgreSQL runs as has to pass through
        try:
            with embedded.start(folder / "pg") as server:
                os.environ.update(ENVIRONMENT, DATABASE_URL=server.url)
                _migrate()
                yield Database(server)
        finally:
            embedded.remove(folder / "pg")


def _migrate() -> None:
    import django
    from django.core.management import call_command

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "ssodash.settings")
    django.setup()
    call_command("migrate", verbosity=0)
