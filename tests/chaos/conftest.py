import sys
from collections.abc import Callable, Iterator

import pytest
from django.db import connection

from tests.chaos.storm.database import copy_of
from tests.chaos.storm.form import LONG
from tests.chaos.storm.sites import SiteHost
from tests.sync.conftest import connect, hrms, scripted  # noqa: F401


@pytest.fixture
def own_database(transactional_db: None) -> Iterator[str]:
    """The address of an empty, migrated database that only this test uses."""
    connection.close()
    with copy_of(connection.settings_dict["NAME"]) as url:
        yield url


@pytest.fixture
def host() -> Iterator[SiteHost]:
    """Where sites can be opened; they are closed after the test."""
    with SiteHost() as host:
        yield host


@pytest.fixture
def tell(capsys: pytest.CaptureFixture[str]) -> Callable[[str], None]:
    """Says what was counted. Nobody wants to read it in a short run that succeeds."""

    def say(text: str) -> None:
        if LONG:
            with capsys.disabled():
                sys.stdout.write(f"\n{text}\n")
        else:
            sys.stdout.write(f"{text}\n")

    return say
