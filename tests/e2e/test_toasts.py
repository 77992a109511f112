"""Small answers are toasts: read out, dismissed by keyboard, and not gone before they can be read."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.conftest import Exhibition

UNDER_A_CLOCK = "/admin/users/userprofile/{user}/change/"


@pytest.fixture
def page(exhibition: Exhibition) -> Iterator[Page]:
    context = exhibition.browser.new_context(viewport={"width": 1440, "height": 900})
    exhibition.sign_in(context)
    page = context.new_page()
    yield page
    context.close()


def save_a_group(page: Page, exhibition: Exhibition) -> None:
    """Something small that is answered by a message."""
    page.goto(exhibition.address("/admin/auth/group/{group}/change/"))
    page.get_by_role("button", name="Save", exact=True).click()


def test_a_message_of_the_page_is_a_toast_that_is_read_out(page: Page, exhibition: Exhibition) -> None:
    save_a_group(page, exhibition)
    toast = page.locator(".hub-messages > li")
    expect(toast).to_contain_text("was changed successfully")
    expect(page.locator("#hub-announcer[role=status]")).to_contain_text("was changed successfully")
    assert toast.locator("xpath=..").evaluate("list => getComputedStyle(list).position") != "static"


def test_a_toast_is_dismissed_by_its_button_and_the_focus_is_not_lost(page: Page, exhibition: Exhibition) -> None:
    save_a_group(page, exhibition)
    page.get_by_role("button", name="Dismiss").focus()
    page.keyboard.press("Enter")
    expect(page.locator(".hub-messages > li")).to_have_count(0)
    assert page.evaluate("document.activeElement.id") == "content"


def test_escape_dismisses_the_newest_toast(page: Page, exhibition: Exhibition) -> None:
    save_a_group(page, exhibition)
    expect(page.get_by_role("button", name="Dismiss")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.locator(".hub-messages > li")).to_have_count(0)


def test_a_toast_goes_by_itself_only_after_it_could_be_read_and_never_while_it_is_pointed_at(page: Page, exhibition: Exhibition) -> None:
    page.clock.install()
    save_a_group(page, exhibition)
    toast = page.locator(".hub-messages > li")
    expect(toast).to_be_visible()
    page.clock.run_for(19_000)
    expect(toast).to_be_visible()
    toast.hover()
    page.clock.run_for(120_000)
    expect(toast).to_be_visible()
    page.mouse.move(0, 0)
    page.clock.run_for(30_000)
    expect(toast).to_have_count(0)


def test_an_answer_in_place_is_a_toast_too_and_a_warning_stays(page: Page, exhibition: Exhibition) -> None:
    page.clock.install()
    page.goto(exhibition.address("/admin/"))
    swap = """([look, text]) => {
        const said = document.getElementById('hub-said');
        said.innerHTML = `<span class="hub-alert hub-alert-${look}"><span aria-hidden="true">!</span>${text}</span>`;
        htmx.trigger(said, 'htmx:afterSwap');
    }"""
    for look, text in (("success", "Sent."), ("success", "Sent."), ("pending", "No worker is running.")):
        page.evaluate(swap, [look, text])
    expect(page.locator(".hub-messages > li")).to_contain_text(["Sent.", "No worker is running."])
    expect(page.locator(".hub-messages > li")).to_have_count(2)
    expect(page.locator("#hub-said")).to_have_text("No worker is running.")
    page.mouse.move(0, 0)
    page.clock.run_for(300_000)
    expect(page.locator(".hub-messages > li")).to_have_count(1)
    expect(page.locator(".hub-messages > li")).to_contain_text("No worker is running.")


def test_without_javascript_a_message_stands_in_the_page(exhibition: Exhibition) -> None:
    context = exhibition.browser.new_context(java_script_enabled=False)
    exhibition.sign_in(context)
    page = context.new_page()
    save_a_group(page, exhibition)
    message = page.locator(".hub-messages > li")
    expect(message).to_contain_text("was changed successfully")
    assert message.locator("xpath=..").evaluate("list => getComputedStyle(list).position") == "static"
    context.close()
