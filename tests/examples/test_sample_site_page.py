"""What a person sees at a sample site."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.examples.sender import OTHER_SECRET, SECRET, Sender, removal, user
from tests.receivers import SampleSiteProcess


@pytest.fixture
def site(tmp_path: Path) -> Iterator[SampleSiteProcess]:
    with SampleSiteProcess("garage", tmp_path, SECRET, title="Garage & <Tools>") as site:
        yield site


@pytest.fixture
def hub(site: SampleSiteProcess) -> Iterator[Sender]:
    hub = Sender(site.url)
    yield hub
    hub.close()


def rows(page: str) -> list[str]:
    return re.findall(r"<tr class=.*?</tr>", page)


def test_an_empty_site_says_what_will_appear(site: SampleSiteProcess) -> None:
    page = site.get("/")
    assert "No users yet." in page
    assert "<b>0</b><span>users held" in page


def test_users_are_shown_with_their_state_newest_first(site: SampleSiteProcess, hub: Sender) -> None:
    hub.upsert(user("user_1", 1, email="ada@example.com", role="admin"))
    hub.upsert(user("user_2", 2, email="grace@example.com", full_name="Grace Hopper", is_active=False))
    newest, oldest = rows(site.get("/"))
    assert "grace@example.com" in newest and "Grace Hopper" in newest and "inactive" in newest
    assert "ada@example.com" in oldest and "admin" in oldest and ">active<" in oldest


def test_a_removed_user_is_struck_through_with_the_time(site: SampleSiteProcess, hub: Sender) -> None:
    hub.upsert(user("user_1", 1, email="ada@example.com"))
    hub.remove(removal("user_1", 2))
    page = site.get("/")
    [row] = rows(page)
    assert "ada@example.com" in row and "class='removed" in row
    assert re.search(r">removed<.*\d\d:\d\d:\d\d", row)
    assert "<b>0</b><span>users held" in page


def test_the_last_twenty_requests_are_shown_with_their_outcome(site: SampleSiteProcess, hub: Sender) -> None:
    for number in range(1, 23):
        hub.upsert(user(f"user_{number}", number))
    Sender(site.url, OTHER_SECRET).upsert(user("user_99"))
    page = site.get("/")
    assert page.count("<li>") == 20
    assert "signature refused: no matching signature found" in page
    assert "user_22@example.com v22: created" in page and "user_1@example.com v1: created" not in page
    assert "<b>23</b><span>requests since start" in page


def test_what_came_from_outside_is_escaped(site: SampleSiteProcess, hub: Sender) -> None:
    attack = "<script>alert(1)</script>"
    hub.upsert(user("<b>'\"", 1, email=f"{attack}@x", full_name=attack, role=attack))
    hub.post(f"/{attack}".replace(" ", ""), {})
    page = site.get("/")
    assert attack not in page
    assert "&lt;script&gt;alert(1)" in page
    assert "Garage &amp; &lt;Tools&gt;" in page


def test_a_name_that_is_half_a_character_does_not_break_the_page(site: SampleSiteProcess, hub: Sender) -> None:
    assert hub.upsert(user(full_name="\ud800")).status == 200
    assert "user_1@example.com" in site.get("/")
    assert len(site.users()) == 1


def test_with_a_thousand_users_the_newest_hundred_are_shown_and_all_are_counted(site: SampleSiteProcess, hub: Sender) -> None:
    for first in range(0, 1000, 250):
        assert hub.batch([user(f"user_{number}", number) for number in range(first, first + 250)]).status == 200
    page = site.get("/")
    assert "<b>1,000</b><span>users held" in page
    assert "newest 100 of 1,000" in page
    assert len(rows(page)) == 100
    assert len(page) < 100_000


def test_each_site_has_a_colour_of_its_own(site: SampleSiteProcess, tmp_path: Path) -> None:
    def hue(page: str) -> str:
        [found] = re.findall(r"--hue: (\d+);", page)
        return str(found)

    with SampleSiteProcess("sales", tmp_path, SECRET) as other:
        assert hue(site.get("/")) != hue(other.get("/"))


def test_the_page_needs_nothing_from_elsewhere(site: SampleSiteProcess, hub: Sender) -> None:
    answer = hub.request("GET", "/")
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert not re.search(r"(src|href)=[\"']?(https?:)?//", answer.text)
