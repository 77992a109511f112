"""`make demo`: the hub with sample users, and four sample sites that receive them."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from tests.conftest import PROJECT, eventually_true
from tests.ports import free_ports
from tests.ssodash.running import UNSET, Hub

TITLES = ("HRMS", "CMS", "Sales", "Garage")


SLOW_TO_START = """
import sys, time
if "examples.sample_site" in sys.orig_argv:
    time.sleep(2)
"""


@pytest.fixture(scope="module")
def demo(module_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hub]:
    """Its sample sites need longer than the worker until they listen, as they may on a busy machine."""
    folder = tmp_path_factory.mktemp("slow")
    (folder / "sitecustomize.py").write_text(SLOW_TO_START)
    with Hub(module_folder, "--demo", DEMO_SITES_PORT=str(free_ports(4)), PYTHONPATH=str(folder)) as hub:
        yield hub


def sites(demo: Hub) -> list[str]:
    first = int(demo.settings["DEMO_SITES_PORT"])
    return [f"http://localhost:{first + step}" for step in range(4)]


def test_it_prints_where_the_sample_sites_are(demo: Hub) -> None:
    for address, title in zip(sites(demo), TITLES, strict=True):
        assert f"{address}   {title}" in demo.text


def test_the_sample_users_reach_all_four_sites_by_themselves(demo: Hub) -> None:
    for address in sites(demo):
        eventually_true(lambda address=address: "ada.lovelace@example.com" in _page(address), 30, message=demo.text)


def test_no_sample_site_was_asked_before_it_listened(demo: Hub) -> None:
    command = [sys.executable, "-m", "ssodash.embedded", "psql", "-XAtc", "select status, error, count(*) from user_sync_log group by 1, 2"]
    environment = {name: value for name, value in os.environ.items() if name not in UNSET} | {"VAR_DIR": str(demo.var)}
    told = subprocess.run(command, cwd=PROJECT, env=environment, capture_output=True, text=True, check=True, timeout=30)
    assert [line.split("|")[:2] for line in told.stdout.splitlines()] == [["success", ""]]


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
