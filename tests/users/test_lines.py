"""What a line of an import asks for, and what it means for the directory."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ssodash.csv_file import FORMULA, guarded, unguarded
from users.imports.lines import Existing, Line, columns, compare, cut, parse, without_doubles
from users.imports.sheet import Unreadable

ROLES = ["user", "staff", "manager"]
ADA = Existing("user_ada", "Ada@example.com", "Ada Lovelace", "staff", True, 7)
BOB = Existing("user_bob", "bob@example.com", "Bob Brown", "contractor", False, 8)


def line(number: int = 2, **cells: str) -> Line:
    return parse(number, {"email": "ada@example.com", **cells}, ROLES)


def outcome(by_id: Existing | None = None, by_email: Existing | None = None, **cells: str) -> Any:
    return compare(line(**cells), by_id, by_email, ROLES, "user_new")


def test_headers_are_known_in_any_order_and_case_and_the_others_are_named() -> None:
    found = columns(["Full Name", " E-MAIL ", "userId", "", "Department", "is-active", "ROLE"])
    assert found.places == {"full_name": 0, "email": 1, "user_id": 2, "is_active": 5, "role": 6}
    assert found.unknown == ["Department"]


@pytest.mark.parametrize(
    ("header", "words"),
    [
        (["full_name", "role"], "email must be among them. It says: full_name, role"),
        (["email", "Email"], "the column email twice"),
        (["ada@example.com", "Ada"], "The first line must name the columns"),
    ],
)
def test_a_header_without_email_or_with_a_column_twice_is_refused(header: list[str], words: str) -> None:
    with pytest.raises(Unreadable, match=words):
        columns(header)


def test_a_short_line_is_filled_up_and_a_long_one_is_a_problem() -> None:
    where = columns(["email", "full_name"])
    assert cut(2, ["a@example.com"], where, 2) == ({"email": "a@example.com", "full_name": ""}, [])
    assert cut(2, ["a@example.com", "A", " "], where, 2)[1] == []
    assert "more cells than the header" in cut(2, ["a@example.com", "Lovelace", "Ada"], where, 2)[1][0].message


@pytest.mark.parametrize(
    ("cells", "field", "words"),
    [
        ({"email": ""}, "email", "Enter the email."),
        ({"email": "ada.example.com"}, "email", "“ada.example.com” is no email. Write it like this: ada@example.com."),
        ({"email": '"a@b"@example.com'}, "email", "is no email"),
        ({"email": "a" * 250 + "@example.com"}, "email", "is no email"),
        ({"email": "ada@exa\0mple.com"}, "email", "cannot be seen (U+0000)"),
        ({"user_id": "a b"}, "user_id", "Use letters, digits, - and _"),
        ({"user_id": "x" * 101}, "user_id", "at most 100 characters"),
        ({"full_name": "x" * 201}, "full_name", "It has 201 characters. Shorten it to 200."),
        ({"full_name": "A\x07da"}, "full_name", "cannot be seen (U+0007). Clear the field and type the text anew."),
        ({"full_name": "A\ud800da"}, "full_name", "cannot be seen (U+D800)"),
        ({"full_name": "Ada \u202elive"}, "full_name", "cannot be seen (U+202E)"),
        ({"email": "ada@exa\u200emple.com"}, "email", "cannot be seen (U+200E)"),
        ({"role": "us\u2066er"}, "role", "cannot be seen (U+2066)"),
        ({"is_active": "maybe"}, "is_active", "“maybe” is neither yes nor no. Write true or false."),
    ],
)
def test_what_a_cell_may_not_hold_is_named_with_the_remedy(cells: dict[str, str], field: str, words: str) -> None:
    (problem,) = line(**cells).problems
    assert problem.field == field
    assert words in problem.message


@pytest.mark.parametrize(
    ("text", "value"), [("TRUE", True), ("yes", True), ("1", True), ("Ja", True), ("false", False), ("NO", False), ("0", False)]
)
def test_yes_and_no_are_understood_as_people_write_them(text: str, value: bool) -> None:
    assert line(is_active=text).values["is_active"] is value


def test_spaces_are_trimmed_roles_found_in_any_case_and_empty_cells_say_nothing() -> None:
    found = line(email=" ada@example.com ", full_name="  Ada \n King ", role="Manager", user_id=" ", is_active="")
    assert found.values == {"email": "ada@example.com", "full_name": "Ada King", "role": "manager"}
    assert found.problems == []


def test_lines_about_the_same_user_are_all_problems_that_name_each_other() -> None:
    found = without_doubles(
        [line(2, email="a@example.com"), line(3, email="A@Example.com"), line(4, email="c@example.com", user_id="x"),
         line(5, email="d@example.com", user_id="x"), line(6, email="e@example.com")]
    )  # fmt: skip
    said = {each.number: [problem.message for problem in each.problems] for each in found}
    assert "Line 3 is about the same user" in said[2][0]
    assert "Line 2 is about the same user" in said[3][0]
    assert "Line 5 is about the same user" in said[4][0]
    assert said[6] == []


def test_a_new_user_gets_the_default_role_and_is_active() -> None:
    found = outcome(full_name="Ada")
    assert found.kind == "create"
    assert found.after == {"user_id": "user_new", "email": "ada@example.com", "full_name": "Ada", "role": "user", "is_active": True}
    assert outcome(full_name="Ada", user_id="user_7").after["user_id"] == "user_7"


def test_a_new_user_needs_a_name_and_a_known_role() -> None:
    found = outcome(role="boss")
    assert found.kind == "error"
    assert {problem.field: problem.message for problem in found.problems} == {
        "full_name": "Enter the full name: a new user needs one.",
        "role": "There is no role “boss”. Use one of: user, staff, manager.",
    }


def test_a_user_found_by_email_keeps_its_case_and_what_the_line_does_not_say() -> None:
    found = outcome(by_email=ADA, role="manager")
    assert (found.kind, found.changes) == ("change", [("role", "staff", "manager")])
    assert found.after == {
        "user_id": "user_ada",
        "email": "Ada@example.com",
        "full_name": "Ada Lovelace",
        "role": "manager",
        "is_active": True,
    }
    assert outcome(by_email=ADA, full_name="Ada Lovelace", role="staff", is_active="yes").kind == "unchanged"


def test_a_user_found_by_id_can_get_another_email() -> None:
    found = outcome(by_id=ADA, user_id="user_ada", email="ada@king.example")
    assert found.changes == [("email", "Ada@example.com", "ada@king.example")]
    assert outcome(by_id=ADA, by_email=ADA, user_id="user_ada", is_active="no").changes[-1] == ("is_active", "true", "false")


@pytest.mark.parametrize("by_id", [ADA, None])
def test_an_email_that_somebody_else_has_is_a_problem_that_names_them(by_id: Existing | None) -> None:
    found = outcome(by_id=by_id, by_email=BOB, user_id="user_ada", email="bob@example.com", full_name="A")
    assert found.kind == "error"
    assert "Bob Brown has this email, under the id user_bob" in found.problems[0].message


def test_a_role_that_is_no_longer_offered_can_stay_but_not_be_given() -> None:
    assert outcome(by_email=BOB, role="contractor").kind == "unchanged"
    assert outcome(by_email=ADA, role="contractor").kind == "error"


@given(st.text(st.characters(blacklist_categories=["Cs"])))
def test_a_guarded_text_is_no_formula_and_comes_back_as_it_was(text: str) -> None:
    assert not guarded(text).startswith(FORMULA)
    assert unguarded(guarded(text)) == text


@given(st.dictionaries(st.sampled_from(["email", "user_id", "full_name", "role", "is_active"]), st.text(max_size=60)))
def test_whatever_a_line_holds_it_has_a_problem_or_fits_the_table(cells: dict[str, str]) -> None:
    found = compare(parse(2, cells, ROLES), None, None, ROLES, "user_new")
    assert found.kind in {"create", "error"}
    if found.kind == "error":
        assert found.problems
        return
    after = found.after
    assert "\0" not in "".join(map(str, after.values()))
    assert (len(after["email"]) <= 254, len(after["full_name"]) <= 200, after["role"] in ROLES) == (True, True, True)
