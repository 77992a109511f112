"""What an admin does at the browser, in an admin's words."""

import re

from playwright.sync_api import Locator, Page, expect


class Desk:
    """One tab, signed in."""

    def __init__(self, page: Page) -> None:
        self.page = page

    def go_to(self, entry: str) -> None:
        """By the sidebar."""
        self.page.locator("#nav-sidebar-apps").get_by_text(entry, exact=True).click()

    def add_user(self, email: str, name: str) -> None:
        self.go_to("Users")
        self.page.locator("a[href$='/users/userprofile/add/']").first.click()
        self.page.get_by_label("Email").fill(email)
        self.page.get_by_label("Full name").fill(name)
        self.save()

    def open_user(self, name: str) -> None:
        self.go_to("Dashboard")
        self.page.get_by_role("link", name=name, exact=True).click()

    def save(self) -> None:
        self.page.get_by_role("button", name="Save", exact=True).click()

    def row(self, name: str) -> Locator:
        return self.page.get_by_role("row").filter(has_text=name)

    def card(self, title: str) -> Locator:
        return self.page.locator(".hub-card").filter(has=self.page.get_by_role("heading", name=title))

    def says(self, text: str | re.Pattern[str]) -> None:
        expect(self.page.get_by_text(text).first).to_be_visible()
