"""The whole hub for a browser: gunicorn and a worker as processes on the test's database, and sample sites beside them."""

import functools
import os
import signal
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
from django.contrib.auth.base_user import AbstractBaseUser
from django.contrib.auth.hashers import make_password
from django.db import connection
from django.test import Client
from playwright.sync_api import Browser, BrowserContext, Page, expect

from sites.models import ConnectedSite, issue_signing_secret
from tests.conftest import EMPTY, eventually_true
from tests.e2e.browser import browser
from tests.gallery import LOGIN, Gallery
from tests.ports import free_port
from tests.processes import PROJECT, HubProcess, worker
from tests.receivers import SampleSiteProcess

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
        return self

    def kill(self) -> None:
        """At once, but with its children: of a gunicorn that is killed they live on for a second, in the database too."""
        assert self.process is not None
        self.process.send_signal(signal.SIGQUIT)
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            super().kill()

    def answering(self) -> "Web":
        """Returns once it does: pages take a while to load for the first time."""
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
    _session: str

    def sign_in(self, context: BrowserContext) -> None:
        """Signs a browser window in as root, without the page for it."""
        context.add_cookies([{"name": "sessionid", "value": self._session, "url": self.web.address}])


@pytest.fixture(scope="session")
def web(django_db_setup: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Web]:
    """The pages, for all tests of this process: they keep nothing that is not in the database.

    As in production: DEBUG is off, so files have names that say what is in them, and are kept by the browser.
    """
    folder = tmp_path_factory.mktemp("web")
    settings = {"DEBUG": "false", "STATIC_ROOT": str(folder / "static")}
    command = [sys.executable, "manage.py", "collectstatic", "--no-input", "-v0"]
    subprocess.run(command, cwd=PROJECT, env={**os.environ, **settings}, check=True)
    with Web(folder / "web.log", free_port(), **settings) as web:
        yield web


@pytest.fixture(scope="module")
def running_browser(chromium: str) -> Iterator[Browser]:
    """For all tests of a module; a test has its windows for itself."""
    with browser(chromium) as running, pytest.MonkeyPatch.context() as patch:
        # Playwright has an event loop in this thread, so Django would refuse the ORM, though nothing of it is asynchronous here.
        patch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "true")
        yield running
        # With an event loop in it, a thread has a connection of its own, which nobody else would close.
        connection.close()


@pytest.fixture
def stage(web: Web, transactional_db: None, tmp_path: Path) -> Iterator[Stage]:
    root = get_user_model().objects.create(username="root", password=_hashed(PASSWORD), is_staff=True, is_superuser=True)
    with ExitStack() as stack:
        sites = {}
        for name, title in TITLES.items():
            secret = None if name == "garage" else "waits for the hub's"
            site = sites[name] = SampleSiteProcess(name, tmp_path, secret, title=title).begin()
            stack.callback(site.kill)
            if name != "garage":
                row = ConnectedSite.objects.create(name=name, display_name=title, url=site.url)
                site.set_secret(issue_signing_secret(row))
        working = stack.enter_context(worker(tmp_path))
        for site in sites.values():
            site.answering()
        yield Stage(web.answering(), working, sites, session_of(root))


@pytest.fixture
def desk(running_browser: Browser, stage: Stage) -> Iterator[BrowserContext]:
    """A browser window of 1440 pixels, signed in. A script error on any page fails the test."""
    context = running_browser.new_context(viewport={"width": 1440, "height": 900})
    faults: list[str] = []
    context.on("weberror", lambda fault: faults.append(str(fault.error)))
    stage.sign_in(context)
    page = context.new_page()
    page.set_default_timeout(PATIENCE)
    page.goto(f"{stage.web.address}/admin/")
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
    _session: str

    def address(self, path: str) -> str:
        """The whole address of a path, with the gallery's keys in place."""
        return self.web.address + path.format_map(vars(self.gallery))

    def sign_in(self, context: BrowserContext) -> None:
        """Signs a browser window in, without the page for it."""
        context.add_cookies([{"name": "sessionid", "value": self._session, "url": self.web.address}])


def exhibited(web: Web, running: Browser, gallery: Gallery) -> Exhibition:
    return Exhibition(web.answering(), running, gallery, session_of(get_user_model().objects.get(username=LOGIN)))


@pytest.fixture(scope="module")
def db(django_db_setup: None, django_db_blocker: Any) -> Iterator[None]:
    """In place of pytest-django's: what is in the database is there for all tests of a module, and gone after it."""
    with django_db_blocker.unblock():
        yield
        _empty()


@pytest.fixture(scope="module")
def exhibition(web: Web, db: None, running_browser: Browser) -> Exhibition:
    return exhibited(web, running_browser, Gallery.fill())


def session_of(login: AbstractBaseUser) -> str:
    """The key of a session of this login's, as the page for signing in would begin it."""
    client = Client()
    client.force_login(login)
    return client.cookies["sessionid"].value


@functools.cache
def _hashed(password: str) -> str:
    return make_password(password)


def _empty() -> None:
    with connection.cursor() as cursor:
        cursor.execute(EMPTY)
    connection.close()
