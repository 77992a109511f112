"""The log of attempts as a list and as a file: by site, status, time, cause and search, over a log of any size."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4
from zoneinfo import ZoneInfo

import pytest
import time_machine
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from sites.models import ConnectedSite
from sync.admin import log_list
from sync.admin.period import stretch
from sync.models import UserSyncLog
from tests.pages import Person, root, rows_of, text
from tests.sync.conftest import user

pytestmark = pytest.mark.django_db(transaction=True)

LOG = "/admin/sync/usersynclog/"
CSV = f"{LOG}export/csv/"
NOW = datetime(2026, 11, 22, 15, 30, tzinfo=UTC)


@pytest.fixture
def noon() -> Any:
    with time_machine.travel(NOW, tick=False):
        yield


def attempt(name: str, at: datetime = NOW, **fields: Any) -> UserSyncLog:
    given = {"site_id": 1, "site_name": "cms", "type": "upsert", "version": 1, "status": "success", "outcome": "delivered", "cause": "save"}
    given |= {"user_id": f"user_{name}", "email": f"{name}@example.com", "message_id": f"msg_{name}", "attempt_id": uuid4()}
    return UserSyncLog.objects.create(**{**given, "started_at": at, "completed_at": at, **fields})


def found(page: Any) -> list[str]:
    return [row.email.split("@")[0] for row in page.context["cl"].result_list]


def exported(person: Person, **query: str) -> list[str]:
    return [line[3].split("@")[0] for line in rows_of(person.get(CSV, **query))[1:]]


@pytest.fixture
def days(noon: None) -> None:
    """Attempts of today, yesterday and a week ago, the oldest first; `early` was yesterday in New York and is today in UTC."""
    ConnectedSite.objects.create(name="cms", display_name="CMS", url="http://127.0.0.1:9")
    attempt("weekold", NOW - timedelta(days=6, hours=12), cause="api")
    attempt("yester", NOW - timedelta(days=1), site_name="cms")
    attempt("sales", NOW - timedelta(days=1), site_id=2, site_name="sales", status="failed")
    attempt("early", NOW.replace(hour=2), cause="api", type="delete")
    attempt("now", NOW - timedelta(minutes=5))


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ({"period": "yesterday"}, ["sales", "yester"]),
        ({"period": "yesterday", "site_id": "1"}, ["yester"]),
        ({"period": "today"}, ["now", "early"]),
        ({"period": "hour"}, ["now"]),
        ({"period": "week"}, ["now", "early", "sales", "yester", "weekold"]),
        ({"from": "2026-11-21", "to": "2026-11-21"}, ["sales", "yester"]),
        ({"from": "2026-11-22"}, ["now", "early"]),
        ({"to": "2026-11-20"}, ["weekold"]),
        ({"from": "2026-11-21", "period": "hour"}, ["now", "early", "sales", "yester"]),
        ({"cause": "api"}, ["early", "weekold"]),
        ({"cause": "api", "type": "delete"}, ["early"]),
        ({"status__exact": "failed", "period": "yesterday"}, ["sales"]),
        ({"q": "msg_sales"}, ["sales"]),
        ({"q": "user_now"}, ["now"]),
        ({"q": "YESTER@example.com"}, ["yester"]),
    ],
)
def test_what_is_asked_for_is_listed_and_exported_newest_first(days: None, query: dict[str, str], names: list[str]) -> None:
    person = root()
    assert found(person.get(LOG, **query)) == names
    assert exported(person, **query) == names


def test_days_are_those_of_the_viewer(days: None) -> None:
    person = root()
    person.client.cookies["hub_timezone"] = "America/New_York"
    assert found(person.get(LOG, period="yesterday")) == ["early", "sales", "yester"]
    with timezone.override(ZoneInfo("America/New_York")):
        asked = stretch("", "2026-11-01", "2026-11-01", NOW)
        assert asked.start is not None and asked.end is not None
        assert asked.end - asked.start == timedelta(hours=24) or asked.start.utcoffset() != asked.end.utcoffset()


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ({"from": "21.11.2026"}, "From: Write the day like this: 2026-11-22."),
        ({"to": "9999-12-31"}, "To: Write the day like this: 2026-11-22."),
        ({"from": "2026-11-22", "to": "2026-11-20"}, "To: It is before “From”. Choose a later day, or clear it."),
    ],
)
def test_a_day_that_cannot_be_is_named_and_what_was_typed_is_not_lost(days: None, query: dict[str, str], words: str) -> None:
    page = root().get(LOG, **query)
    assert words in text(page)
    for value in query.values():
        assert f'value="{value}"' in page.content.decode()


def test_the_bar_shows_what_is_filtered_and_how_to_see_all_again(days: None) -> None:
    page = root().get(LOG, period="yesterday", cause="save", q="y").content.decode()
    for shown in ('<option value="yesterday" selected>', '<option value="save" selected>', 'name="q" value="y"', 'href="?">Show all</a>'):
        assert shown in page
    assert f'href="{CSV}?period=yesterday&amp;cause=save&amp;q=y"' in page


def test_what_no_index_knows_is_looked_for_among_the_newest_and_that_is_said(days: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_list, "LOOK", 2)
    person = root()
    for query in ({"cause": "api"}, {"type": "delete"}):
        page = person.get(LOG, **query)
        assert found(page) == ["early"]
        assert "Only the 2 newest attempts were looked through, back to 2026-11-21 15:30:00 UTC." in text(page)
    assert found(person.get(LOG, cause="api", to="2026-11-20")) == ["weekold"], "another time leads further back"
    assert found(person.get(LOG, q="weekold@example.com")) == [], "an email that the directory does not have"
    assert found(person.get(LOG, q="user_weekold", cause="api")) == ["weekold"], "the attempts of one user are few"
    assert exported(person, cause="api") == ["early", "weekold"], "the file has them all"


def test_more_than_can_be_paged_is_said(days: None, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("sync.admin.shared", "sync.admin.log_list"):
        monkeypatch.setattr(f"{module}.COUNTED", 3)
    assert "More than 3 attempts match." in text(root().get(LOG))


def test_a_search_that_names_too_many_users_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sync.admin.log.FOUND_USERS", 2)
    for number in range(3):
        user(f"u{number}@example.com")
    assert "names more than 2 users" in text(root().get(LOG, q="u"))


def test_the_file_has_every_attempt_once_whatever_falls_together(noon: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_list, "WINDOW", 3)
    names = [f"n{number:02}" for number in range(20)]
    for number, name in enumerate(names):
        attempt(name, NOW - timedelta(seconds=20 - number // 5 * 5), cause="api" if number % 7 else "save")
    person = root()
    assert exported(person) == names[::-1]
    assert exported(person, period="hour") == names[::-1]
    assert exported(person, cause="save") == [name for number, name in enumerate(names) if number % 7 == 0][::-1]


def test_the_file_is_sent_while_the_log_is_read_and_ends_in_time_with_a_word(days: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_list, "WINDOW", 2)
    monkeypatch.setattr(log_list, "EXPORT_ROWS", 3)
    answer = root().get(CSV)
    assert answer.streaming
    with CaptureQueriesContext(connection) as queries:
        lines = rows_of(answer)
    assert len(queries) == 2
    assert len(lines) == 1 + 4 + 1
    assert lines[-1] == ["Not complete: the file ends here, after 4 attempts. Choose a shorter time, and export again."]


def test_the_file_says_what_the_log_says_and_calculates_nothing(noon: None) -> None:
    attempt("x", http_code=422, duration_ms=12, error="=HYPERLINK(1)", status="failed", actor="root", response="never in the file")
    (header, line) = rows_of(root().get(CSV))
    shown = dict(zip(header, line, strict=True))
    assert header == list(log_list.COLUMNS)
    assert shown["error"] == "'=HYPERLINK(1)"
    assert (shown["completed_at"], shown["site"], shown["status"]) == ("2026-11-22T15:30:00.000+00:00", "cms", "failed")
    assert (shown["http_code"], shown["duration_ms"], shown["actor"], shown["run"]) == ("422", "12", "root", "")
    assert "never in the file" not in line


def test_who_may_not_see_the_log_exports_none(days: None) -> None:
    assert Person("users.view_userprofile").get(CSV).status_code == 403


def test_who_may_see_the_log_exports_it(days: None) -> None:
    assert exported(Person("sync.view_usersynclog"), period="hour") == ["now"]


def test_the_list_costs_few_queries_whatever_is_asked(days: None) -> None:
    person = root()
    for query in ({}, {"cause": "api"}, {"period": "yesterday", "site_id": "1"}, {"q": "now@example.com"}):
        with CaptureQueriesContext(connection) as queries:
            person.get(LOG, **query)
        assert len(queries) <= 15, query


def test_a_failed_attempt_shows_the_first_words_of_its_error_on_one_line(noon: None) -> None:
    attempt("refused", status="failed", http_code=422, duration_ms=12, error="HTTP 422: the site refused this user\n(no licence left)")
    attempt("long", status="pending", duration_ms=1, error="Connection refused: " + "x" * 500)
    attempt("good", http_code=200, duration_ms=1234, error="an old account may be left")
    page = root().get(LOG)
    said = text(page)
    assert "HTTP 422: the site refused this user (no licence left), 12 ms" in said
    assert f"Connection refused: {'x' * 59}…, 1 ms" in said
    assert "HTTP 200, 1,234 ms" in said


def test_a_site_has_its_display_name_and_one_that_is_gone_the_name_in_the_log(noon: None) -> None:
    garage = ConnectedSite.objects.create(name="garage", display_name="The Garage", url="http://127.0.0.1:9")
    for number in range(5):
        attempt(f"n{number}", site_id=garage.pk, site_name="garage")
    attempt("gone", site_id=garage.pk + 1, site_name="old-crm")
    person = root()
    with CaptureQueriesContext(connection) as queries:
        page = person.get(LOG)
    assert len(queries) <= 15
    rows = [row for row in page.content.decode().split("<tr") if "@example.com" in row]
    assert len(rows) == 6
    assert sum("The Garage" in row for row in rows) == 5
    assert not any(">garage<" in row.replace("\n", "").replace(" ", "") for row in rows)
    assert any("old-crm" in row for row in rows)
    assert {line[4] for line in rows_of(person.get(CSV))[1:]} == {"garage", "old-crm"}, "the file has the name that does not change"
