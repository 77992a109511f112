"""A hub without anything in it, walked from its first page to the first user at the first site, as the page itself leads."""

import re

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from sites.models import ConnectedSite
from tests.e2e.browser import sign_in
from tests.e2e.conftest import PASSWORD, PATIENCE, Stage
from tests.e2e.desk import Desk

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def empty(stage: Stage) -> None:
    """Nothing is connected; the site named garage runs, and waits for its secret."""
    ConnectedSite.objects.all().delete()


def step(page: Page, number: int) -> Locator:
    return page.locator(".hub-step").nth(number - 1)


def test_from_an_empty_hub_to_the_first_user_at_the_first_site(empty: None, page: Page, stage: Stage) -> None:
    person = Desk(page)
    garage = stage.sites["garage"]
    page.reload()
    expect(page.locator(".hub-step h3")).to_have_text(["Add a site", "Test the connection", "Add or import users", "Sync"])
    expect(page.locator("[aria-current=step]")).to_contain_text("Add a site")

    # 1: the site.
    step(page, 1).get_by_role("link", name="Add a site").click()
    page.get_by_label("Display name").press_sequentially("Garage")
    page.get_by_label("URL").fill(garage.url)
    person.save()
    secret = page.locator("#secret").inner_text()
    person.go_to("Dashboard")
    expect(step(page, 1)).to_contain_text("Done")
    expect(page.locator("[aria-current=step]")).to_contain_text("Test the connection")

    # 2: the test fails while the secret is not at the site, and says so; then it works.
    step(page, 2).get_by_role("link", name="Test the connection").click()
    page.get_by_role("button", name="Test connection").click()
    person.says("The site refuses the signature (HTTP 401)")
    person.go_to("Dashboard")
    expect(step(page, 2)).not_to_contain_text("Done")
    step(page, 2).get_by_role("link", name="Test the connection").click()
    garage.set_secret(secret)
    page.get_by_role("button", name="Test connection").click()
    person.says("The connection works")
    person.go_to("Dashboard")
    expect(step(page, 2)).to_contain_text("Done")
    expect(page.locator("[aria-current=step]")).to_contain_text("Add or import users")

    # 3: users from a file. They arrive with the import, so that nothing is left to be led to.
    step(page, 3).get_by_role("link", name="Import users").click()
    content = b"email,full_name\nada@example.com,Ada Lovelace\nalan@example.com,Alan Turing\n"
    page.get_by_label("File", exact=True).set_input_files({"name": "people.csv", "mimeType": "text/csv", "buffer": content})
    page.get_by_role("button", name="Show what it does").click()
    page.get_by_role("button", name="Import these 2").click()
    person.says("2 users created.")
    assert garage.emails() == {"ada@example.com", "alan@example.com"}

    # 4: the dashboard is what it is from then on.
    person.go_to("Dashboard")
    expect(page.get_by_role("heading", name="First steps")).to_have_count(0)
    expect(person.card("Garage")).to_contain_text("All 2 users.")
    page.get_by_role("button", name="Sync All Users").click()
    person.says("Sync started: 2 deliveries to 1 site.")
    expect(page.locator("#hub-run")).to_contain_text(re.compile(r"Finished .*2 of 2 delivered\."))


def test_the_first_page_after_signing_in_has_the_viewers_time_zone(running_browser: Browser, stage: Stage) -> None:
    context = running_browser.new_context(timezone_id="Asia/Tokyo", viewport={"width": 1440, "height": 900})
    page = context.new_page()
    page.set_default_timeout(PATIENCE)
    sign_in(page, stage.web.address, "root", PASSWORD)
    Desk(page).add_user("ada@example.com", "Ada Lovelace")
    context.close()
    context = running_browser.new_context(timezone_id="Asia/Tokyo", viewport={"width": 1440, "height": 900})
    page = context.new_page()
    sign_in(page, stage.web.address, "root", PASSWORD)
    expect(page.locator(".hub-card time").first).to_have_attribute("title", re.compile(r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d JST$"))
    context.close()
