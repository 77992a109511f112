"""The whole hub for a browser: gunicorn and a worker as processes on the test's database, and sample sites beside them."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import requests
from django.contrib.auth import get_user_model
from django.db import connection
from playwright.sync_api import Browser, BrowserContext, Page, expect

from sites.models import ConnectedSite, issue_signing_secret
from tests.conftest import EMPTY, eventually_true
from tests.e2e.browser import browser, sign_in
from tests.gallery import LOGIN, Gallery
from tests.gallery import PASSWORD as GALLERY_PASSWORD
from tests.processes import HubProcess, worker
from tests.receivers import SampleSiteProcess, free_port

PATIENCE = 15_000
"""Milliseconds that a page gets to show what is expected of it."""
PASSWORD = "correct horse battery staple"
TITLES = {"hrms": "HRMS", "cms": "CMS", "sales": "Sales", "garage": "Garage"}

expect.set_options(timeout=PATIENCE)


class Web(HubProcess):
    """The hub's pages, served by gunicorn."""

    def __init__(self, log: Path, port: int, **environment: str) -> None:
        super().__init__(log=log, PORT=str(port), WEB_WORKERS="1", DJANGO_SETTINGS_MODULE="ssodash.settings", **environment)
        self.address = f"http://127.0.0.1:{port}"

    def command(self) -> list[str]:
        return [sys.executable, "-m", "gunicorn", "ssodash.wsgi"]

    def start(self) -> "Web":
        with self._log.open("ab") as log:
            self.process = subprocess.Popen(self.command(), cwd=Path.cwd(), env=self._environment, stdout=log, stderr=log)
        eventually_true(self._answers, 60, message=f"gunicorn does not answer; see {self._log}")
        return self

    def _answers(self) -> bool:
        try:
            return requests.get(f"{self.address}/admin/login/", timeout=5).ok
        except requests.RequestException:
            return False


@dataclass
class Stage:
    """What a walk happens on. `sites` by name; the site named garage runs, but is not connected yet."""

    web: Web
    worker: HubProcess
    sites: dict[str, SampleSiteProcess]


@pytest.fixture
def stage(transactional_db: None, tmp_path: Path) -> Iterator[Stage]:
    get_user_model().objects.create_superuser("root", password=PASSWORD)
    with ExitStack() as stack:
        sites = {}
        for name, title in TITLES.items():
            secret = None if name == "garage" else "waits for the hub's"
            sites[name] = stack.enter_context(SampleSiteProcess(name, tmp_path, secret, title=title))
            if name != "garage":
                row = ConnectedSite.objects.create(name=name, display_name=title, url=sites[name].url)
                sites[name].set_secret(issue_signing_secret(row))
        working = stack.enter_context(worker(tmp_path))
        web = stack.enter_context(Web(tmp_path / "web.log", free_port()))
        yield Stage(web, working, sites)


@pytest.fixture
def running_browser(stage: Stage, chromium: str) -> Iterator[Browser]:
    # After the stage, so that it is closed before the database is cleared.
    with browser(chromium) as running:
        yield running


@pytest.fixture
def desk(running_browser: Browser, stage: Stage) -> Iterator[BrowserContext]:
    """A browser window of 1440 pixels, signed in. A script error on any page fails the test."""
    context = running_browser.new_context(viewport={"width": 1440, "height": 900})
    faults: list[str] = []
    context.on("weberror", lambda fault: faults.append(str(fault.error)))
    page = context.new_page()
    page.set_default_timeout(PATIENCE)
    sign_in(page, stage.web.address, "root", PASSWORD)
    yield context
    assert faults == []
    context.close()


@pytest.fixture
def page(desk: BrowserContext) -> Page:
    """The signed-in tab, on the dashboard."""
    return desk.pages[0]


@dataclass
class Exhibition:
    """A hub that is only looked at, so that all tests of a module can share it: its web server, and a browser beside it."""

    web: Web
    browser: Browser
    gallery: Gallery
    _cookies: list[Any]

    def address(self, path: str) -> str:
        """The whole address of a path, with the gallery's keys in place."""
        return self.web.address + path.format_map(vars(self.gallery))

    def sign_in(self, context: BrowserContext) -> None:
        """Signs a browser window in."""
        if not self._cookies:
            page = context.new_page()
            page.set_default_timeout(PATIENCE)
            sign_in(page, self.web.address, LOGIN, GALLERY_PASSWORD)
            self._cookies = [cookie for cookie in context.cookies() if cookie["name"] == "sessionid"]
            page.close()
        context.add_cookies(self._cookies)


@pytest.fixture(scope="module")
def db(django_db_setup: None, django_db_blocker: Any) -> Iterator[None]:
    """In place of pytest-django's: what is in the database is there for all tests of a module, and gone after it."""
    with django_db_blocker.unblock():
        yield
        _empty()


@pytest.fixture(scope="module")
def exhibition(db: None, chromium: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Exhibition]:
    gallery = Gallery.fill()
    with Web(tmp_path_factory.mktemp("exhibition") / "web.log", free_port()) as web, browser(chromium) as running:
        yield Exhibition(web, running, gallery, [])


def _empty() -> None:
    with connection.cursor() as cursor:
        cursor.execute(EMPTY)
    connection.close()
