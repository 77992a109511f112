"""An import with three bad rows, as a person walks through it: look, import, download what was wrong, correct it, import that."""

import csv
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.conftest import Stage
from tests.e2e.desk import Desk

pytestmark = pytest.mark.django_db(transaction=True)

FILE = """email;full_name;role
ada@example.com;Ada Lovelace;lead
alan@example.com;Alan Turing;staff
grace;Grace Hopper;user
linus@example.com;Linus Torvalds;boss
ken@example.com;;user
"""


def test_a_file_with_three_bad_rows(page: Page, stage: Stage, tmp_path: Path) -> None:
    person = Desk(page)
    file = tmp_path / "people.csv"
    file.write_text(FILE)

    # Look first: nothing is anywhere yet.
    person.go_to("Users")
    page.get_by_role("link", name="Import").click()
    page.get_by_label("File", exact=True).set_input_files(file)
    page.get_by_role("button", name="Show what it does").click()
    expect(person.row("Grace Hopper")).to_contain_text("“grace” is no email. Write it like this: ada@example.com.")
    expect(person.row("linus@example.com")).to_contain_text("There is no role “boss”.")
    expect(person.row("ken@example.com")).to_contain_text("Enter the full name: a new user needs one.")
    expect(person.row("Ada Lovelace")).to_contain_text("Create")
    assert all(site.users() == [] for name, site in stage.sites.items() if name != "garage")

    # Import: the good ones are at the sites when the page is back.
    page.get_by_role("button", name="Import these 2").click()
    person.says("2 users created, 3 lines left out with errors.")
    person.says("Every site concerned has accepted it.")
    assert {user["email"] for user in stage.sites["cms"].users()} == {"ada@example.com", "alan@example.com"}

    # The bad ones are not lost.
    with page.expect_download() as download:
        page.get_by_role("link", name="Download the 3 errors as CSV").click()
    download.value.save_as(file)
    with file.open(encoding="utf-8-sig") as wrong:
        header, grace, linus, ken = csv.reader(wrong)
    grace[1], linus[3], ken[2] = "grace@example.com", "user", "Ken Thompson"
    with file.open("w", newline="") as corrected:
        csv.writer(corrected).writerows([header, grace, linus, ken])
    page.get_by_role("link", name="Choose another file").click()
    page.get_by_label("File", exact=True).set_input_files(file)
    page.get_by_role("button", name="Show what it does").click()
    page.get_by_role("button", name="Import these 3").click()
    person.says("3 users created.")
    assert len(stage.sites["cms"].users()) == 5
