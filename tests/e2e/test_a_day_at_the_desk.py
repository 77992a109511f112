"""One walk through the hub as an admin takes it, in a real browser, with real sites, a real worker and a real web server."""

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Browser, BrowserContext, Locator, Page, expect

from tests.e2e.browser import sign_in
from tests.e2e.conftest import PASSWORD, Stage
from tests.receivers import SampleSiteProcess

pytestmark = pytest.mark.django_db(transaction=True)

EVERYWHERE = ("hrms", "cms", "sales", "garage")


class Desk:
    """What the person does, in the person's words."""

    def __init__(self, page: Page, stage: Stage) -> None:
        self.page = page
        self.stage = stage

    def dashboard(self) -> None:
        self.page.get_by_role("link", name="Dashboard").first.click()

    def add_user(self, email: str, name: str) -> None:
        self.page.get_by_role("link", name="Users", exact=True).first.click()
        self.page.locator("a[href$='/users/userprofile/add/']").first.click()
        self.page.get_by_label("Email").fill(email)
        self.page.get_by_label("Full name").fill(name)
        self.save()

    def open_user(self, name: str) -> None:
        self.dashboard()
        self.page.get_by_role("link", name=name, exact=True).click()

    def save(self) -> None:
        self.page.get_by_role("button", name="Save", exact=True).click()

    def row(self, name: str) -> Locator:
        return self.page.get_by_role("row").filter(has_text=name)

    def card(self, title: str) -> Locator:
        return self.page.locator(".hub-card").filter(has=self.page.get_by_role("heading", name=title))

    def says(self, text: str | re.Pattern[str]) -> None:
        expect(self.page.get_by_text(text).first).to_be_visible()


def test_a_day_at_the_desk(page: Page, desk: BrowserContext, stage: Stage, eventually: Callable[..., object]) -> None:
    person = Desk(page, stage)

    # Connect the fourth site: the secret is shown once, and goes into the site.
    page.get_by_role("link", name="Add a site").click()
    page.get_by_label("Display name").press_sequentially("Garage")
    expect(page.get_by_label("Name", exact=False).nth(1)).to_have_value("garage")
    page.get_by_label("URL").fill(stage.sites["garage"].url + "/")
    person.save()
    secret = page.locator("#secret").inner_text()
    stage.sites["garage"].set_secret(secret)
    page.get_by_role("link", name="Dashboard").last.click()
    expect(person.card("Garage")).to_be_visible()
    assert secret not in page.content()

    # Add a user: the answer says so, and each site's own page shows the user at once.
    person.says("The directory is empty")
    person.add_user("ada@example.com", "Ada Lovelace")
    person.says("In sync at 4 of 4 sites.")
    tabs = {name: desk.new_page() for name in EVERYWHERE}
    for name, tab in tabs.items():
        tab.goto(stage.sites[name].url)
        expect(tab.get_by_text("ada@example.com").first).to_be_visible()

    # Edit the role, then deactivate: the sites follow.
    person.open_user("Ada Lovelace")
    page.get_by_label("Role").select_option("manager")
    person.save()
    person.says("In sync at 4 of 4 sites.")
    assert {site.user("ada@example.com")["role"] for site in stage.sites.values()} == {"manager"}  # type: ignore[index]
    person.open_user("Ada Lovelace")
    page.get_by_role("link", name="Delete").click()
    person.says("is deactivated, not deleted")
    page.get_by_role("button", name="Yes, deactivate").click()
    person.says("Removed from 4 of 4 sites.")
    assert [site.users() for site in stage.sites.values()] == [[]] * 4

    # A site goes down while three users change: the dashboard says why, and when next.
    for number in range(1, 4):
        person.add_user(f"u{number}@example.com", f"User {number}")
    stage.sites["cms"].stop()
    for number in range(1, 4):
        person.open_user(f"User {number}")
        page.get_by_label("Role").select_option("lead")
        person.save()
        person.says(re.compile("Pending at CMS: Connection refused"))
    person.dashboard()
    cell = person.row("User 1").get_by_text("Pending")
    cell.hover()
    expect(page.locator(".hub-tip")).to_contain_text("Connection refused")
    expect(page.locator(".hub-tip")).to_contain_text(re.compile("Next try (in|now)"))
    page.keyboard.press("Escape")
    expect(page.locator(".hub-tip")).to_be_hidden()
    expect(person.card("CMS")).to_contain_text("Quarantined")
    expect(person.card("CMS")).to_contain_text("Connection refused")
    expect(person.card("CMS")).to_contain_text("Next try")
    expect(person.card("HRMS")).to_contain_text("In sync")

    # The refresh icon answers in its row, also when the answer is no.
    person.row("User 2").get_by_role("button").click()
    expect(person.row("User 2")).to_contain_text("In sync at 3 of 4 sites. Pending at CMS: Connection refused")

    # The site is back; the open page follows by itself.
    stage.sites["cms"].start()
    person.card("CMS").get_by_role("button", name="Try now").click()
    person.says("CMS receives again")
    expect(person.card("CMS")).to_contain_text("In sync")
    expect(page.get_by_role("row").filter(has_text="Pending")).to_have_count(0)
    eventually(lambda: {user["role"] for user in stage.sites["cms"].users()} == {"lead"})
    person.row("User 2").get_by_role("button").click()
    expect(person.row("User 2")).to_contain_text("Sent to 4 sites: all in sync.")

    # Sync All: the progress reaches the end, everybody was sent again.
    before = handled(stage.sites["hrms"])
    page.get_by_role("button", name="Sync All Users").click()
    person.says(re.compile("Sync started: 16 deliveries to 4 sites|Sync started: 12 deliveries to 4 sites"))
    expect(page.locator("#hub-run")).to_contain_text(re.compile(r"Finished .*delivered\."))
    expect(page.locator("#hub-run progress")).to_have_count(0)
    assert handled(stage.sites["hrms"]) - before >= 3


def handled(site: SampleSiteProcess) -> int:
    """How many requests the site's page tells of."""
    return site.get("/").count("@example.com v")


def test_the_essential_works_without_javascript(running_browser: Browser, stage: Stage) -> None:
    context = running_browser.new_context(java_script_enabled=False)
    page = context.new_page()
    sign_in(page, stage.web.address, "root", PASSWORD)
    person = Desk(page, stage)
    page.goto(f"{stage.web.address}/admin/users/userprofile/add/")
    page.get_by_label("Email").fill("ada@example.com")
    page.get_by_label("Full name").fill("Ada Lovelace")
    person.save()
    person.says("In sync at 3 of 3 sites.")
    page.goto(f"{stage.web.address}/admin/")
    expect(person.row("Ada Lovelace")).to_contain_text("In sync")
    person.row("Ada Lovelace").get_by_role("button").click()
    person.says("Sent to 3 sites: all in sync.")
    page.get_by_role("button", name="Sync All Users").click()
    person.says("Sync started: 3 deliveries to 3 sites.")
    page.get_by_role("searchbox").fill("nobody")
    page.keyboard.press("Enter")
    person.says("No user's name, email or id contains “nobody”.")
    context.close()


@pytest.mark.parametrize("width", [390, 1024, 1440])
def test_no_page_is_wider_than_the_screen(page: Page, stage: Stage, width: int) -> None:
    person = Desk(page, stage)
    person.add_user("a-rather-long-address-of-somebody@a-rather-long-domain.example.com", "Somebody with a Rather Long Name Indeed")
    page.set_viewport_size({"width": width, "height": 900})
    for path in ("", "users/userprofile/", "sites/connectedsite/", "sites/connectedsite/add/", "sync/usersynclog/", "sync/syncrun/"):
        page.goto(f"{stage.web.address}/admin/{path}")
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), f"{path or 'the dashboard'} at {width} px"
