"""The main tasks by keyboard alone: every stop is seen, has a name, and does what a click does."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.conftest import Exhibition

MOST_STOPS = 120
FOCUSED = """() => {
    const item = document.activeElement;
    const style = getComputedStyle(item);
    const ring = (style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) > 0) || style.boxShadow !== 'none';
    const around = item.closest('label, .hub-search, .hub-field');
    const outer = around && getComputedStyle(around).outlineStyle !== 'none';
    const labels = item.labels && item.labels.length ? item.labels[0].innerText || 'labelled' : '';
    const name = item.getAttribute('aria-label') || item.innerText || item.value || item.title || labels || item.placeholder || '';
    return { what: item.outerHTML.slice(0, 160), seen: ring || outer || item === document.body, name };
}"""


@pytest.fixture
def page(exhibition: Exhibition) -> Iterator[Page]:
    context = exhibition.browser.new_context(viewport={"width": 1440, "height": 900})
    exhibition.sign_in(context)
    page = context.new_page()
    page.goto(exhibition.address("/admin/"))
    yield page
    context.close()


def tab_to(page: Page, selector: str) -> None:
    """Presses Tab until this has the focus."""
    for _ in range(MOST_STOPS):
        page.keyboard.press("Tab")
        if page.evaluate("selector => document.activeElement.matches(selector)", selector):
            return
    pytest.fail(f"{selector} is not reached by Tab")


def test_the_first_stop_is_a_link_that_skips_to_the_content(page: Page) -> None:
    page.keyboard.press("Tab")
    skip = page.get_by_role("link", name="Skip to the content")
    expect(skip).to_be_focused()
    expect(skip).to_be_in_viewport()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    assert page.evaluate("document.getElementById('content').contains(document.activeElement)")


@pytest.mark.parametrize(
    "path", ["/admin/", "/admin/users/userprofile/", "/admin/users/userprofile/{user}/change/", "/admin/sites/connectedsite/{site}/change/"]
)
def test_every_stop_is_seen_and_has_a_name(page: Page, exhibition: Exhibition, path: str) -> None:
    page.goto(exhibition.address(path))
    page.wait_for_load_state("networkidle")
    unseen, nameless, stops = [], [], set()
    for _ in range(MOST_STOPS):
        page.keyboard.press("Tab")
        stop = page.evaluate(FOCUSED)
        stops.add(stop["what"])
        if not stop["seen"]:
            unseen.append(stop["what"])
        if not stop["name"].strip() and "simplebar" not in stop["what"] and "<body" not in stop["what"]:
            nameless.append(stop["what"])
        if "<body" in stop["what"]:
            break
    assert len(stops) > 10
    assert unseen == []
    assert nameless == []


def test_a_user_is_found_and_sent_again(page: Page) -> None:
    tab_to(page, "#hub-search")
    page.keyboard.type("u5@example")
    expect(page.locator(".hub-matrix tbody tr")).to_have_count(1)
    tab_to(page, "[id^=sync-]")
    page.keyboard.press("Enter")
    expect(page.locator(".hub-matrix tbody tr").first).to_contain_text(re.compile("Pending|In sync|Failed"))
    expect(page.locator("#hub-said")).to_contain_text(re.compile(r"\w"))


def test_the_account_menu_opens_says_so_and_changes_the_language(page: Page) -> None:
    tab_to(page, "[role=button][aria-label^='Account and settings']")
    page.keyboard.press("Enter")
    german = page.get_by_role("button", name=re.compile("Deutsch"))
    expect(german).to_be_visible()
    page.keyboard.press("Escape")
    expect(german).to_be_hidden()
    page.keyboard.press("Enter")
    expect(german).to_be_visible()
    german.focus()
    page.keyboard.press("Enter")
    expect(page.locator("html")).to_have_attribute("lang", "de")


def test_a_user_is_deactivated_after_a_confirmation(page: Page, exhibition: Exhibition) -> None:
    page.goto(exhibition.address("/admin/users/userprofile/{user}/change/"))
    tab_to(page, "a[href$='/delete/']")
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile("/delete/"))
    tab_to(page, ".hub-button-danger")
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile("/admin/users/userprofile/$|/change/$"))
    expect(page.locator(".hub-messages")).to_contain_text(re.compile(r"\w"))
