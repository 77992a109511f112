"""Pause, resume and probe do and say the same on the site's page, in bulk, on the dashboard, in the API and on the command line."""

from collections.abc import Callable
from typing import Any

import pytest

from sites.models import ConnectedSite
from sync import site_control
from sync.models import SiteEvent, SiteHealth
from tests.api import as_login, error_of, with_token
from tests.commands import run
from tests.pages import Person, root, text, told
from tests.scripted_site import ScriptedSite
from tests.sync.conftest import Connect, drain, sql, user

pytestmark = pytest.mark.django_db(transaction=True)

SITES, DASHBOARD = "/admin/sites/connectedsite/", "/admin/"
PAUSE, RESUME, PROBE = (f"/admin/actions/{name}-site/" for name in ("pause", "resume", "probe"))


def site() -> ConnectedSite:
    return ConnectedSite.objects.get(name="hrms")


def health() -> SiteHealth:
    return SiteHealth.objects.get(site__name="hrms")


def quarantine() -> None:
    sql(
        "update user_sync_site_health set quarantined_at = now(), quarantine_reason = 'HTTP 500: the site failed',"
        " next_probe_at = now() + interval '50 seconds'"
    )


def a_worker_is_alive() -> None:
    sql("insert into procrastinate_workers (last_heartbeat) values (now())")


# --- the site's page ----------------------------------------------------------------------------------------------------


def test_the_sites_page_pauses_it_for_a_reason_and_resumes_it(hrms: ScriptedSite) -> None:
    a_worker_is_alive()
    person, page = root(), f"{SITES}{site().pk}/change/"
    paused = person.post(PAUSE, site="hrms", reason="new server", next=page)
    assert paused.redirect_chain == [(page, 302)]
    assert told(paused) == ["HRMS is paused: what it is owed waits, and no try is spent, until it is resumed."]
    assert "Paused by root just now: new server. Nothing waits yet." in text(paused)
    assert PAUSE not in paused.content.decode()
    resumed = person.post(RESUME, site="hrms", next=page)
    assert told(resumed) == ["HRMS receives again: what waited is due now."]
    assert RESUME not in resumed.content.decode()
    assert "Resumed root Ended the pause." in text(resumed)


def test_a_quarantined_sites_page_offers_a_probe_where_one_would_tell_something(hrms: ScriptedSite) -> None:
    person, page = root(), f"{SITES}{site().pk}/change/"
    quarantine()
    idle = person.get(page)
    assert "Nothing is owed to it now: the next change for it is the probe." in text(idle)
    assert PROBE not in idle.content.decode()
    user()
    assert PROBE in person.get(page).content.decode()
    probed = person.post(PROBE, site="hrms", next=page)
    assert told(probed)[0].startswith("The worker sends HRMS one delivery now.")
    assert "No worker is running" in told(probed)[0]
    drain()
    assert len(hrms.requests) == 1


def test_an_unknown_site_is_said_to_be_none(hrms: ScriptedSite) -> None:
    person = root()
    for path in (PAUSE, RESUME, PROBE):
        assert told(person.post(path, site="crm")) == ["There is no such site."], path


def test_sites_are_paused_resumed_and_probed_in_bulk(hrms: ScriptedSite, connect: Connect) -> None:
    cms, person = connect("cms"), root()
    chosen = [site().pk, cms.pk]
    site_control.pause_site(cms, actor="ann", reason="moving")
    page = person.post(SITES, action="pause_selected", _selected_action=chosen, index=0)
    assert sorted(told(page)) == [
        "HRMS is paused: what it is owed waits, and no try is spent, until it is resumed.",
        "Nothing changed: CMS is already paused by ann just now: moving.",
    ]
    assert "Paused" in text(page)
    page = person.post(SITES, action="probe_selected", _selected_action=[cms.pk], index=0)
    assert told(page) == ["CMS is paused: resume it, and it is sent everything that waits. Nothing was changed."]
    page = person.post(SITES, action="resume_selected", _selected_action=chosen, index=0)
    assert len(told(page)) == 2
    assert not SiteHealth.objects.exclude(paused_at=None).exists()
    assert list(SiteEvent.objects.filter(kind="resumed").values_list("actor", flat=True)) == ["root", "root"]


# --- the dashboard ------------------------------------------------------------------------------------------------------


def test_a_card_pauses_and_resumes_in_place(hrms: ScriptedSite) -> None:
    person = root()
    assert PAUSE in person.get(DASHBOARD).content.decode()
    answer = person.click(PAUSE, site="hrms")
    assert "HRMS is paused: what it is owed waits" in text(answer)
    assert "hub-refresh" in answer.headers["HX-Trigger-After-Settle"]
    user()
    page = person.get(DASHBOARD)
    assert "Paused by root just now. 1 user waits." in text(page)
    assert PAUSE not in page.content.decode()
    assert "HRMS receives again" in text(person.click(RESUME, site="hrms"))
    quarantine()
    assert PROBE in person.get(DASHBOARD).content.decode()


def test_who_may_not_change_sites_has_no_such_buttons_and_is_refused(hrms: ScriptedSite) -> None:
    viewer = Person("users.view_userprofile", "sites.view_connectedsite")
    for page in (viewer.get(DASHBOARD), viewer.get(f"{SITES}{site().pk}/change/"), viewer.get(SITES)):
        for path in (PAUSE, RESUME, PROBE):
            assert path not in page.content.decode()
        assert "Pause selected" not in text(page)
    for path in (PAUSE, RESUME, PROBE):
        assert viewer.post(path, site="hrms").status_code == 403, path
    assert health().paused_at is None


@pytest.mark.parametrize("path", [PAUSE, RESUME, PROBE])
def test_nothing_happens_by_a_link_nor_without_a_csrf_token(hrms: ScriptedSite, path: str) -> None:
    person = Person(superuser=True, checks_csrf=True)
    assert person.get(path, site="hrms").status_code == 405
    assert person.post(path, site="hrms").status_code == 403
    assert health().paused_at is None


# --- the API ------------------------------------------------------------------------------------------------------------


def test_the_api_pauses_and_resumes_and_says_how_the_site_is_doing(hrms: ScriptedSite) -> None:
    a_worker_is_alive()
    api = with_token("payroll")
    user()
    paused = api.post("/api/sites/hrms/pause", {"reason": "new server"})
    assert paused.status_code == 200
    assert paused.json() == {
        "success": True,
        "message": "HRMS is paused: what it is owed waits, and no try is spent, until it is resumed.",
        "name": "hrms",
        "state": "paused",
    }
    assert api.post("/api/sites/hrms/pause").json()["success"] is False
    user("bob@example.com", user_id="user_b")
    state = api.get("/api/sites/hrms/status").json()
    assert state == {
        "name": "hrms",
        "displayName": "HRMS",
        "state": "paused",
        "message": "Paused by payroll just now: new server. 1 user waits.",
        "inSync": 1,
        "pending": 1,
        "inProgress": 0,
        "failed": 0,
        "lastSuccessAt": state["lastSuccessAt"],
        "nextAttemptAt": None,
        "pausedAt": state["pausedAt"],
        "pausedBy": "payroll",
        "pauseReason": "new server",
    }
    assert state["pausedAt"]
    [at] = api.get("/api/sync/user?userId=user_b").json()["sites"]
    assert (at["status"], at["nextAttemptAt"], at["errorMessage"]) == ("pending", None, "Paused by payroll just now: new server")
    resumed = api.post("/api/sites/hrms/resume").json()
    assert (resumed["success"], resumed["state"]) == (True, "pending")
    assert api.get("/api/sites/hrms/status").json()["pausedAt"] is None


def test_the_api_probes_a_quarantined_site(hrms: ScriptedSite) -> None:
    a_worker_is_alive()
    api = with_token()
    refused = api.post("/api/sites/hrms/probe").json()
    assert (refused["success"], refused["message"]) == (
        False, "HRMS is not quarantined, so there is nothing to probe; nothing changed.",
    )  # fmt: skip
    quarantine()
    user()
    assert api.get("/api/sites/hrms/status").json()["nextAttemptAt"]
    assert api.post("/api/sites/hrms/probe").json()["success"] is True
    drain()
    assert api.get("/api/sites/hrms/status").json()["state"] == "ok"


@pytest.mark.parametrize("action", ["pause", "resume", "probe"])
def test_the_api_names_an_unknown_site_and_a_missing_permission(hrms: ScriptedSite, action: str) -> None:
    assert "There is no site 'crm'. Connected sites: hrms." in error_of(with_token().post(f"/api/sites/crm/{action}"), 404)
    assert "There is no site" in error_of(with_token("two").post(f"/api/sites/%00hrms/{action}"), 404)
    viewer = as_login("viewer", "sites.view_connectedsite")
    viewer.client.cookies["csrftoken"] = token = "a" * 32
    answer = viewer.post(f"/api/sites/hrms/{action}", **{"x-csrftoken": token})
    assert "sites.change_connectedsite" in error_of(answer, 403)
    assert health().paused_at is None


@pytest.mark.parametrize(
    ("body", "said"),
    [({"reason": 1}, "reason must be a string"), ({"why": "x"}, "'why' is not known here"), ({"reason": "x" * 301}, "reason is too long")],
)
def test_a_wrong_pause_is_refused(hrms: ScriptedSite, body: dict[str, Any], said: str) -> None:
    assert said in error_of(with_token().post("/api/sites/hrms/pause", body), 422)
    assert health().paused_at is None


# --- the command line ---------------------------------------------------------------------------------------------------


def test_the_commands_say_what_came_of_it(hrms: ScriptedSite) -> None:
    a_worker_is_alive()
    paused = run("pause_site", "hrms", "--reason", "new server")
    assert (paused.status, paused.out) == (0, "HRMS is paused: what it is owed waits, and no try is spent, until it is resumed.\n")
    assert health().pause_reason == "new server"
    again = run("pause_site", "hrms", "--json")
    assert again.document["success"] is False
    assert (again.document["site"], again.document["state"]) == ("hrms", "paused")
    user()
    assert run("sync_status").status == 1
    assert "Paused: hrms." in run("sync_status").out
    assert run("resume_site", "hrms").out == "HRMS receives again: what waited is due now.\n"
    quarantine()
    assert run("probe_site", "hrms").out.startswith("The worker sends HRMS one delivery now.")


@pytest.mark.parametrize("command", ["pause_site", "resume_site", "probe_site"])
def test_an_unknown_site_ends_a_command_with_2_and_the_known_ones(hrms: ScriptedSite, command: str) -> None:
    refused = run(command, "crm")
    assert (refused.status, refused.err) == (2, "There is no site 'crm'. Connected sites: hrms.\n")
    assert run(command, "crm", "--json").document == {"error": "There is no site 'crm'. Connected sites: hrms."}


def test_sync_users_leaves_a_paused_site_to_the_worker_and_says_why(hrms: ScriptedSite, connect: Callable[..., ConnectedSite]) -> None:
    run("pause_site", "hrms", "--reason", "new server")
    user()
    done = run("sync_users")
    assert done.status == 1
    assert "hrms: Paused by" in done.out
    assert "new server" in done.out
    assert hrms.requests == []
