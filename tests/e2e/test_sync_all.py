"""Sync All while somebody looks on: its progress to the end, and stopped halfway."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from sites.models import ConnectedSite, issue_signing_secret
from sync.models import Delivery
from tests.conftest import eventually_true
from tests.e2e.conftest import Stage
from tests.e2e.desk import Desk
from tests.scripted_site import ScriptedSite, accept, scripted_site
from users.models import UserProfile

pytestmark = pytest.mark.django_db(transaction=True)

PEOPLE = 700
"""More than a run queues in advance at a site."""


@pytest.fixture
def archive(stage: Stage) -> Iterator[ScriptedSite]:
    """The only active site; it has everybody, and can be had to hold its answers back."""
    ConnectedSite.objects.update(is_active=False)
    with scripted_site() as site:
        row = ConnectedSite.objects.create(name="archive", display_name="Archive", url=site.url, timeout=60, max_in_flight=20)
        issue_signing_secret(row)
        UserProfile.objects.bulk_create(UserProfile(email=f"u{n}@example.com", full_name=f"User {n}") for n in range(PEOPLE))
        done = Delivery.objects.filter(site=row, status="success")
        eventually_true(lambda: done.count() == PEOPLE, 90, message="not everybody came to the site")
        yield site
        site.let_go()


def hold_after(site: ScriptedSite, number: int) -> None:
    """Has the site answer so many requests, and then no more until it is let go."""
    before = len(site.requests)

    def answer(request: object) -> object:
        if len(site.requests) - before > number:
            site.hold()
        return accept(request)  # type: ignore[arg-type]

    site.answer = answer  # type: ignore[assignment]


def test_the_progress_is_seen_to_move_and_to_reach_the_end(archive: ScriptedSite, page: Page, desk: BrowserContext) -> None:
    page.reload()
    hold_after(archive, 100)
    page.get_by_role("button", name="Sync All Users").click()
    Desk(page).says(f"Sync started: {PEOPLE} deliveries to 1 site.")
    run = page.locator("#hub-run")
    expect(run.get_by_role("progressbar")).to_be_visible()
    expect(run).to_contain_text(re.compile(rf"Running: \d+ of {PEOPLE} delivered\."))
    expect(run.locator("strong")).to_have_text(re.compile(r"^1\d %$"))
    own_page = desk.new_page()
    own_page.goto(page.url)
    own_page.locator("#hub-run").get_by_role("link", name="Details").click()
    expect(own_page.locator("#live-state")).to_contain_text("Running")
    cancel = own_page.get_by_role("button", name="Cancel this run")
    expect(cancel).to_be_visible()
    own_page.get_by_role("group", name="Progress at each site").focus()
    archive.answer = accept
    archive.let_go()
    expect(run).to_contain_text(re.compile(rf"Finished .*{PEOPLE} of {PEOPLE} delivered\."), timeout=60_000)
    expect(run.get_by_role("progressbar")).to_have_count(0)
    expect(own_page.locator("#live-state")).to_contain_text("Finished", timeout=60_000)
    expect(own_page.locator("#live-progress")).to_contain_text(f"100 %. Finished just now: {PEOPLE} of {PEOPLE} delivered.")
    expect(own_page.get_by_role("row").filter(has_text="Archive")).to_contain_text(f"Archive {PEOPLE} {PEOPLE} 0 0")
    expect(cancel).to_have_count(0)
    expect(own_page.get_by_role("group", name="Progress at each site")).to_be_focused()


def test_a_run_is_cancelled_halfway_says_what_was_not_sent_and_can_go_on(archive: ScriptedSite, page: Page) -> None:
    page.reload()
    person, run = Desk(page), page.locator("#hub-run")
    hold_after(archive, 100)
    before = len(archive.requests)
    page.get_by_role("button", name="Sync All Users").click()
    expect(run.locator("strong")).to_have_text(re.compile(r"^1\d %$"))
    run.get_by_role("button", name="Cancel").click()
    person.says("The run was cancelled. What it had already queued is still delivered. It can be resumed.")
    expect(run).to_contain_text(re.compile(r"Cancelled .*\d+ not sent\."))
    archive.answer = accept
    archive.let_go()
    expect(person.card("Archive")).to_contain_text(f"All {PEOPLE} users.", timeout=60_000)
    assert len(archive.requests) - before < PEOPLE, "all were sent, although the run was cancelled"
    run.get_by_role("button", name="Resume").click()
    person.says(re.compile(r"The run goes on: \d+ deliveries to come\."))
    expect(run).to_contain_text(re.compile(r"Finished "), timeout=60_000)
    assert len(archive.requests) - before >= PEOPLE
