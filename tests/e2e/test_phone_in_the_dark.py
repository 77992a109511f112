"""The main tasks on a phone of 390 pixels in the dark: who is not synced and why, send again, stop a broken site."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.e2e.browser import sign_in
from tests.e2e.conftest import PASSWORD, PATIENCE, Stage
from tests.e2e.desk import Desk
from users.models import UserProfile

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def trouble(stage: Stage) -> None:
    """CMS is down, and Ada's change did not reach it."""
    ada = UserProfile.objects.create(email="ada@example.com", full_name="Ada Lovelace")
    stage.sites["cms"].stop()
    ada.role = "lead"
    ada.save()


@pytest.fixture
def phone(trouble: None, running_browser: Browser, stage: Stage) -> Iterator[Page]:
    context = running_browser.new_context(viewport={"width": 390, "height": 844}, color_scheme="dark", has_touch=True, is_mobile=True)
    page = context.new_page()
    page.set_default_timeout(PATIENCE)
    sign_in(page, stage.web.address, "root", PASSWORD)
    yield page
    context.close()


def test_the_main_tasks_on_a_phone_in_the_dark(phone: Page, stage: Stage) -> None:
    person = Desk(phone)
    expect(phone.locator("html")).to_have_class(re.compile(r"\bdark\b"))

    # Who is not in sync, and why.
    phone.get_by_label("Status").select_option("pending")
    expect(phone.locator("#hub-users tbody th > a")).to_have_text(["Ada Lovelace"])
    fits(phone)
    phone.get_by_role("link", name="Ada Lovelace").tap()
    why = person.row("CMS").first
    why.get_by_text("There, but with older data: Connection refused").tap()
    expect(why).to_contain_text("What to do")
    fits(phone)

    # Send her again to one site that works.
    person.row("HRMS").first.get_by_role("button", name="Send again to HRMS").tap()
    person.says("Sent again to HRMS: in sync.")

    # Stop the broken site, from its card, and see who did it.
    phone.goto(f"{stage.web.address}/admin/")
    card = person.card("CMS")
    card.get_by_role("button", name=re.compile("Pause")).tap()
    person.says("CMS is paused: what it is owed waits")
    expect(card).to_contain_text("Paused by root")
    fits(phone)

    # It is mended: go on, and she is there.
    stage.sites["cms"].start()
    card.get_by_role("button", name=re.compile("Resume")).tap()
    expect(card).to_contain_text("All 1 user")
    assert stage.sites["cms"].user("ada@example.com")["role"] == "lead"  # type: ignore[index]


def fits(page: Page) -> None:
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), f"{page.url} is wider than the phone"
