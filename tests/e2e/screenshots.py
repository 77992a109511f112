"""`python -m tests.e2e.screenshots [FOLDER]`: take the pictures of README and guide anew, from a demo hub, and an empty one, of its own.

Needs Chromium ($CHROMIUM, or one on PATH). The folder is docs/images by default.
"""

import os
import re
import shutil
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import Page, expect

from tests.conftest import BROWSERS, PROJECT
from tests.e2e.browser import browser, sign_in
from tests.e2e.desk import Desk

SIZE = {"width": 1440, "height": 1000}
PHONE = {"width": 390, "height": 844}
PEOPLE = """email,full_name,role,active
anita.borg@example.com,Anita Borg,lead,yes
hedy.lamarr@example.com,Hedy Lamarr,manager,yes
nobody,No Email,user,yes
karen.jones@example.com,Karen Spärck Jones,boss,yes
"""
SETTLE = 400
"""Milliseconds that fonts and icons get to arrive."""


def main(folder: Path) -> None:
    """Starts the demo, walks through it, writes the pictures, stops the demo; then the same of an empty hub."""
    chromium = shutil.which(os.environ.get("CHROMIUM", "").strip() or "chromium") or next(filter(None, map(shutil.which, BROWSERS)), None)
    if chromium is None:
        sys.exit("No Chromium found. Install one (`sudo apt-get install -y chromium`), or name yours: CHROMIUM=/path/to/chrome")
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="ssodash-static-") as static:
        os.environ["STATIC_ROOT"] = f"{static}/root"
        from tests.ports import free_ports
        from tests.ssodash.conftest import open_folder
        from tests.ssodash.running import Hub

        with open_folder() as var, Hub(var, "--demo", DEMO_SITES_PORT=str(free_ports(4))) as hub, browser(chromium) as running:
            context = running.new_context(viewport=SIZE, color_scheme="light")
            page = context.new_page()
            sign_in(page, hub.address, "admin", (var / "admin-password").read_text().strip())
            _walk(page, hub.address, var, folder)
            context.close()
        with open_folder() as var, Hub(var) as hub, browser(chromium) as running:
            page = running.new_context(viewport=SIZE, color_scheme="light").new_page()
            page.goto(f"{hub.address}/admin/")
            _take(page, folder / "login.png")
            sign_in(page, hub.address, "admin", (var / "admin-password").read_text().strip())
            _take(page, folder / "first-run.png")


def _walk(page: Page, address: str, var: Path, folder: Path) -> None:
    person = Desk(page)
    expect(page.locator(".hub-total", has_text="In sync").locator("dd")).to_have_text("48", timeout=60_000)
    page.get_by_role("button", name="Sync All Users").click()
    expect(page.locator("#hub-run")).to_contain_text(re.compile("Finished"), timeout=60_000)
    (var / "demo" / "garage.stopped").touch()
    page.wait_for_timeout(2_000)
    for name, role in (("Hedy Lamarr", "staff"), ("Barbara Liskov", "lead")):
        person.open_user(name)
        page.get_by_label("Role").select_option(role)
        person.save()
        person.says(re.compile("Pending at Garage"))
    person.go_to("Dashboard")
    _take(page, folder / "dashboard.png")
    page.emulate_media(color_scheme="dark")
    page.reload()
    _take(page, folder / "dashboard-dark.png")
    page.emulate_media(color_scheme="light")
    page.reload()
    page.set_viewport_size(PHONE)
    _take(page, folder / "dashboard-phone.png")
    page.set_viewport_size(SIZE)
    person.open_user("Barbara Liskov")
    _take(page, folder / "user.png", full=True)
    _sites(page, person, folder)
    _log(page, person, folder)
    _users(page, person, folder)


def _sites(page: Page, person: Desk, folder: Path) -> None:
    person.go_to("Sites")
    _take(page, folder / "sites.png")
    page.get_by_role("link", name="Garage", exact=True).click()
    page.get_by_role("button", name="Test connection").click()
    expect(page.locator("#connection")).to_contain_text("refused", timeout=20_000)
    _take(page, folder / "site.png", full=True)


def _log(page: Page, person: Desk, folder: Path) -> None:
    person.go_to("Log of attempts")
    _take(page, folder / "log.png")
    page.locator("#result_list a, .result-list-wrapper table a").first.click()
    _take(page, folder / "attempt.png", full=True)
    page.goto(re.sub("/usersynclog/.*", "/delivery/?status__exact=pending", page.url))
    _take(page, folder / "deliveries.png")
    page.locator("#result_list a, .result-list-wrapper table a").first.click()
    _take(page, folder / "delivery.png", full=True)
    person.go_to("Runs")
    _take(page, folder / "runs.png")
    page.locator("#result_list a, .result-list-wrapper table a").first.click()
    _take(page, folder / "run.png")


def _users(page: Page, person: Desk, folder: Path) -> None:
    person.go_to("Users")
    _take(page, folder / "users.png")
    page.goto(page.url.split("?")[0] + "import/")
    with tempfile.TemporaryDirectory() as upload:
        people = Path(upload) / "people.csv"
        people.write_text(PEOPLE)
        page.set_input_files("input[type=file]", people)
        page.locator("form:has(input[type=file]) button[type=submit]").first.click()
        expect(page.get_by_text("Nothing is written yet").first).to_be_visible()
    _take(page, folder / "import.png")


def _take(page: Page, path: Path, full: bool = False) -> None:
    page.mouse.move(0, 0)
    page.evaluate("document.activeElement.blur()")
    page.wait_for_timeout(SETTLE)
    if full:
        page.set_viewport_size({"width": SIZE["width"], "height": page.evaluate("document.documentElement.scrollHeight")})
        page.wait_for_timeout(SETTLE)
    page.screenshot(path=path)
    page.set_viewport_size(SIZE if page.viewport_size["width"] == SIZE["width"] else PHONE)  # type: ignore[index]


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else PROJECT / "docs" / "images")
