"""`manage.py sync_users`: what it sends, what it says, how it ends."""

import json
import time
from pathlib import Path

import pytest
from werkzeug import Request, Response

from sites.models import ConnectedSite
from sync import operations
from sync.models import Delivery, SyncRun
from tests.commands import numbers, people, run
from tests.processes import HubProcess
from tests.scripted_site import ScriptedSite
from tests.sync.conftest import Connect, attempts, drain, put_under_way, sql, user

pytestmark = pytest.mark.django_db(transaction=True)


def refuse(_: Request) -> Response:
    return Response(status=422)


def test_it_sends_everyone_to_every_site_again_and_ends_with_0(hrms: ScriptedSite, connect: Connect) -> None:
    connect("cms", hrms.url)
    people(3)
    drain()
    before = len(hrms.requests)
    ran = run("sync_users")
    assert ran.status == 0
    assert len(hrms.requests) - before == 6
    assert numbers(ran) == {"hrms": ["3", "0", "0"], "cms": ["3", "0", "0"]}
    assert "6 delivered, 0 failed, 0 left to the worker." in ran.out
    assert ran.err == ""


def test_every_attempt_is_logged_as_done_from_the_command_line_and_by_whom(hrms: ScriptedSite, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOGNAME", "grace")
    user()
    run("sync_users")
    assert (attempts()[-1].cause, attempts()[-1].actor) == ("cli", "grace")
    assert SyncRun.objects.get().pk == attempts()[-1].run_id


def test_users_are_named_by_id_or_by_email_whatever_its_case_and_sites_by_name(hrms: ScriptedSite, connect: Connect) -> None:
    connect("cms", hrms.url)
    people(4)
    drain()
    before = len(attempts())
    ran = run("sync_users", "--user", "user_001", "--user", "U002@Example.com", "--user", "user_001", "--site", "cms")
    assert ran.status == 0
    assert {(a.user_id, a.site_name) for a in attempts()[before:]} == {("user_001", "cms"), ("user_002", "cms")}
    assert len(attempts()) == before + 2


def test_pending_sends_only_what_is_out_of_date_or_failed(hrms: ScriptedSite) -> None:
    people(4)
    hrms.answer = lambda request: Response(status=422 if request.get_json()["id"] == "user_003" else 204)
    drain()
    hrms.answer = lambda _: Response(status=204)
    sql("update user_profiles set role = 'lead' where user_id = 'user_001'")
    before = len(attempts())
    ran = run("sync_users", "--pending")
    assert ran.status == 0
    assert sorted(a.user_id for a in attempts()[before:]) == ["user_001", "user_003"]
    again = run("sync_users", "--pending")
    assert (again.status, again.out) == (0, "Everything is in sync: there is nothing to send.\n")


def test_pending_of_one_user_leaves_the_others_pending(hrms: ScriptedSite) -> None:
    people(3)
    assert run("sync_users", "--pending", "--user", "user_001").status == 0
    assert [a.user_id for a in attempts()] == ["user_001"]


def test_removals_that_nobody_fanned_out_are_sent_too(hrms: ScriptedSite) -> None:
    people(2)
    drain()
    sql("delete from user_profiles where user_id = 'user_001'")
    assert run("sync_users", "--pending").status == 0
    assert hrms.paths[-1] == "/api/users/sync/delete"
    assert Delivery.objects.count() == 1


def test_a_user_who_is_gone_can_still_be_named_while_a_removal_is_owed(hrms: ScriptedSite) -> None:
    user(user_id="user_1")
    hrms.answer = refuse
    sql("delete from user_profiles")
    drain()
    hrms.answer = lambda _: Response(status=204)
    assert run("sync_users", "--user", "user_1").status == 0
    assert not Delivery.objects.exists()


def test_what_failed_is_listed_with_user_site_and_reason_and_ends_with_1(hrms: ScriptedSite) -> None:
    people(3)
    hrms.answer = lambda request: Response(status=422 if request.get_json()["id"] == "user_001" else 204)
    ran = run("sync_users")
    assert ran.status == 1
    assert numbers(ran) == {"hrms": ["2", "1", "0"]}
    assert "u001@example.com at hrms: HTTP 422: the site refused this user" in ran.out


def test_many_failures_are_cut_off_and_counted(hrms: ScriptedSite) -> None:
    people(25)
    hrms.answer = refuse
    ran = run("sync_users")
    assert len([line for line in ran.out.splitlines() if "refused this user" in line]) == 10
    assert "… and 15 more; the log has them all." in ran.out


def test_what_a_site_answers_cannot_write_to_the_terminal(hrms: ScriptedSite) -> None:
    user()
    hrms.answer = lambda _: Response(json.dumps({"success": False, "error": "\x1b[2Jgone [bold]x[/bold]\r\n"}), 200)
    ran = run("sync_users")
    assert "\x1b" not in ran.out
    assert "[bold]x[/bold]" in ran.out


def test_a_site_in_quarantine_leaves_its_deliveries_to_the_worker_and_says_why(hrms: ScriptedSite, connect: Connect) -> None:
    connect("down", "http://127.0.0.1:9")
    people(20)
    began = time.monotonic()
    ran = run("sync_users")
    assert time.monotonic() - began < 15
    assert ran.status == 1
    delivered, failed, left = map(int, numbers(ran)["down"])
    assert (delivered, failed + left) == (0, 20)
    assert left > 0
    assert numbers(ran)["hrms"] == ["20", "0", "0"]
    assert "down: Quarantined just now: Connection refused: nothing listens at the site's address." in ran.out
    assert "No worker is running: start one with `manage.py sync_worker`." in ran.out


def test_a_site_that_hangs_does_not_hang_the_command(hrms: ScriptedSite, connect: Connect) -> None:
    connect("cms", hrms.url)
    ConnectedSite.objects.filter(name="hrms").update(timeout=0.5)
    hrms.hold()
    people(3)
    began = time.monotonic()
    ran = run("sync_users", "--site", "hrms")
    hrms.let_go()
    assert time.monotonic() - began < 10
    assert ran.status == 1
    assert numbers(ran)["hrms"] == ["0", "3", "0"]
    assert "No complete answer within 0.5 s" in ran.out


def test_a_site_that_asks_for_a_long_wait_is_left_to_the_worker(hrms: ScriptedSite) -> None:
    people(30)
    hrms.answer = lambda _: Response(status=429, headers={"Retry-After": "600"})
    began = time.monotonic()
    ran = run("sync_users")
    assert time.monotonic() - began < 15
    assert ran.status == 1
    _, failed, left = map(int, numbers(ran)["hrms"])
    assert failed + left == 30
    assert "hrms: The site asked the hub to wait. Next try in 10 min." in ran.out


def test_a_lease_that_a_dead_process_left_is_freed_without_a_worker(hrms: ScriptedSite) -> None:
    user(user_id="user_1")
    put_under_way()
    sql("update user_sync_lease set started_at = now() - interval '1 min', until = now() - interval '1 s'")
    began = time.monotonic()
    ran = run("sync_users")
    assert time.monotonic() - began < 15
    assert ran.status == 0
    assert [(a.status, a.run_id is None) for a in attempts()[-2:]] == [("lost", True), ("success", False)]


def test_nothing_to_send_says_why(connect: Connect) -> None:
    assert "no site is active. Connect one with `manage.py add_site`." in run("sync_users").out
    connect("hrms", roles=["manager"])
    assert "the directory has no users" in run("sync_users").out
    user()
    ran = run("sync_users")
    assert (ran.status, "none of these users belongs to these sites" in ran.out) == (0, True)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--user", "user_404"], "There is no user 'user_404': give a user id or an email of the directory."),
        (["--user", "nobody@example.com"], "There is no user 'nobody@example.com'"),
        (["--site", "nope"], "There is no site 'nope'. Connected sites: hrms, off."),
        (["--site", "off"], "The site 'off' is inactive: activate it first"),
    ],
)
def test_wrong_usage_names_what_is_unknown_and_sends_nothing(hrms: ScriptedSite, connect: Connect, arguments: list[str], said: str) -> None:
    connect("off", is_active=False)
    ran = run("sync_users", *arguments)
    assert (ran.status, ran.out) == (2, "")
    assert said in ran.err
    document = run("sync_users", "--json", *arguments)
    assert (document.status, document.err) == (2, "")
    assert said in document.document["error"]
    assert not SyncRun.objects.exists()


def test_json_is_one_document(hrms: ScriptedSite, connect: Connect) -> None:
    connect("cms", hrms.url)
    people(2)
    hrms.answer = lambda request: Response(status=422 if request.get_json()["id"] == "user_001" else 204)
    ran = run("sync_users", "--json", "--site", "hrms")
    assert ran.status == 1
    assert ran.document == {
        "success": False,
        "message": "1 delivered, 1 failed, 0 left to the worker. The worker tries again what may still succeed; "
        "`manage.py sync_status` shows what is left. No worker is running: start one with `manage.py sync_worker`.",
        "dryRun": False,
        "runId": str(SyncRun.objects.get().public_id),
        "state": "finished",
        "sites": [{"site": "hrms", "displayName": "HRMS", "total": 2, "succeeded": 1, "failed": 1, "leftOwed": 0, "paused": None}],
        "failures": [
            {
                "userId": "user_001",
                "email": "u001@example.com",
                "site": "hrms",
                "action": "upsert",
                "errorMessage": "HTTP 422: the site refused this user",
            }
        ],
    }


def test_a_name_that_the_output_cannot_write_does_not_end_it(hrms: ScriptedSite, tmp_path: Path) -> None:
    user("zoë@example.com")
    hrms.answer = refuse
    with HubProcess("sync_users", log=tmp_path / "cli.log", PYTHONIOENCODING="ascii") as command:
        assert command.process is not None
        assert command.process.wait(30) == 1
    assert "zo\\xeb@example.com at hrms" in command.output


def test_a_cancelled_run_can_be_listed_and_resumed(hrms: ScriptedSite) -> None:
    people(5)
    drain()
    started = operations.sync_all(cause="sync_all").run
    ran = run("sync_runs", "--cancel", str(started.public_id))
    assert (ran.status, "was cancelled" in ran.out) == (0, True)
    assert run("sync_runs", "--json").document["runs"][0]["summary"] == "Cancelled just now: 0 of 5 delivered, 5 not sent."
    before = len(hrms.requests)
    resumed = run("sync_users", "--resume", str(started.public_id))
    assert resumed.status == 0
    assert len(hrms.requests) - before == 5
    assert "Finished" in run("sync_runs").out
    again = run("sync_users", "--json", "--resume", str(started.public_id))
    assert (again.status, again.document["error"]) == (2, "The run is over; nothing was resumed.")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["sync_users", "--resume", "nonsense"], "There is no run 'nonsense': `manage.py sync_runs` lists them."),
        (["sync_users", "--resume", "nonsense", "--pending"], "--resume goes on with a run as it was started: give it alone."),
        (["sync_runs", "--cancel", "f8f9b3cf-7f99-47d2-a1f8-ccf66e316429"], "There is no run 'f8f9b3cf"),
    ],
)
def test_an_unknown_run_is_named(db: None, arguments: list[str], said: str) -> None:
    ran = run(*arguments)
    assert (ran.status, ran.out) == (2, "")
    assert said in ran.err
    assert said in run(*arguments, "--json").document["error"]
