"""`manage.py sync_users` as a process: beside a worker, stopped, killed, and on a terminal."""

import json
import os
import pty
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone
from werkzeug import Request, Response

from sites.models import ConnectedSite
from sync import operations
from sync.models import Delivery, Lease, SyncRun
from tests.commands import numbers, people, run
from tests.processes import PROJECT, HubProcess, database_url, worker
from tests.scripted_site import ScriptedSite
from tests.sync.conftest import attempts, drain, make_due, sql

pytestmark = pytest.mark.django_db(transaction=True)
Eventually = Callable[..., Any]


def slowly(_: Request) -> Response:
    time.sleep(0.1)
    return Response(status=204)


class TestBesideAWorker:
    def test_both_together_send_everything_once(self, hrms: ScriptedSite, tmp_path: Path, eventually: Eventually) -> None:
        with worker(tmp_path):
            people(60)
            eventually(lambda: len(hrms.requests) == 60, 15)
            ran = run("sync_users")
        assert ran.status == 0
        assert len(hrms.requests) == 120
        assert numbers(ran) == {"hrms": ["60", "0", "0"]}

    def test_a_run_that_is_under_way_is_joined_and_followed_to_its_end(
        self, hrms: ScriptedSite, tmp_path: Path, eventually: Eventually
    ) -> None:
        people(60)
        drain()
        ConnectedSite.objects.update(timeout=60)
        hrms.hold()
        started = operations.sync_all(cause="sync_all").run
        with worker(tmp_path):
            eventually(lambda: len(hrms.requests) > 60, 15)
            with HubProcess("sync_users", log=tmp_path / "cli.log") as command:
                eventually(lambda: "joins it" in command.output, 30)
                hrms.let_go()
                assert command.process is not None
                assert command.process.wait(20) == 0
            assert "60 delivered" in command.output
        assert SyncRun.objects.get() == started
        assert len(hrms.requests) == 120

    def test_a_run_whose_worker_died_is_taken_over(self, hrms: ScriptedSite) -> None:
        people(3)
        run_of_the_dead = operations.sync_all(cause="sync_all").run
        SyncRun.objects.update(state="running", lease_token="00000000-0000-0000-0000-000000000001", lease_until=timezone.now())
        assert run("sync_users").status == 0
        run_of_the_dead.refresh_from_db()
        assert run_of_the_dead.state == "finished"


class TestStopping:
    @pytest.mark.parametrize(("sent", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
    def test_ctrl_c_cancels_the_run_says_what_was_done_and_ends_with_130(
        self, hrms: ScriptedSite, tmp_path: Path, eventually: Eventually, sent: signal.Signals, status: int
    ) -> None:
        people(200)
        hrms.answer = slowly
        with HubProcess("sync_users", log=tmp_path / "cli.log") as command:
            eventually(lambda: len(hrms.requests) > 10, 20)
            assert command.process is not None
            command.process.send_signal(sent)
            assert command.process.wait(15) == status
        [stopped] = SyncRun.objects.all()
        assert (stopped.state, stopped.lease_until) == ("cancelled", None)
        assert "Cancelled: " in command.output
        owed = Delivery.objects.exclude(status="success").count()
        assert owed
        assert f"{200 - owed} delivered, 0 failed, {owed} left to the worker." in command.output
        assert "Traceback" not in command.output
        assert not Lease.objects.exists()
        assert len(attempts()) == len(hrms.requests)

    def test_requests_that_hang_are_given_back_after_5_seconds(self, hrms: ScriptedSite, tmp_path: Path, eventually: Eventually) -> None:
        people(3)
        ConnectedSite.objects.update(timeout=60)
        hrms.hold()
        with HubProcess("sync_users", log=tmp_path / "cli.log") as command:
            eventually(lambda: len(hrms.requests) == 3, 20)
            assert command.process is not None
            command.process.send_signal(signal.SIGINT)
            assert command.process.wait(15) == 130
        hrms.let_go()
        assert Delivery.objects.filter(status="pending").count() == 3
        assert {a.status for a in attempts()} == {"lost"}

    def test_a_second_ctrl_c_stops_at_once(self, hrms: ScriptedSite, tmp_path: Path, eventually: Eventually) -> None:
        people(3)
        ConnectedSite.objects.update(timeout=60)
        hrms.hold()
        with HubProcess("sync_users", log=tmp_path / "cli.log") as command:
            eventually(lambda: len(hrms.requests) == 3, 20)
            assert command.process is not None
            command.process.send_signal(signal.SIGINT)
            eventually(lambda: "Once more stops at once" in command.output, 10)
            began = time.monotonic()
            command.process.send_signal(signal.SIGINT)
            assert command.process.wait(10) == 130
            assert time.monotonic() - began < 4
        hrms.let_go()
        assert "Traceback" not in command.output
        assert SyncRun.objects.get().state == "cancelled"

    def test_a_killed_command_loses_nothing(self, hrms: ScriptedSite, tmp_path: Path, eventually: Eventually) -> None:
        people(100)
        hrms.answer = slowly
        with HubProcess("sync_users", log=tmp_path / "cli.log") as command:
            eventually(lambda: len(hrms.requests) > 10, 20)
            command.kill()
        sql("update user_sync_lease set until = now() - interval '1 s'")
        sql("update user_sync_run set lease_until = now() - interval '1 s'")
        with worker(tmp_path):
            eventually(lambda: SyncRun.objects.get().state == "finished", 30)
            make_due()
            eventually(lambda: Delivery.objects.filter(status="success").count() == 100, 30)


class TestOnATerminal:
    def test_a_bar_shows_how_far_it_is_and_the_table_follows(self, hrms: ScriptedSite) -> None:
        people(60)
        hrms.answer = slowly
        status, text = on_a_terminal("sync_users")
        assert status == 0
        assert "Syncing" in text
        assert "of 60" in text
        assert "60 delivered, 0 failed, 0 left to the worker." in text

    def test_with_json_there_is_no_bar(self, hrms: ScriptedSite) -> None:
        people(2)
        status, text = on_a_terminal("sync_users", "--json")
        assert (status, json.loads(text)["success"]) == (0, True)


def on_a_terminal(*arguments: str) -> tuple[int, str]:
    """Runs a command with a terminal for its output; returns its exit status and what it wrote."""
    own, theirs = pty.openpty()
    environment = {**os.environ, "DATABASE_URL": database_url(), "TERM": "xterm", "COLUMNS": "100"}
    process = subprocess.Popen(
        [sys.executable, "manage.py", *arguments], cwd=PROJECT, env=environment, stdout=theirs, stderr=subprocess.DEVNULL
    )
    os.close(theirs)
    written, ends = b"", time.monotonic() + 60
    while time.monotonic() < ends:
        if not select.select([own], [], [], 1)[0]:
            continue
        try:
            piece = os.read(own, 65_536)
        except OSError:  # Linux: the other end is closed
            break
        if not piece:
            break
        written += piece
    os.close(own)
    return process.wait(10), written.decode()
