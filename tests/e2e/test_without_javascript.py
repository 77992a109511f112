"""Status, Sync All and syncing one user need no JavaScript."""

import pytest
from playwright.sync_api import Browser, expect

from tests.e2e.browser import sign_in
from tests.e2e.conftest import PASSWORD, Stage
from tests.e2e.desk import Desk

pytestmark = pytest.mark.django_db(transaction=True)


def test_the_essential_works_without_javascript(running_browser: Browser, stage: Stage) -> None:
    context = running_browser.new_context(java_script_enabled=False)
    page = context.new_page()
    sign_in(page, stage.web.address, "root", PASSWORD)
    person = Desk(page)
    page.goto(f"{stage.web.address}/admin/users/userprofile/add/")
    page.get_by_label("Email").fill("ada@example.com")
    page.get_by_label("Full name").fill("Ada Lovelace")
    person.save()
    person.says("In sync at 3 of 3 sites.")
    page.goto(f"{stage.web.address}/admin/")
    expect(person.row("Ada Lovelace")).to_contain_text("In sync")
    person.row("Ada Lovelace").get_by_role("button", name="every site").click()
    person.says("Sent to 3 sites: all in sync.")
    page.get_by_role("button", name="Sync All Users").click()
    person.says("Sync started: 3 deliveries to 3 sites.")
    page.get_by_role("searchbox").fill("nobody")
    page.keyboard.press("Enter")
    person.says("No user's name, email or id contains “nobody”.")
    context.close()
