"""The PostgreSQL of a test run, loaded before Django's settings are (`-p tests.plugin` in pyproject.toml).

A fast embedded server in a temporary folder, started once and shared by all pytest-xdist workers, each with a test database
of its own; gone at the end. TEST_DATABASE_URL names a server to use instead; DATABASE_URL is never touched by tests.
"""

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from ssodash import embedded

SETTINGS = {
    "SECRET_KEY": "a-key-that-signs-nothing-but-the-sessions-of-tests",
    "DEBUG": "true",  # for settings.py alone, so that pages need no collectstatic; Django's tests run with DEBUG off
    "HTTPS": "",
    "ALLOWED_HOSTS": "localhost,127.0.0.1,[::1]",
    "CSRF_TRUSTED_ORIGINS": "",
    "LOG_LEVEL": "WARNING",
    "SYNC_ROLES": "user,staff,lead,manager,admin",
    "SYNC_ON_SAVE": "",
    "SYNC_PUSH_DEADLINE": "",
    "SYNC_PUSH_THREADS": "",
    "SYNC_PUSH_MAX": "",
    "SYNC_SWEEP_SECONDS": "",
    "SYNC_LOG_DAYS": "",
    "SYNC_LOG_ROWS": "",
    "SYNC_WORKER_IN_FLIGHT": "",
    "SYNC_CONNECT_TIMEOUT": "",
    "SYNC_BLOCKED_NETWORKS": "169.254.0.0/16,fe80::/10,0.0.0.0/8,::/128,224.0.0.0/4,ff00::/8",
}
"""The same for everybody, whatever their environment or `.env` says. Empty means the default."""
NOWHERE = "postgresql://nobody@127.0.0.1:1/none"


@pytest.hookimpl(tryfirst=True)
def pytest_load_initial_conftests(early_config: pytest.Config) -> None:
    if "PYTEST_XDIST_WORKER" in os.environ:
        return  # the controller has done it, and its environment is ours
    asked = early_config.known_args_namespace
    runs_tests = not (asked.collectonly or asked.help or asked.version or asked.show_fixtures_per_test or asked.showfixtures)
    stack = contextlib.ExitStack()
    early_config.add_cleanup(stack.close)
    static = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="ssodash-static-"))) / "static"
    static.mkdir()
    try:
        url = stack.enter_context(_database()) if runs_tests else NOWHERE
    except embedded.EmbeddedError as error:
        raise pytest.UsageError(f"{error} TEST_DATABASE_URL can name a PostgreSQL to use instead.") from error
    os.environ.update(SETTINGS, DATABASE_URL=url, STATIC_ROOT=str(static))


@contextlib.contextmanager
def _database() -> Iterator[str]:
    given = os.environ.get("TEST_DATABASE_URL", "").strip()
    if given:
        yield given
    else:
        with embedded.throwaway() as server:
            yield server.url
