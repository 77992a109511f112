"""What tests of every kind share."""

import os
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.db import connections
from django.test import TransactionTestCase
from django.utils import timezone, translation

from tests import ports

PROJECT = Path(__file__).resolve().parent.parent
BROWSERS = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
"""The first is Chromium without the windows that nobody sees here: a quarter less work."""


def eventually_true(look: Callable[[], Any], timeout: float = 10, *, message: str = "", pause: float = 0.05) -> Any:
    """Call `look` until it returns something true, and return that. It may also raise AssertionError until it is satisfied.

    Fails after `timeout` seconds with what it returned or raised last.
    """
    deadline = time.monotonic() + timeout
    while True:
        seen: object
        try:
            seen = look()
            if seen:
                return seen
        except AssertionError as error:
            seen = error
        if time.monotonic() > deadline:
            pytest.fail(f"{message or 'It did not happen'} within {timeout:g} s; last seen: {seen!r}")
        time.sleep(pause)


@pytest.fixture(scope="session")
def eventually() -> Callable[..., Any]:
    """`eventually(lambda: site.users(), timeout=10)`: wait for something that happens in its own time; see eventually_true."""
    return eventually_true


@pytest.fixture(autouse=True)
def _nobodys_language() -> Iterator[None]:
    """The language and time zone of the last viewer stay with the thread until the next request. No test shall inherit them."""
    yield
    translation.deactivate()
    timezone.deactivate()


@pytest.fixture
def free_port() -> int:
    """A port that nobody listens on right now."""
    return ports.free_port()


@pytest.fixture(scope="session")
def chromium() -> str:
    """The browser for end-to-end tests: $CHROMIUM, or one on PATH. Without one the test fails and says how to get one."""
    given = os.environ.get("CHROMIUM", "").strip()
    found = shutil.which(given) if given else next(filter(None, map(shutil.which, BROWSERS)), None)
    if found is None:
        pytest.fail(
            f"No Chromium found{f' at CHROMIUM={given}' if given else ''}. Install one (`sudo apt-get install -y chromium`), "
            "or name yours: CHROMIUM=/path/to/chrome make test"
        )
    return found


EMPTY = """
do $$
declare
    item record;
    filled boolean;
begin
    -- Neither triggers nor foreign keys: what the outbox would say of this is not part of any test.
    set local session_replication_role = replica;
    for item in
        select tablename from pg_tables where schemaname = current_schema()
            and tablename not in ('django_migrations', 'django_content_type', 'auth_permission')
    loop
        execute format('select exists (select from %I)', item.tablename) into filled;
        if filled then
            execute format('delete from %I', item.tablename);
        end if;
    end loop;
end
$$
"""


@pytest.fixture(autouse=True, scope="session")
def _empty_tables_quickly() -> Iterator[None]:
    """After a test that commits, Django empties every table and makes all permissions anew, which takes longer than most tests.
    This empties what was filled."""

    def empty(self: TransactionTestCase) -> None:
        for name in self._databases_names(include_mirrors=False):
            with connections[name].cursor() as cursor:
                cursor.execute(EMPTY)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TransactionTestCase, "_fixture_teardown", empty)
        yield
