"""The cells of the dashboard's matrix: their details stay when they are asked for, and the columns stay where they are."""

from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests.e2e.conftest import Exhibition

Open = Callable[..., Page]


@pytest.fixture
def opened(exhibition: Exhibition) -> Iterator[Open]:
    contexts: list[BrowserContext] = []

    def open_dashboard(width: int = 1440, *, touch: bool = False) -> Page:
        context = exhibition.browser.new_context(viewport={"width": width, "height": 900}, has_touch=touch)
        contexts.append(context)
        exhibition.sign_in(context)
        page = context.new_page()
        page.goto(exhibition.address("/admin/"))
        return page

    yield open_dashboard
    for context in contexts:
        context.close()


def test_a_click_on_a_status_shows_its_details_until_a_click_elsewhere(opened: Open) -> None:
    page = opened()
    tip, words = page.locator(".hub-tip"), page.locator(".hub-cell .hub-word-more")
    words.first.click()
    expect(tip).to_be_visible()
    expect(tip).to_contain_text("3 tries so far.")
    page.mouse.move(5, 5)
    with page.expect_response(lambda response: "/admin/live/" in response.url):
        page.evaluate("document.body.dispatchEvent(new Event('hub-refresh'))")
    page.wait_for_function("!document.querySelector('.htmx-request, .htmx-swapping, .htmx-settling')")
    expect(tip).to_be_visible()
    page.get_by_role("heading", name="User Data Sync").click()
    expect(tip).to_be_hidden()


def test_escape_and_moving_the_focus_put_the_details_away(opened: Open) -> None:
    page = opened()
    tip, word = page.locator(".hub-tip"), page.locator(".hub-cell .hub-word-more").first
    for put_away in (lambda: page.keyboard.press("Escape"), lambda: page.get_by_role("searchbox", name="Search users").focus()):
        word.click()
        expect(tip).to_be_visible()
        page.mouse.move(5, 5)
        expect(tip).to_be_visible()
        put_away()
        expect(tip).to_be_hidden()


def test_a_tap_on_a_phone_shows_them_and_another_tap_elsewhere_puts_them_away(opened: Open) -> None:
    page = opened(390, touch=True)
    tip, word = page.locator(".hub-tip"), page.locator(".hub-cell .hub-word-more").first
    word.scroll_into_view_if_needed()
    word.tap()
    expect(tip).to_be_visible()
    box = tip.bounding_box()
    assert box is not None
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= 390
    page.locator("#hub-users tbody tr").last.locator("th .hub-under").first.tap()
    expect(tip).to_be_hidden()


def test_what_a_resend_says_and_changes_leaves_every_column_where_it_is(opened: Open) -> None:
    page = opened()
    columns = "[...document.querySelectorAll('.hub-matrix thead th')].map((head) => Math.round(head.getBoundingClientRect().left))"
    before = page.evaluate(columns)
    page.get_by_role("button", name="Send Person 4 again to Site 0").click()
    expect(page.locator(".hub-note:not(:empty)")).to_contain_text("Site 0", timeout=20_000)
    assert page.evaluate(columns) == before
