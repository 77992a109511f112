"""A real Chromium, for the end-to-end tests and the screenshots."""

from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Browser, Page, sync_playwright

ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@contextmanager
def browser(chromium: str) -> Iterator[Browser]:
    """The browser at this path, closed at the end. Playwright runs an event loop in this thread; Django refuses its ORM there."""
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=chromium, args=ARGUMENTS)
        try:
            yield running
        finally:
            running.close()


def sign_in(page: Page, address: str, username: str, password: str) -> None:
    """From the front page, as a person does; ends on the dashboard."""
    page.goto(address)
    page.get_by_label("Username").fill(username)
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Log in").click()
    page.wait_for_url(f"{address}/admin/")
