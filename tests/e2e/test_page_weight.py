"""A page that was seen before loads nothing but itself, and that is small, also with many users at many sites."""

import pytest
import requests
from axe_playwright_python.base import AXE_FILE_PATH
from playwright.sync_api import Browser, Page

from tests.conftest import eventually_true
from tests.e2e.conftest import Exhibition, Web, exhibited
from tests.e2e.pages import PAGES
from tests.e2e.test_accessibility import look_everywhere
from tests.gallery import Gallery

MOST = 150_000
USERS, SITES = 120, 100


@pytest.fixture(scope="module")
def production(web: Web, db: None, running_browser: Browser) -> Exhibition:
    return exhibited(web, running_browser, Gallery.fill(USERS, SITES, 1_000))


class Traffic:
    """What a page has the network bring, in bytes as they came."""

    def __init__(self, page: Page) -> None:
        self._page = page
        self._session = page.context.new_cdp_session(page)
        self._session.send("Network.enable")
        self._asked: dict[str, str] = {}
        self._came: dict[str, float] = {}
        self._session.on("Network.requestWillBeSent", lambda event: self._asked.update({event["requestId"]: event["loaderId"]}))
        self._session.on("Network.loadingFinished", lambda event: self._came.update({event["requestId"]: event["encodedDataLength"]}))
        self._session.on("Network.loadingFailed", lambda event: self._came.update({event["requestId"]: 0}))

    def of(self, address: str) -> float:
        """Of all that this page asked for until it was loaded, and of nothing that another page still waits for."""
        self._page.goto(address, wait_until="load")
        page = self._session.send("Page.getFrameTree")["frameTree"]["frame"]["loaderId"]
        eventually_true(lambda: self._page.wait_for_timeout(10) or self._asked_by(page) <= self._came.keys())
        return sum(self._came[request] for request in self._asked_by(page))

    def _asked_by(self, page: str) -> set[str]:
        return {request for request, by in self._asked.items() if by == page}


def test_no_page_transfers_more_than_150_kb_after_the_first_visit(production: Exhibition) -> None:
    context = production.browser.new_context()
    production.sign_in(context)
    traffic = Traffic(context.new_page())

    def weight_of(path: str) -> float:
        return traffic.of(production.address(path))

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
