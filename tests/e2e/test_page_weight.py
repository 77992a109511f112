"""A page that was seen before loads nothing but itself, and that is small, also with many users at many sites."""

import os
import subprocess
import sys
from collections.abc import Iterator

import pytest
import requests
from axe_playwright_python.base import AXE_FILE_PATH

from tests.e2e.browser import browser
from tests.e2e.conftest import Exhibition, Web
from tests.e2e.pages import PAGES
from tests.e2e.test_accessibility import look_everywhere
from tests.gallery import Gallery
from tests.processes import PROJECT
from tests.receivers import free_port

MOST = 150_000
USERS, SITES = 120, 100


@pytest.fixture(scope="module")
def production(db: None, chromium: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Exhibition]:
    """As in production: DEBUG is off, so files have names that say what is in them, and are kept by the browser."""
    folder = tmp_path_factory.mktemp("production")
    settings = {"DEBUG": "false", "STATIC_ROOT": str(folder / "static")}
    command = [sys.executable, "manage.py", "collectstatic", "--no-input", "-v0"]
    subprocess.run(command, cwd=PROJECT, env={**os.environ, **settings}, check=True)
    gallery = Gallery.fill(USERS, SITES, 1_000)
    with Web(folder / "web.log", free_port(), **settings) as web, browser(chromium) as running:
        yield Exhibition(web, running, gallery, [])


def test_no_page_transfers_more_than_150_kb_after_the_first_visit(production: Exhibition) -> None:
    context = production.browser.new_context()
    production.sign_in(context)
    page = context.new_page()
    network = context.new_cdp_session(page)
    network.send("Network.enable")
    loaded: list[float] = []
    network.on("Network.loadingFinished", lambda event: loaded.append(event["encodedDataLength"]))

    def weight_of(path: str) -> float:
        loaded.clear()
        page.goto(production.address(path), wait_until="networkidle")
        return sum(loaded)

    # A first visit loads no less than the second, which is only asked for where the first was too much.
    weights = {name: weight if (weight := weight_of(path)) <= MOST else weight_of(path) for name, path in PAGES.items()}
    assert {name: weight for name, weight in weights.items() if weight > MOST} == {}
    assert weights["dashboard"] > 1_000  # that something was measured at all
    context.close()


def test_pages_are_compressed_and_files_are_kept(production: Exhibition) -> None:
    page = requests.get(production.address("/admin/login/"), headers={"Accept-Encoding": "gzip"}, timeout=10)
    assert page.headers["Content-Encoding"] == "gzip"
    style = next(line.split('"')[1] for line in page.text.splitlines() if "ssodash/hub." in line and "css" in line)
    kept = requests.get(production.web.address + style, headers={"Accept-Encoding": "gzip"}, timeout=10)
    assert "immutable" in kept.headers["Cache-Control"]
    assert kept.headers["Content-Encoding"] == "gzip"


def test_axe_finds_nothing_on_the_page_of_a_user_with_many_sites(production: Exhibition) -> None:
    context = production.browser.new_context()
    context.add_init_script(path=AXE_FILE_PATH)
    production.sign_in(context)
    page = context.new_page()
    page.goto(production.address(PAGES["user"]))
    look_everywhere(page)
    page.get_by_role("search", name="Which sites are shown").get_by_label("Status").select_option("success")
    page.get_by_role("button", name="Show", exact=True).click()
    page.get_by_role("link", name="Next sites").click()
    page.get_by_text("Sites 26 to 50 of").wait_for()
    assert page.get_by_role("link", name="Previous sites").is_visible()
    look_everywhere(page)
    context.close()
