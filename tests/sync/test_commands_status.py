"""`manage.py sync_status`."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from werkzeug import Response

from tests.commands import Ran, people, run
from tests.processes import worker
from tests.scripted_site import ScriptedSite
from tests.sync.conftest import Connect, drain, shown, sql, user

pytestmark = pytest.mark.django_db(transaction=True)
Eventually = Callable[..., Any]


def test_in_sync_ends_with_0(hrms: ScriptedSite) -> None:
    people(3)
    drain()
    ran = run("sync_status")
    assert ran.status == 0
    assert numbers_of_status(ran) == {"hrms": ["3", "0", "0"]}
    assert "Everything is in sync." in ran.out


def test_a_failed_user_ends_with_1_and_names_the_site(hrms: ScriptedSite) -> None:
    people(2)
    hrms.answer = lambda request: Response(status=422 if request.get_json()["id"] == "user_001" else 204)
    drain()
    ran = run("sync_status")
    assert ran.status == 1
    assert numbers_of_status(ran) == {"hrms": ["1", "0", "1"]}
    assert "Failing: hrms." in ran.out


def test_what_waits_for_its_next_try_ends_with_1(hrms: ScriptedSite) -> None:
    user()
    hrms.answer = lambda _: Response(status=500)
    sql("update user_profiles set role = 'lead'")
    drain()
    ran = run("sync_status", "--user", "ann@example.com")
    assert ran.status == 1
    assert "HTTP 500: the site failed" in ran.out
    assert "in a few seconds" in ran.out


def test_pending_is_no_failure_while_a_worker_runs(hrms: ScriptedSite, tmp_path: Path, eventually: Eventually) -> None:
    hrms.hold()
    sql("delete from procrastinate_workers")
    with worker(tmp_path):
        sql("insert into user_profiles (email, full_name) values ('ann@example.com', 'Ann')")
        eventually(lambda: len(hrms.requests) == 1, 15)
        eventually(lambda: run("sync_status").status == 0, 10)
        assert numbers_of_status(run("sync_status")) == {"hrms": ["0", "1", "0"]}
        hrms.let_go()
        eventually(lambda: "Everything is in sync." in run("sync_status").out, 10)


def test_pending_without_a_worker_ends_with_1_and_says_so(hrms: ScriptedSite) -> None:
    sql("delete from procrastinate_workers")
    people(2)
    ran = run("sync_status")
    assert ran.status == 1
    assert "No worker is running: start one with `manage.py sync_worker`." in ran.out


def test_a_user_at_each_site_with_the_reason(hrms: ScriptedSite, connect: Connect) -> None:
    connect("cms", "http://127.0.0.1:9")
    person = user()
    ran = run("sync_status", "--user", person.email.upper())
    assert ran.status == 1
    assert f"Ann <ann@example.com> {person.user_id}" in ran.out
    assert "In sync" in line_of("hrms", ran)
    assert "Connection refused" in line_of("cms", ran)
    only = run("sync_status", "--user", person.user_id, "--site", "hrms")
    assert only.status == 0
    assert "cms" not in only.out


def test_json_has_the_words_of_the_api(hrms: ScriptedSite) -> None:
    person = user()
    ran = run("sync_status", "--user", person.user_id, "--json")
    row = shown(person.user_id)
    assert row.last_synced_at is not None
    assert ran.document["users"] == [
        {
            "userId": person.user_id,
            "email": "ann@example.com",
            "fullName": "Ann",
            "status": "success",
            "sites": [
                {
                    "site": "hrms",
                    "displayName": "HRMS",
                    "status": "success",
                    "lastSyncedAt": row.last_synced_at.isoformat(),
                    "attempts": row.attempts,
                    "nextAttemptAt": None,
                    "errorMessage": None,
                }
            ],
        }
    ]
    [site] = run("sync_status", "--json").document["sites"]
    assert (site["site"], site["state"], site["inSync"], site["pending"], site["inProgress"], site["failed"]) == (
        "hrms",
        "ok",
        1,
        0,
        0,
        0,
    )


def test_an_inactive_site_is_shown_and_is_no_failure(connect: Connect) -> None:
    connect("off", is_active=False)
    ran = run("sync_status")
    assert ran.status == 0
    assert "Receives nothing" in line_of("off", ran)
    assert "No site is active" in ran.out


@pytest.mark.parametrize(("arguments", "said"), [(["--user", "x"], "There is no user 'x'"), (["--site", "x"], "There is no site 'x'")])
def test_wrong_usage_names_what_is_unknown(db: None, arguments: list[str], said: str) -> None:
    assert said in run("sync_status", *arguments).err
    assert run("sync_status", *arguments).status == 2


def line_of(site: str, ran: Ran) -> str:
    return next(line for line in ran.out.splitlines() if line.startswith(f"{site} "))


def numbers_of_status(ran: Ran) -> dict[str, list[str]]:
    rows = [line.split() for line in ran.out.splitlines()]
    return {row[0]: row[1:4] for row in rows if len(row) > 4 and row[1].isdigit() and row[2].isdigit()}
