"""A sample site as a process: what survives a stop, how it stops, and what it says when it cannot start."""

from __future__ import annotations

import concurrent.futures
import resource
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.examples.sender import SECRET, Sender, removal, user
from tests.receivers import PROJECT, SampleSiteProcess


@pytest.fixture
def site(tmp_path: Path) -> SampleSiteProcess:
    return SampleSiteProcess("hrms", tmp_path, SECRET)


@pytest.mark.parametrize("end", ["stop", "kill"])
def test_what_was_answered_with_success_survives_a_restart(site: SampleSiteProcess, end: str) -> None:
    with site:
        hub = Sender(site.url)
        for number in range(50):
            hub.upsert(user(f"user_{number}", 10 + number), message_id=f"msg_{number}")
        assert hub.remove(removal("user_0", 99)).json["outcome"] == "removed"
        getattr(site, end)()
        site.start()
        hub = Sender(site.url)
        assert {held["id"] for held in site.users()} == {f"user_{number}" for number in range(1, 50)}
        assert hub.upsert(user("user_0", 98)).json["outcome"] == "older", "the removal's version is kept"
        assert hub.upsert(user("user_1", 99), message_id="msg_1").json["outcome"] == "known", "message ids are kept"


def test_it_stops_within_a_second_also_with_open_connections(site: SampleSiteProcess) -> None:
    with site:
        hub = Sender(site.url)
        hub.upsert(user())
        assert site.stop() < 1
        assert site.process is not None and site.process.returncode == 0
        assert "Traceback" not in site.output()


def test_a_thousand_users_arriving_at_once_are_all_kept(site: SampleSiteProcess) -> None:
    def send(first: int) -> list[int]:
        hub = Sender(site.url)
        return [hub.upsert(user(f"user_{number}", number)).status for number in range(first, 1000, 8)]

    with site:
        since = time.monotonic()
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            statuses = [status for sent in pool.map(send, range(8)) for status in sent]
        seconds = time.monotonic() - since
        assert statuses == [200] * 1000
        assert len(site.users()) == 1000
        assert seconds < 20, f"took {seconds:.1f} s"  # about 2 s; 40 ms a request (a delayed ACK) would already be 5 s
        site.restart()
        assert len(site.users()) == 1000


def test_a_damaged_data_file_is_moved_aside_and_said_so(site: SampleSiteProcess) -> None:
    site.data_file.write_text('{"users": "of something else"}\n')
    with site:
        assert site.users() == []
        assert "cannot be used: it was not written by a sample site. It was moved to" in site.output()
        [aside] = site.data_file.parent.glob("hrms.data.corrupt-*")
        assert aside.read_text() == '{"users": "of something else"}\n'
        assert Sender(site.url).upsert(user()).status == 200


@pytest.mark.parametrize("damage", [b"garbage", b"\x00\xff\n\n", b'{"format": "sample-site-1"}\n{"users": [{"id": 1}], "known": []}\n'])
def test_any_damage_ends_in_an_empty_site_not_in_a_traceback(site: SampleSiteProcess, damage: bytes) -> None:
    site.data_file.write_bytes(damage)
    with site:
        assert site.users() == []
        assert "It was moved to" in site.output()
        assert "Traceback" not in site.output()


def test_a_last_line_cut_short_by_a_kill_costs_only_itself(site: SampleSiteProcess) -> None:
    with site:
        Sender(site.url).upsert(user())
        site.kill()
        with site.data_file.open("ab") as file:
            file.write(b'{"known":["msg_x"],"users":[{"id":"us')
        site.start()
        assert [held["id"] for held in site.users()] == ["user_1"]


def test_a_full_disk_is_answered_with_500_and_nothing_is_applied_or_lost(site: SampleSiteProcess) -> None:
    with site:
        hub = Sender(site.url)
        hub.upsert(user("user_1", 1))
        assert site.process is not None
        unlimited = resource.prlimit(site.process.pid, resource.RLIMIT_FSIZE)
        resource.prlimit(site.process.pid, resource.RLIMIT_FSIZE, (site.data_file.stat().st_size + 20, unlimited[1]))
        answer = hub.upsert(user("user_2", 2), message_id="msg_full")
        assert (answer.status, answer.json["success"]) == (500, False)
        assert "cannot write its data file" in answer.error
        assert [held["id"] for held in site.users()] == ["user_1"]
        resource.prlimit(site.process.pid, resource.RLIMIT_FSIZE, unlimited)
        assert hub.upsert(user("user_2", 2), message_id="msg_full").json["outcome"] == "created"
        site.kill()
        site.start()
        assert {held["id"] for held in site.users()} == {"user_1", "user_2"}


def test_a_taken_port_is_one_clear_line_and_leaves_the_data_file_alone(site: SampleSiteProcess, tmp_path: Path) -> None:
    with site:
        second = SampleSiteProcess("cms", tmp_path, SECRET, port=site.port)
        ended = subprocess.run(second.command(), cwd=PROJECT, capture_output=True, text=True, timeout=20, check=False)
        assert ended.returncode == 1
        assert ended.stderr.count("\n") == 1
        assert f"CMS: cannot listen at 127.0.0.1:{site.port}: Address already in use" in ended.stderr
        assert not second.data_file.exists()


def test_a_data_file_that_cannot_be_written_is_one_clear_line(site: SampleSiteProcess) -> None:
    site.data_file.mkdir()
    ended = subprocess.run(site.command(), cwd=PROJECT, capture_output=True, text=True, timeout=20, check=False)
    assert (ended.returncode, ended.stderr.count("\n")) == (1, 1)
    assert "cannot use the data file" in ended.stderr


@pytest.mark.parametrize("port", ["0", "65536", "http", "-1", ""])
def test_a_port_that_is_none_is_named(port: str, tmp_path: Path) -> None:
    options = ["--name=x", f"--port={port}", f"--data={tmp_path / 'data'}", f"--secret-file={tmp_path / 'secret'}"]
    command = [sys.executable, "-m", "examples.sample_site", *options]
    ended = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, timeout=20, check=False)
    assert ended.returncode == 2
    assert f"'{port}' is not a port: give a number from 1 to 65535" in ended.stderr
