"""A user's page that stays open while the sites' answers come."""

import re

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.conftest import Stage
from tests.e2e.desk import Desk
from users.models import UserProfile

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def person(stage: Stage) -> None:
    UserProfile.objects.create(email="ada@example.com", full_name="Ada Lovelace")


def test_it_shows_an_answer_by_itself_and_keeps_the_focus_and_what_was_opened(person: None, page: Page, stage: Stage) -> None:
    page.reload()
    stage.sites["cms"].stop()
    Desk(page).open_user("Ada Lovelace")
    page.get_by_label("Role").select_option("lead")
    page.get_by_role("button", name="Save and continue editing").click()
    stands = page.get_by_role("row").filter(has=page.locator("[scope=row]", has_text="CMS"))
    expect(stands).to_contain_text("Pending")
    summary = stands.locator("summary")
    summary.click()
    expect(summary).to_be_focused()
    page.evaluate("window.neverReloaded = true")
    page.get_by_label("Full name").fill("Ada, half typed")
    summary.focus()
    stage.sites["cms"].start()
    expect(stands).to_contain_text("There: CMS has this user as shown here.", timeout=40_000)
    expect(stands.locator(".hub-status")).to_have_text(re.compile("In sync"))
    expect(page.locator("#live-attempts tbody tr").first).to_contain_text(re.compile("cms.*Delivered", re.DOTALL))
    expect(stands.get_by_text("Belongs there?")).to_be_visible()
    expect(summary).to_be_focused()
    expect(page.get_by_label("Full name")).to_have_value("Ada, half typed")
    assert page.evaluate("window.neverReloaded"), "the page was loaded anew"
