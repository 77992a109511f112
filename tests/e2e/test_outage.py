"""A site goes down and comes back while the dashboard is open, and nobody touches it: the page follows by itself."""

import re

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests.e2e.conftest import Stage
from tests.e2e.desk import Desk
from tests.processes import HubProcess
from users.models import UserProfile

pytestmark = pytest.mark.django_db(transaction=True)

SEEN_WITHIN = 40_000
"""Milliseconds: a page where nothing moves looks four times a minute."""


@pytest.fixture
def people(stage: Stage) -> None:
    for number in range(3):
        UserProfile.objects.create(email=f"u{number}@example.com", full_name=f"User {number}")


def test_the_open_dashboard_follows_a_site_down_and_back(
    people: None, page: Page, desk: BrowserContext, stage: Stage, tmp_path: object
) -> None:
    page.reload()
    watcher, colleague = Desk(page), Desk(desk.new_page())
    expect(watcher.card("CMS")).to_contain_text("All 3 users.")
    page.evaluate("window.neverReloaded = true")

    # A colleague changes users while CMS is down.
    stage.sites["cms"].stop()
    colleague.page.goto(f"{stage.web.address}/admin/")
    for number in range(3):
        colleague.open_user(f"User {number}")
        colleague.page.get_by_label("Role").select_option("lead")
        colleague.save()
        colleague.says(re.compile("Pending at CMS"))
    card = watcher.card("CMS")
    expect(card).to_contain_text(re.compile("Quarantined .*Connection refused.*3 users wait", re.DOTALL), timeout=SEEN_WITHIN)
    expect(card).to_contain_text("Next try")
    expect(page.get_by_role("row").filter(has_text="Pending")).to_have_count(3)
    expect(watcher.card("HRMS")).to_contain_text("In sync")
    expect(page.locator(".hub-totals, .hub-tiles").first).to_contain_text("3")

    # It is back, and its next probe is answered: all that waited goes out, and the page says so.
    stage.sites["cms"].start()
    with HubProcess("probe_site", "cms", log=stage.sites["cms"].folder / "probe.log") as probe:
        assert probe.process is not None
        assert probe.process.wait(30) == 0, probe.output
    expect(card).to_contain_text("All 3 users.", timeout=SEEN_WITHIN)
    expect(card).not_to_contain_text("Quarantined")
    expect(page.get_by_role("row").filter(has_text="Pending")).to_have_count(0)
    assert {user["role"] for user in stage.sites["cms"].users()} == {"lead"}
    assert page.evaluate("window.neverReloaded"), "the page was loaded anew"
