"""A site's and a user's page in a real browser: the connection test in place, and why a user is not there."""

import re

import pytest
from axe_playwright_python.base import AXE_FILE_PATH
from playwright.sync_api import Browser, Page, expect

from tests.e2e.browser import sign_in
from tests.e2e.conftest import PASSWORD, Stage
from tests.e2e.desk import Desk

pytestmark = pytest.mark.django_db(transaction=True)


def open_site(page: Page, title: str) -> None:
    Desk(page).go_to("Sites")
    page.get_by_role("link", name=title, exact=True).click()


def axe_finds_nothing(page: Page) -> None:
    page.evaluate(f"() => {{ {open(AXE_FILE_PATH).read()} }}")  # noqa: SIM115
    found = page.evaluate("axe.run(document, {runOnly: ['wcag2a', 'wcag2aa', 'wcag21aa', 'wcag22aa']})")
    assert [(each["id"], [node["html"] for node in each["nodes"]][:2]) for each in found["violations"]] == []


def test_a_site_goes_down_and_the_page_names_the_cause_and_the_user_says_why(page: Page, stage: Stage) -> None:
    person = Desk(page)
    open_site(page, "CMS")
    page.get_by_role("button", name="Test connection").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("status").filter(has_text="The connection works")).to_be_visible()
    assert page.url.endswith("/change/"), "the test is made in place"
    axe_finds_nothing(page)

    stage.sites["cms"].stop()
    page.get_by_role("button", name="Test connection").click()
    person.says("The connection is refused")
    person.says(re.compile("Is the site running, and is the port in its URL right"))

    person.add_user("ada@example.com", "Ada Lovelace")
    person.open_user("Ada Lovelace")
    person.row("CMS").first.get_by_text("Not there yet: Connection refused").click()
    person.says("Yes, but the site never accepted it.")
    axe_finds_nothing(page)
    person.row("HRMS").first.get_by_role("button", name="Send again to HRMS").click()
    person.says("Sent again to HRMS: in sync.")
    stage.sites["cms"].start()
    person.row("CMS").first.get_by_role("button", name="Send again to CMS").click()
    person.says(re.compile("Sent again to CMS: in sync|Pending at CMS"))


def test_somebody_is_deactivated_and_a_site_tested_without_javascript(running_browser: Browser, stage: Stage) -> None:
    context = running_browser.new_context(java_script_enabled=False)
    page = context.new_page()
    sign_in(page, stage.web.address, "root", PASSWORD)
    person = Desk(page)
    page.goto(f"{stage.web.address}/admin/users/userprofile/add/")
    page.get_by_label("Email").fill("ada@example.com")
    page.get_by_label("Full name").fill("Ada Lovelace")
    person.save()
    page.get_by_role("link", name="ada@example.com").first.click()
    page.get_by_role("link", name="Deactivate…").click()
    person.says("HRMS: is removed, at once")
    page.get_by_role("button", name="Yes, deactivate").click()
    person.says("Removed from 3 of 3 sites.")
    page.goto(f"{stage.web.address}/admin/sites/connectedsite/")
    page.get_by_role("link", name="HRMS", exact=True).click()
    page.get_by_role("button", name="Test connection").click()
    person.says("The connection works")
    expect(page.get_by_role("button", name="Test again")).to_be_visible()
    context.close()
