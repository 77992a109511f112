"""Users from a file: shown row by row before anything is written, and then exactly that is written."""

import csv
import io
import re
import uuid
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from tests.pages import Person, root, rows_of, text, told
from users.imports import pages, preview
from users.models import UserImport, UserImportRow, UserProfile

pytestmark = pytest.mark.django_db(transaction=True)

LIST = "/admin/users/userprofile/"
IMPORT = f"{LIST}import/"
MIXED = """email,full_name,role,is_active,user_id,Department
new@example.com,New User,staff,,,IT
ADA@example.com,,manager,,,IT
bob@example.com,Bob Brown,user,true,,IT
nobody,No Email,user,,,IT
carl@example.com,Carl,boss,,,IT
twice@example.com,Twice,user,,,IT
Twice@example.com,Twice,user,,,IT
"""


def user(email: str, name: str, **fields: Any) -> UserProfile:
    return UserProfile.objects.create(email=email, full_name=name, **fields)


def upload(person: Person, content: str | bytes, name: str = "people.csv") -> Any:
    data = content.encode() if isinstance(content, str) else content
    return person.post(IMPORT, file=SimpleUploadedFile(name, data))


def confirm(person: Person, page: Any) -> Any:
    address = page.redirect_chain[-1][0] if getattr(page, "redirect_chain", None) else page.request["PATH_INFO"]
    return person.post(address, revision=page.context["upload"].revision)


def directory() -> list[tuple[Any, ...]]:
    return list(UserProfile.objects.order_by("email").values_list("email", "full_name", "role", "is_active"))


@pytest.fixture
def people() -> None:
    user("ada@example.com", "Ada Lovelace", role="staff")
    user("bob@example.com", "Bob Brown")


def test_the_preview_says_what_each_line_does_and_writes_nothing(people: None) -> None:
    before = directory()
    page = upload(root(), MIXED)
    said = text(page)
    assert [(shown.row.line, shown.word) for shown in page.context["rows"]] == [
        (2, "Create"), (3, "Change"), (4, "Unchanged"), (5, "Error"), (6, "Error"), (7, "Error"), (8, "Error")
    ]  # fmt: skip
    for words in (
        "To create 1", "To change 1", "Unchanged 1", "Errors 4", "Import these 2", "role: staff → manager", "Nothing is written yet",
        "email: “nobody” is no email. Write it like this: ada@example.com.", "role: There is no role “boss”. Use one of: user,",
        "email: Line 8 is about the same user. Keep one of the two.", "Columns that are not imported: Department.",
    ):  # fmt: skip
        assert words in said, words
    assert directory() == before


def test_importing_writes_what_was_shown_and_says_how_many(people: None) -> None:
    person = root()
    page = confirm(person, upload(person, MIXED))
    assert told(page)[0] == "1 user created, 1 user changed, 1 unchanged, 4 lines left out with errors."
    assert directory() == [
        ("ada@example.com", "Ada Lovelace", "manager", True),
        ("bob@example.com", "Bob Brown", "user", True),
        ("new@example.com", "New User", "staff", True),
    ]
    assert "Import this" not in text(page)
    assert "Import these" not in text(page)
    assert "Imported 2" in text(page)
    assert {(entry.object_repr, entry.action_flag, entry.get_change_message()) for entry in LogEntry.objects.all()} == {
        ("new@example.com", 1, "Imported from people.csv."),
        ("ada@example.com", 2, "Imported from people.csv."),
    }


def test_an_import_leaves_an_outbox_row_for_every_user_it_wrote_as_any_change_does(people: None) -> None:
    person = root()
    page = upload(person, "email,full_name,is_active\nada@example.com,Ada King,\nnew@example.com,New,no\nbob@example.com,,\n")
    with connection.cursor() as cursor:
        cursor.execute("delete from user_sync_outbox")
        confirm(person, page)
        cursor.execute("select email, operation from user_sync_outbox order by email")
        assert cursor.fetchall() == [("ada@example.com", "upsert"), ("new@example.com", "upsert")]


def test_lines_with_errors_can_be_downloaded_corrected_and_imported(people: None) -> None:
    person = root()
    page = upload(person, MIXED)
    confirm(person, page)
    header, *wrong = rows_of(person.get(f"{IMPORT}{page.context['upload'].token}/errors.csv"))
    assert header == ["user_id", "email", "full_name", "role", "is_active", "line", "problem"]
    assert [(line[1], line[5]) for line in wrong] == [
        ("nobody", "5"), ("carl@example.com", "6"), ("twice@example.com", "7"), ("Twice@example.com", "8")
    ]  # fmt: skip
    assert wrong[1][6] == "role: There is no role “boss”. Use one of: user, staff, lead, manager, admin."
    wrong[0][1], wrong[1][3] = "nobody@example.com", "lead"
    file = io.StringIO()
    csv.writer(file).writerows([header, *wrong[:3]])
    again = upload(person, file.getvalue())
    assert "Columns that are not imported: line, problem." in text(again)
    assert told(confirm(person, again))[0] == "3 users created."


def test_what_changed_after_the_preview_is_left_out_told_and_shown_anew(people: None) -> None:
    person = root()
    page = upload(
        person, "email,full_name,role\nnew@example.com,New,\nada@example.com,,manager\nbob@example.com,,manager\nx@example.com,X,lead\n"
    )
    UserProfile.objects.filter(email="ada@example.com").update(full_name="Ada King")
    user("New@example.com", "Someone else")
    UserProfile.objects.filter(email="bob@example.com").delete()
    done = confirm(person, page)
    assert told(done)[0] == "1 user created, 1 line left out with an error."
    assert "3 lines were not imported: the directory changed after its preview." in told(done)[1].replace("their", "its")
    assert {row[:3] for row in directory()} == {
        ("ada@example.com", "Ada King", "staff"), ("New@example.com", "Someone else", "user"), ("x@example.com", "X", "lead")
    }  # fmt: skip
    shown = {row.row.line: (row.word, row.details) for row in done.context["rows"]}
    assert shown[2][0] == "Change"
    assert "full_name: Someone else → New" in shown[2][1]
    assert shown[3][0] == "Change"
    assert "The directory changed since the first preview" in shown[3][1][-1]
    assert (shown[4][0], shown[4][1][0]) == ("Error", "full_name: Enter the full name: a new user needs one.")
    assert shown[5] == ("Created", [])
    assert told(confirm(person, done))[0].startswith("2 users changed")
    assert UserProfile.objects.get(email="ada@example.com").role == "manager"


def test_pressing_import_twice_writes_once(people: None) -> None:
    person = root()
    page = upload(person, "email,full_name\nnew@example.com,New\n")
    confirm(person, page)
    UserProfile.objects.filter(email="new@example.com").delete()
    again = confirm(person, page)
    assert "This was imported already" in told(again)[0]
    assert not UserProfile.objects.filter(email="new@example.com").exists()


def test_an_email_that_another_transaction_takes_while_it_is_written_is_told_and_the_rest_is_imported(people: None) -> None:
    """The other one's row is there only when ours is being written: only the table itself can tell."""
    person = root()
    page = upload(person, "email,full_name,user_id\na@example.com,A,\nb@example.com,B,\n")
    UserProfile.objects.create(email="B@example.com", full_name="The other B", user_id="user_other")
    UserImportRow.objects.filter(email="b@example.com").update(rechecked=False)
    done = confirm(person, page)
    assert told(done)[0] == "1 user created."
    assert UserProfile.objects.get(user_id="user_other").full_name == "The other B"
    assert done.context["counts"].change == 1


def test_users_who_swap_emails_are_not_written_half(people: None) -> None:
    ada, bob = UserProfile.objects.get(email="ada@example.com"), UserProfile.objects.get(email="bob@example.com")
    page = upload(root(), f"user_id,email\n{ada.user_id},bob@example.com\n{bob.user_id},ada@example.com\n")
    assert page.context["counts"].error == 2
    assert "Bob Brown has this email, under the id" in text(page)


def test_a_line_by_id_and_a_line_by_email_about_the_same_user_are_noticed(people: None) -> None:
    ada = UserProfile.objects.get(email="ada@example.com")
    page = upload(root(), f"user_id,email,role\n{ada.user_id},ada@king.example,lead\n,ada@example.com,manager\n")
    assert page.context["counts"].error == 1
    assert "Line 2 is about the same user" in text(page)


@pytest.mark.parametrize(("language", "said"), [("en", "This page is kept until"), ("de", "Diese Seite wird bis")])
def test_a_sentence_with_a_time_in_it_ends_with_one_dot(people: None, language: str, said: str) -> None:
    person = root()
    person.client.defaults["HTTP_ACCEPT_LANGUAGE"] = language
    page = text(upload(person, MIXED))
    sentence = page[page.index(said) :][:90]
    assert re.match(rf"{said} \d{{4}}-\d\d-\d\d \d\d:\d\d[^.]*\.(?!\.)", sentence), sentence
    assert ".." not in page
    assert "p.m." not in page


def test_an_id_that_is_given_is_kept(people: None) -> None:
    person = root()
    confirm(person, upload(person, "user_id,email,full_name\nuser_7,seven@example.com,Seven\n"))
    assert UserProfile.objects.get(email="seven@example.com").user_id == "user_7"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", "The file is empty"),
        ("name,role\nAda,user\n", "email must be among them"),
        ("email\n", "no user below it"),
    ],
)
def test_a_file_that_cannot_be_used_is_explained_beside_its_field(content: str, words: str) -> None:
    page = upload(root(), content)
    assert words in page.context["form"].errors["file"][0]
    assert words in text(page)
    assert not UserImport.objects.exists()


def test_a_file_that_is_too_large_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("users.imports.sheet.MAX_BYTES", 20)
    assert "Split it into several files" in text(upload(root(), "email,full_name\na@example.com,Ada\n"))


def test_no_file_at_all_is_explained() -> None:
    assert "Choose a file first." in text(root().post(IMPORT))


def test_a_workbook_is_imported_as_a_csv_is_and_the_templates_are_what_it_takes(people: None) -> None:
    person = root()
    template = b"".join(person.get(f"{IMPORT}template.xlsx").streaming_content)
    assert "no user below it" in text(upload(person, template, "users.xlsx"))
    assert rows_of(person.get(f"{IMPORT}template.csv")) == [["user_id", "email", "full_name", "role", "is_active"]]
    exported = b"".join(person.get(f"{LIST}export/xlsx/").streaming_content)
    page = upload(person, exported, "users.xlsx")
    assert (page.context["counts"].unchanged, page.context["counts"].total) == (2, 2)


def test_many_users_are_imported_in_few_statements_with_one_history_entry(monkeypatch: pytest.MonkeyPatch, people: None) -> None:
    monkeypatch.setattr(pages, "NAMED", 10)
    person = root()
    lines = "".join(f"u{n}@example.com,User {n}\n" for n in range(2500))
    with CaptureQueriesContext(connection) as queries:
        page = upload(person, "email,full_name\n" + lines)
    assert len(queries) < 40
    assert page.context["page"].paginator.num_pages == 25
    with CaptureQueriesContext(connection) as queries:
        done = confirm(person, page)
    assert len(queries) < 60
    assert told(done)[0] == "2,500 users created."
    assert UserProfile.objects.count() == 2502
    assert LogEntry.objects.get().object_repr == "2,500 users"


@pytest.mark.parametrize(
    ("show", "lines"), [("create", [2]), ("change", [3]), ("unchanged", [4]), ("error", [5, 6, 7, 8]), ("nonsense", [2, 3, 4, 5, 6, 7, 8])]
)
def test_the_preview_shows_only_the_lines_that_are_asked_for(people: None, show: str, lines: list[int]) -> None:
    person = root()
    page = upload(person, MIXED)
    shown = person.get(page.redirect_chain[-1][0], show=show)
    assert [row.row.line for row in shown.context["rows"]] == lines
    assert "To create 1" in text(shown), "the numbers stay those of the whole file"


def test_a_preview_of_any_size_costs_few_queries(people: None) -> None:
    person = root()
    page = upload(person, MIXED)
    with CaptureQueriesContext(connection) as queries:
        person.get(page.redirect_chain[-1][0])
    assert len(queries) <= 15


def test_a_preview_is_gone_after_its_day_and_that_is_told(people: None) -> None:
    person = root()
    page = upload(person, MIXED)
    UserImport.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    for back in (person.get(page.redirect_chain[-1][0]), person.get(f"{IMPORT}{uuid.uuid4()}/")):
        assert back.status_code == 302
    assert "This import is gone: it is kept for a day. Choose the file again." in told(person.get(IMPORT))
    assert person.get(f"{page.redirect_chain[-1][0]}errors.csv").status_code == 404
    upload(person, "email,full_name\nx@example.com,X\n")
    assert UserImportRow.objects.count() == 1, "with the upload its rows are gone"


def test_a_login_keeps_only_its_last_uploads(people: None) -> None:
    person = root()
    for number in range(preview.OPEN_AT_A_TIME + 2):
        upload(person, f"email,full_name\nu{number}@example.com,U\n", f"{number}.csv")
    assert [kept.file_name for kept in UserImport.objects.order_by("id")] == [f"{n}.csv" for n in range(2, 7)]


def test_an_upload_is_seen_by_nobody_else(people: None) -> None:
    page = upload(root(), MIXED)
    other = Person("users.view_userprofile", "users.add_userprofile", "users.change_userprofile")
    assert other.get(page.redirect_chain[-1][0]).status_code == 302
    assert other.get(f"{page.redirect_chain[-1][0]}errors.csv").status_code == 404
    assert "people.csv" not in text(other.get(IMPORT))


@pytest.mark.parametrize("lacking", ["add", "change"])
def test_who_may_not_add_and_change_users_sees_no_import_and_gets_none(people: None, lacking: str) -> None:
    has = {"add": "change", "change": "add"}[lacking]
    page = upload(root(), MIXED)
    clerk = Person("users.view_userprofile", f"users.{has}_userprofile")
    assert IMPORT not in clerk.get(LIST).content.decode()
    for path in (IMPORT, page.redirect_chain[-1][0], f"{IMPORT}template.csv", f"{IMPORT}template.xlsx"):
        assert clerk.get(path).status_code == 403, path
    assert clerk.post(page.redirect_chain[-1][0], revision=0).status_code == 403
    assert UserProfile.objects.count() == 2
