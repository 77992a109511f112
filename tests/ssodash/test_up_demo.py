"""`make demo`: the hub with sample users, and four sample sites that receive them."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from tests.conftest import eventually_true
from tests.ssodash.running import Hub, free_ports

TITLES = ("HRMS", "CMS", "Sales", "Garage")


@pytest.fixture(scope="module")
def demo(module_folder: Path) -> Iterator[Hub]:
    with Hub(module_folder, "--demo", DEMO_SITES_PORT=str(free_ports(4))) as hub:
        yield hub


def sites(demo: Hub) -> list[str]:
    first = int(demo.settings["DEMO_SITES_PORT"])
    return [f"http://localhost:{first + step}" for step in range(4)]


def test_it_prints_where_the_sample_sites_are(demo: Hub) -> None:
    for address, title in zip(sites(demo), TITLES, strict=True):
        assert f"{address}   {title}" in demo.text


def test_the_sample_users_reach_all_four_sites_by_themselves(demo: Hub) -> None:
    for address in sites(demo):
        eventually_true(lambda address=address: "ada.lovelace@example.com" in _page(address), 30)


def test_a_sample_site_that_dies_comes_back_with_its_users(demo: Hub) -> None:
    hrms = sites(demo)[0]
    demo.kill_program("examples.sample_site --name hrms")
    eventually_true(lambda: "hrms   | ended (killed by SIGKILL)" in demo.text, 10)
    eventually_true(lambda: "ada.lovelace@example.com" in _page(hrms), 20)


def _page(address: str) -> str:
    try:
        return requests.get(address, timeout=5).text
    except requests.RequestException:
        return ""
