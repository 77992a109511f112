"""axe finds nothing wrong on any page: not in the light nor in the dark, neither on a large screen nor on a phone.

A new page needs one line in tests/e2e/pages.py.
"""

from collections.abc import Iterator
from typing import Any

import pytest
from axe_playwright_python.base import AXE_FILE_PATH
from playwright.sync_api import BrowserContext, Page

from tests.e2e.conftest import Exhibition
from tests.e2e.pages import PAGES
from tests.gallery import LOGIN, PASSWORD

RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
OF_COLOUR = ["color-contrast", "link-in-text-block"]
LARGE, PHONE = {"width": 1440, "height": 900}, {"width": 390, "height": 844}


@pytest.fixture(scope="module")
def visitor(exhibition: Exhibition) -> Iterator[BrowserContext]:
    context = exhibition.browser.new_context(viewport=LARGE, color_scheme="light")  # type: ignore[arg-type]
    context.add_init_script(path=AXE_FILE_PATH)
    yield context
    context.close()


@pytest.fixture
def page(visitor: BrowserContext, exhibition: Exhibition) -> Iterator[Page]:
    exhibition.sign_in(visitor)
    page = visitor.new_page()
    yield page
    page.close()


@pytest.mark.parametrize("name", PAGES)
def test_axe_finds_nothing(name: str, page: Page, exhibition: Exhibition) -> None:
    page.goto(exhibition.address(PAGES[name]))
    look_everywhere(page)


def test_axe_finds_nothing_on_the_login_page(visitor: BrowserContext, exhibition: Exhibition) -> None:
    visitor.clear_cookies()
    page = visitor.new_page()
    page.goto(exhibition.address("/admin/login/"))
    look_everywhere(page)
    page.get_by_label("Username").fill(LOGIN)
    page.get_by_label("Password").fill(PASSWORD + "?")
    with page.expect_navigation():
        page.get_by_role("button", name="Log in").click()
    look_everywhere(page)
    page.close()


def test_axe_finds_nothing_on_pages_that_are_shown_after_a_click(page: Page, exhibition: Exhibition) -> None:
    page.goto(exhibition.address("/admin/ssodash/apitoken/add/"))
    page.get_by_label("Name").fill("axe")
    with page.expect_navigation():
        page.get_by_role("button", name="Save", exact=True).click()
    look_everywhere(page)
    page.goto(exhibition.address("/admin/users/userprofile/add/"))
    with page.expect_navigation():
        page.get_by_role("button", name="Save", exact=True).click()
    look_everywhere(page)
    page.goto(exhibition.address("/admin/users/userprofile/import/"))
    content = b"email,full_name,role\nann@example.com,Ann,user\nno-address,Bob,user\nu3@example.com,Changed,lead\n"
    page.get_by_label("File", exact=True).set_input_files({"name": "users.csv", "mimeType": "text/csv", "buffer": content})
    with page.expect_navigation():
        page.get_by_role("button", name="Show what it does").click()
    look_everywhere(page)


def test_axe_finds_nothing_on_the_pages_of_an_import_and_of_a_bulk_change(page: Page, exhibition: Exhibition) -> None:
    page.goto(exhibition.address("/admin/users/userprofile/import/"))
    page.get_by_label("File", exact=True).set_input_files({"name": "empty.csv", "mimeType": "text/csv", "buffer": b"name\nAda\n"})
    with page.expect_navigation():
        page.get_by_role("button", name="Show what it does").click()
    look_everywhere(page)
    file = b"email,full_name,role,Team\nnew@example.com,New,user,A\nnobody,No Email,user,A\n"
    page.get_by_label("File", exact=True).set_input_files({"name": "people.csv", "mimeType": "text/csv", "buffer": file})
    with page.expect_navigation():
        page.get_by_role("button", name="Show what it does").click()
    look_everywhere(page)
    page.goto(exhibition.address("/admin/users/userprofile/"))
    page.locator("input.action-select").first.check()
    page.locator("select[name=action]").select_option("change_role")
    with page.expect_navigation():
        page.locator("#changelist-form").evaluate("form => form.submit()")
    page.get_by_role("button", name="Change the role").wait_for()
    look_everywhere(page)


def test_axe_finds_nothing_while_messages_are_shown(page: Page, exhibition: Exhibition) -> None:
    page.goto(exhibition.address("/admin/users/userprofile/{user}/change/"))
    with page.expect_navigation():
        page.get_by_role("button", name="Save and continue editing").click()
    page.locator(".hub-messages > li").first.wait_for()
    look_everywhere(page)
    assert page.locator(".hub-messages > li").count()


def look_everywhere(page: Page) -> None:
    """At everything in the light, at the colours in the dark, and at all but the colours on a phone."""
    everything = {"type": "tag", "values": RULES}
    looks: list[tuple[str, Any, dict[str, Any]]] = [
        ("light", LARGE, {"runOnly": everything}),
        ("dark", LARGE, {"runOnly": {"type": "rule", "values": OF_COLOUR}}),
        ("light", PHONE, {"runOnly": everything, "rules": {rule: {"enabled": False} for rule in OF_COLOUR}}),
    ]
    complaints = []
    # Until its scripts have run, the shell hides all there is.
    page.wait_for_function("!document.documentElement.hasAttribute('x-cloak')")
    for scheme, size, options in looks:
        page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
        page.set_viewport_size(size)
        page.evaluate("(dark) => window.Alpine && document.documentElement.classList.toggle('dark', dark)", scheme == "dark")
        found = page.evaluate("(options) => axe.run(document, { ...options, resultTypes: ['violations'] })", options)
        if found["violations"]:
            complaints.append(f"{page.url}, {scheme}, {size['width']} px:\n{told(found['violations'])}")
    page.set_viewport_size(LARGE)  # type: ignore[arg-type]
    if complaints:
        pytest.fail("\n".join(complaints), pytrace=False)


def told(violations: list[dict[str, Any]]) -> str:
    """What is wrong and where, in a few lines."""
    lines = []
    for violation in violations:
        lines.append(f"{violation['id']}: {violation['help']} ({', '.join(violation['tags'][1:3])})")
        lines += [
            f"    {node['target']}: {node['html'][:160]} | {node['failureSummary'].splitlines()[1:2]}" for node in violation["nodes"][:4]
        ]
    return "\n".join(lines)
