"""Pages fit their screen: a phone, a small and a large one."""

import pytest
from playwright.sync_api import Page

from tests.e2e.conftest import Stage
from tests.e2e.desk import Desk

pytestmark = pytest.mark.django_db(transaction=True)

WIDTHS = (390, 1024, 1440)
PATHS = ("", "users/userprofile/", "sites/connectedsite/", "sites/connectedsite/add/", "sync/usersynclog/", "sync/syncrun/")


def test_no_page_is_wider_than_the_screen(page: Page, stage: Stage) -> None:
    Desk(page).add_user("a-rather-long-address-of-somebody@a-rather-long-domain.example.com", "Somebody with a Rather Long Name Indeed")
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 900})
        for path in PATHS:
            page.goto(f"{stage.web.address}/admin/{path}")
            assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), f"{path or 'the dashboard'} at {width} px"
