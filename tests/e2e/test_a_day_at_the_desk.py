"""One walk through the hub as an admin takes it, in a real browser, with real sites, a real worker and a real web server."""

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests.e2e.conftest import Stage
from tests.e2e.desk import Desk
from tests.receivers import SampleSiteProcess

pytestmark = pytest.mark.django_db(transaction=True)

EVERYWHERE = ("hrms", "cms", "sales", "garage")


def test_a_day_at_the_desk(page: Page, desk: BrowserContext, stage: Stage, eventually: Callable[..., object]) -> None:
    person = Desk(page)

    # Connect the fourth site: the secret is shown once, and goes into the site.
    page.get_by_role("link", name="Add a site").click()
    page.get_by_label("Display name").press_sequentially("Garage")
    expect(page.get_by_label("Name", exact=False).nth(1)).to_have_value("garage")
    page.get_by_label("URL").fill(stage.sites["garage"].url + "/")
    person.save()
    secret = page.locator("#secret").inner_text()
    stage.sites["garage"].set_secret(secret)
    person.go_to("Dashboard")
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
    page.get_by_role("link", name="Deactivate user").click()
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
    person.go_to("Dashboard")
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
    person.row("User 2").get_by_role("button", name="every site").click()
    expect(person.row("User 2")).to_contain_text("In sync at 3 of 4 sites. Pending at CMS: Connection refused")

    # The site is back; the open page follows by itself.
    stage.sites["cms"].start()
    person.card("CMS").get_by_role("button", name="Resume").click()
    person.says("CMS receives again")
    expect(person.card("CMS")).to_contain_text("In sync")
    expect(page.get_by_role("row").filter(has_text="Pending")).to_have_count(0)
    eventually(lambda: {user["role"] for user in stage.sites["cms"].users()} == {"lead"})
    person.row("User 2").get_by_role("button", name="every site").click()
    expect(person.row("User 2")).to_contain_text("Sent to 4 sites: all in sync.")

    # Pause a site for a while: its users wait, and everybody can read who did it and why.
    person.card("Sales").get_by_role("link", name="Sales", exact=True).click()
    page.get_by_label("Reason for the pause").fill("new server")
    page.get_by_role("button", name="Pause", exact=True).click()
    person.says("Sales is paused: what it is owed waits")
    person.open_user("User 1")
    page.get_by_label("Role").select_option("staff")
    person.save()
    person.says(re.compile("In sync at 3 of 4 sites. Pending at Sales: paused by root .*: new server; sent when the site is resumed."))
    person.go_to("Dashboard")
    expect(person.card("Sales")).to_contain_text(re.compile("Paused by root .*: new server. 1 user waits."))
    person.card("Sales").get_by_role("button", name="Resume").click()
    person.says("Sales receives again")
    expect(person.card("Sales")).to_contain_text("In sync")
    eventually(lambda: stage.sites["sales"].user("u1@example.com")["role"] == "staff")  # type: ignore[index]

    # Sync All: the progress reaches the end, everybody was sent again.
    before = handled(stage.sites["hrms"])
    page.get_by_role("button", name="Sync All Users").click()
    person.says("Sync started: 12 deliveries to 4 sites.")
    expect(page.locator("#hub-run")).to_contain_text(re.compile(r"Finished .*delivered\."))
    expect(page.locator("#hub-run progress")).to_have_count(0)
    assert handled(stage.sites["hrms"]) - before >= 3


def handled(site: SampleSiteProcess) -> int:
    """How many requests the site's page tells of."""
    return site.get("/").count("@example.com v")
