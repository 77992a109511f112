"""What people see when something is wrong: a page that says so and what to do, never a traceback."""

import pytest
from django.conf import settings
from django.db import connection
from django.test import Client

from sync import status
from tests.pages import root, text

pytestmark = pytest.mark.django_db(transaction=True)

DASHBOARD = "/admin/"


def test_an_unreachable_database_is_a_page_that_says_so_and_looks_again(monkeypatch: pytest.MonkeyPatch) -> None:
    person = root()
    connection.close()
    monkeypatch.setitem(settings.DATABASES["default"], "PORT", "1")
    monkeypatch.setitem(connection.settings_dict, "PORT", "1")
    answer = person.get(DASHBOARD)
    monkeypatch.undo()
    connection.close()
    assert answer.status_code == 503
    assert "The database does not answer" in text(answer)
    assert (answer.headers["Retry-After"], answer.headers["Refresh"]) == ("10", "10")
    assert "Traceback" not in text(answer)
    assert person.get(DASHBOARD).status_code == 200


def test_a_fault_of_ours_is_a_page_without_a_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    person = root()
    monkeypatch.setattr(status, "totals", None)
    answer = person.get(DASHBOARD)
    assert answer.status_code == 500
    assert "Something went wrong" in text(answer)
    assert "Traceback" not in text(answer)


def test_an_unknown_address_says_so() -> None:
    answer = Client().get("/nowhere/")
    assert answer.status_code == 404
    assert "There is no page at this address" in text(answer)
