"""Users as a file: what is filtered, safe in a spreadsheet, and unchanged when it is imported again."""

import io
from typing import Any

import openpyxl
import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from tests.pages import Person, root, rows_of, told
from tests.users.test_import import upload, user
from users import export

pytestmark = pytest.mark.django_db(transaction=True)

LIST = "/admin/users/userprofile/"
CSV, XLSX = f"{LIST}export/csv/", f"{LIST}export/xlsx/"
ODD = ["=cmd|' /C calc'!A0", "+1", "-Foo", "@sum", "'=already", 'He said "hi", twice', "Zoë Ćwik 王", "00123"]


@pytest.fixture
def people() -> None:
    for number, name in enumerate(ODD):
        user(f"u{number}@example.com", name, role="contractor" if number == 2 else "user", is_active=number != 3)


def test_the_csv_has_the_columns_of_an_import_and_nothing_that_calculates(people: None) -> None:
    header, *lines = rows_of(root().get(CSV))
    assert header == ["user_id", "email", "full_name", "role", "is_active"]
    assert [line[2] for line in lines][:5] == ["'=cmd|' /C calc'!A0", "'+1", "'-Foo", "'@sum", "''=already"]
    assert lines[3][4] == "false"


@pytest.mark.parametrize("path", [CSV, XLSX])
def test_an_export_that_is_imported_again_changes_nothing(people: None, path: str) -> None:
    person = root()
    answer = person.get(path)
    page = upload(person, b"".join(answer.streaming_content), "users.xlsx" if path == XLSX else "users.csv")
    assert (page.context["counts"].unchanged, page.context["counts"].total) == (len(ODD), len(ODD))


def test_every_cell_of_the_workbook_is_a_text(people: None) -> None:
    book = openpyxl.load_workbook(io.BytesIO(b"".join(root().get(XLSX).streaming_content)))
    assert {cell.data_type for row in book.active.iter_rows() for cell in row} == {"s"}
    assert book.active["C2"].value == ODD[0]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({"is_active__exact": "0"}, [3]),
        ({"role": "__other__"}, [2]),
        ({"q": "u1@"}, [1]),
        ({"q": "nobody"}, []),
        ({"p": "9"}, list(range(8))),
    ],
)
def test_only_what_is_filtered_is_exported(people: None, query: dict[str, str], found: list[int]) -> None:
    assert [line[1] for line in rows_of(root().get(CSV, **query))[1:]] == [f"u{number}@example.com" for number in found]


def test_the_links_on_the_list_carry_its_filters(people: None) -> None:
    page = root().get(LIST, role="user", q="u1").content.decode()
    assert f'href="{CSV}?role=user&amp;q=u1"' in page
    assert f'href="{XLSX}?role=user&amp;q=u1"' in page


def test_an_export_reads_some_users_at_a_time(people: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(export, "CHUNK", 3)
    answer: Any = root().get(CSV)
    assert answer.streaming
    with CaptureQueriesContext(connection) as queries:
        assert len(rows_of(answer)) == len(ODD) + 1
    assert len(queries) == 4


def test_too_many_users_for_a_workbook_are_sent_back_to_the_list(people: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(export, "WORKBOOK_ROWS", 3)
    person = root()
    answer = person.get(XLSX, role="user")
    assert answer.headers["Location"] == f"{LIST}?role=user"
    assert told(person.get(LIST)) == ["More than 3 users are too many for a workbook. Filter them, or export CSV."]


def test_who_may_not_view_users_exports_none(people: None) -> None:
    person = Person("sites.view_connectedsite")
    assert person.get(CSV).status_code == 403
    assert person.get(XLSX).status_code == 403
