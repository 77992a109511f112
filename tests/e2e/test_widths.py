"""Pages fit their screen: a phone, a small and a large one."""

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.conftest import Stage
from tests.e2e.desk import Desk

pytestmark = pytest.mark.django_db(transaction=True)

WIDTHS = (390, 1024, 1440)
PATHS = ("", "users/userprofile/", "sites/connectedsite/", "sites/connectedsite/add/", "sync/usersynclog/", "sync/syncrun/")


def test_no_page_is_wider_than_the_screen(page: Page, stage: Stage) -> None:
    Desk(page).add_user("a-rather-long-address-of-somebody@a-rather-long-domain.example.com", "Somebody with a Rather Long Name Indeed")
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 900})
        for path in PATHS:
            page.goto(f"{stage.web.address}/admin/{path}")
            assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), f"{path or 'the dashboard'} at {width} px"


def test_german_words_a_long_search_and_a_long_title_fit_a_phone(page: Page, stage: Stage) -> None:
    person = Desk(page)
    person.add_user("a-rather-long-address-of-somebody@a-rather-long-domain.example.com", "Somebody with a Rather Long Name Indeed")
    person.open_user("Somebody with a Rather Long Name Indeed")
    user = page.url.removeprefix(f"{stage.web.address}/admin/")
    page.context.set_extra_http_headers({"Accept-Language": "de"})
    page.set_viewport_size({"width": 390, "height": 844})
    long = "é" * 200
    for path in (*PATHS, user, f"?q={long}", f"users/userprofile/?q={long}", "users/userprofile/import/"):
        page.goto(f"{stage.web.address}/admin/{path}")
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), f"{path or 'the dashboard'} is too wide"
        too_narrow = (
            "[...document.querySelectorAll('.hub-total dt, #header-inner h1 > *')].filter((box) => box.scrollWidth > box.clientWidth + 1)"
        )
        assert page.evaluate(f"{too_narrow}.map((box) => box.textContent)") == [], path
    expect(page.locator("html")).to_have_attribute("lang", "de")


def test_a_line_of_a_list_is_as_high_on_a_phone_as_what_it_says(page: Page, stage: Stage) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    page.get_by_role("button", name="Sync All Users").click()
    Desk(page).says("Sync started")
    page.goto(f"{stage.web.address}/admin/sync/syncrun/")
    progress = page.locator(".field-shown_progress").first
    progress.evaluate("cell => cell.textContent = 'Not all delivered, and here is why: '.repeat(9)")
    assert progress.evaluate("cell => cell.scrollHeight <= cell.clientHeight + 1")


def test_headings_of_the_columns_of_an_import_stand_over_them(page: Page, stage: Stage) -> None:
    page.goto(f"{stage.web.address}/admin/users/userprofile/import/")
    lefts = "(row) => [...row.cells].map((cell) => Math.round(cell.getBoundingClientRect().left))"
    rows = page.get_by_role("table").get_by_role("row")
    assert rows.first.evaluate(lefts) == rows.nth(1).evaluate(lefts)


def test_in_the_dark_the_scrollbar_is_dark_too(page: Page) -> None:
    page.emulate_media(color_scheme="dark")
    page.reload()
    page.wait_for_function("document.documentElement.classList.contains('dark')")
    assert page.evaluate("getComputedStyle(document.documentElement).colorScheme") == "dark"
