"""The dashboard in a real browser: filters that follow the hand, the cells' own buttons, the menu of Sync All, and how it keeps looking."""

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, Request, expect

from tests.e2e.conftest import Stage
from tests.e2e.desk import Desk
from users.models import UserProfile

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def people(stage: Stage) -> None:
    UserProfile.objects.create(email="ada@example.com", full_name="Ada Lovelace", role="staff")
    UserProfile.objects.create(email="bob@example.com", full_name="Bob Brown")


def test_filters_narrow_the_list_in_place_and_the_address_follows(people: None, page: Page, stage: Stage) -> None:
    page.reload()
    page.get_by_label("Role").select_option("staff")
    expect(page.get_by_role("link", name="Bob Brown")).to_have_count(0)
    expect(page.locator("#hub-users tbody th > a")).to_have_text(["Ada Lovelace"])
    expect(page).to_have_url(f"{stage.web.address}/admin/?role=staff")
    page.get_by_label("Role").select_option("")
    page.get_by_role("searchbox").press_sequentially("bob")
    expect(page.get_by_role("link", name="Ada Lovelace")).to_have_count(0)
    choice = page.locator(".hub-filters .hub-menu")
    choice.locator("summary").click()
    choice.get_by_label("CMS").check()
    expect(page.get_by_role("columnheader", name="HRMS")).to_have_count(0)
    expect(page.get_by_role("columnheader", name="CMS")).to_be_visible()
    expect(page).to_have_url(f"{stage.web.address}/admin/?q=bob&site=cms")
    page.keyboard.press("Escape")
    expect(choice.get_by_label("CMS")).to_be_hidden()
    page.get_by_label("Status").select_option("failed")
    Desk(page).says("No user matches these filters.")
    page.reload()
    expect(page.get_by_label("Status")).to_have_value("failed")
    page.get_by_role("link", name="Show all users").click()
    expect(page.locator("#hub-users tbody th > a")).to_have_text(["Bob Brown", "Ada Lovelace"])


def test_a_cell_tells_its_details_by_keyboard_and_sends_this_user_to_this_site(people: None, page: Page, stage: Stage) -> None:
    page.reload()
    person = Desk(page)
    button = page.get_by_role("button", name="Send Ada Lovelace again to CMS")
    before = {name: stage.sites[name].get("/").count("@example.com v") for name in ("hrms", "cms")}
    button.focus()
    expect(page.locator(".hub-tip")).to_contain_text("Last delivered")
    page.keyboard.press("Enter")
    expect(person.row("Ada Lovelace")).to_contain_text("Sent again to CMS: in sync.")
    expect(button).to_be_focused()
    after = {name: stage.sites[name].get("/").count("@example.com v") for name in ("hrms", "cms")}
    assert (after["hrms"], after["cms"]) == (before["hrms"], before["cms"] + 1)


def test_the_menu_sends_to_the_chosen_sites(people: None, page: Page) -> None:
    page.reload()
    menu = page.locator(".hub-split")
    menu.locator("summary").click()
    menu.get_by_label("CMS").check()
    expect(menu.get_by_label("These sites:")).to_be_checked()
    menu.get_by_role("button", name="Start").click()
    Desk(page).says("Sync started: 2 deliveries to 1 site.")
    expect(menu.get_by_role("button", name="Start")).to_be_hidden()
    expect(page.locator("#hub-run")).to_contain_text(re.compile("Sync All, 1 site. Finished .*2 of 2 delivered"))


def test_a_tab_that_nobody_sees_asks_for_nothing_and_looks_at_once_when_it_is_seen(
    people: None, page: Page, eventually: Callable[..., object]
) -> None:
    page.reload()
    polls: list[str] = []

    def note(request: Request) -> None:
        if "/admin/live/" in request.url:
            polls.append(request.url)

    page.on("request", note)
    page.evaluate("Object.defineProperty(document, 'hidden', {configurable: true, get: () => true})")
    page.evaluate("htmx.trigger('#hub-poller', 'hub-refresh'); document.body.dispatchEvent(new Event('hub-refresh'))")
    page.wait_for_timeout(300)
    assert polls == []
    page.evaluate("delete document.hidden; document.dispatchEvent(new Event('visibilitychange'))")
    page.wait_for_timeout(700)
    assert len(polls) == 1


def test_what_was_opened_stays_open_when_the_page_is_renewed(people: None, page: Page) -> None:
    page.reload()
    page.get_by_text("As a table").click()
    table = page.get_by_role("table", name="Deliveries per hour by what came of them")
    expect(table).to_be_visible()
    page.get_by_role("button", name="Send Ada Lovelace again to CMS").click()
    expect(page.locator(".hub-legend")).to_contain_text("Delivered 7")
    expect(table).to_be_visible()
