"""A toast lies over nothing that a person wants to press, on a large screen and on a phone."""

from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.conftest import Exhibition

COVERED = """() => {
    const toasts = [...document.querySelectorAll('.hub-messages .hub-alert')].map((toast) => toast.getBoundingClientRect());
    const meets = (one, other) => one.left < other.right && other.left < one.right && one.top < other.bottom && other.top < one.bottom;
    return [...document.querySelectorAll('a, button, input, select, summary, [role=button]')]
        .filter((item) => !item.closest('.hub-messages') && item.checkVisibility({ visibilityProperty: true }))
        .filter((item) => {
            const box = item.getBoundingClientRect();
            const [x, y] = [box.left + box.width / 2, box.top + box.height / 2];
            // The menu scrolls within itself: what is scrolled out of it is nowhere to be pressed.
            const menu = item.closest('#nav-sidebar-apps')?.getBoundingClientRect();
            if (menu && (y < menu.top || y > menu.bottom)) return false;
            return box.width && toasts.some((toast) => meets(toast, box)) && document.elementFromPoint(x, y)?.closest('.hub-messages');
        })
        .map((item) => item.outerHTML.slice(0, 120));
}"""
# The table may be renewed meanwhile: it is the button of this id that is looked at.
ON_TOP = """id => {
    const button = document.getElementById(id);
    const box = button.getBoundingClientRect();
    return button.contains(document.elementFromPoint(box.x + 9, box.y + 9));
}"""
SAY = """([look, text]) => {
    const said = document.getElementById('hub-said');
    const icon = '<span aria-hidden="true">!</span>';
    said.innerHTML = `<span class="hub-alert hub-alert-${look}">${icon}<span class="hub-alert-text">${text}</span></span>`;
    htmx.trigger(said, 'htmx:afterSwap');
}"""
LONG = "Pending at Site 0: Connection refused; next try in 5 s. No worker is running: start one with <code>manage.py sync_worker</code>."
SIZES = {"large": (1440, 900), "low": (1366, 640), "tablet": (1024, 768), "phone": (390, 844)}


@pytest.fixture(params=SIZES)
def page(request: Any, exhibition: Exhibition) -> Iterator[Page]:
    width, height = SIZES[request.param]
    context = exhibition.browser.new_context(viewport={"width": width, "height": height})
    exhibition.sign_in(context)
    page = context.new_page()
    yield page
    context.close()


def test_after_a_save_every_button_can_be_pressed(page: Page, exhibition: Exhibition) -> None:
    for path in ("/admin/auth/group/{group}/change/", "/admin/users/userprofile/{user}/change/"):
        page.goto(exhibition.address(path))
        page.get_by_role("button", name="Save and continue editing").click()
        expect(page.locator(".hub-messages > li").first).to_be_visible()
        expect(page.get_by_role("button", name="Dismiss").first).to_be_visible()
        scroll_to_the_end(page)
        assert page.evaluate(COVERED) == []


def test_answers_on_the_dashboard_cover_neither_what_was_pressed_nor_what_stands_at_the_end(page: Page, exhibition: Exhibition) -> None:
    page.goto(exhibition.address("/admin/"))
    again = page.get_by_role("button", name="again to every site").last
    again.focus()
    for number in range(3):
        page.evaluate(SAY, ["pending", f"{number}: {LONG}"])
    expect(page.locator(".hub-messages > li")).to_have_count(3)
    page.wait_for_function(ON_TOP, arg=again.get_attribute("id"))
    scroll_to_the_end(page)
    assert page.evaluate(COVERED) == []


def test_when_it_is_dismissed_its_room_is_given_back(page: Page, exhibition: Exhibition) -> None:
    page.goto(exhibition.address("/admin/"))
    height = "document.documentElement.scrollHeight"
    before = page.evaluate(height)
    page.evaluate(SAY, ["pending", LONG])
    page.get_by_role("button", name="Dismiss").click()
    expect(page.locator(".hub-messages > li")).to_have_count(0)
    assert page.evaluate(height) == before


def scroll_to_the_end(page: Page) -> None:
    page.evaluate("scrollTo(0, document.documentElement.scrollHeight)")
