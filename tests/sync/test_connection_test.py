"""Test connection names the cause, changes nothing at the site, and never takes longer than the push deadline."""

import time
from collections.abc import Callable
from typing import Any

import pytest
from werkzeug import Request, Response

from sites.models import ConnectedSite
from sync import connection_test
from sync.models import Delivery, SiteHealth, UserSyncLog
from tests.commands import run
from tests.pages import Person, root, text
from tests.receivers import PythonMinimalProcess, SampleSiteProcess
from tests.scripted_site import ScriptedSite, json_answer
from tests.sync.conftest import Connect, drain, sql, user
from tests.sync.raw_server import RawServer, answering, hanging, resetting

pytestmark = pytest.mark.django_db(transaction=True)

SITES = "/admin/sites/connectedsite/"


def base(server: RawServer) -> str:
    return server.url.removesuffix("/api/users/sync")


def plain(status: int, body: str = "", **headers: str) -> Callable[[Request], Response]:
    return lambda request: Response(body, status, {name.replace("_", "-"): value for name, value in headers.items()})


def only_upserts(request: Request) -> Response:
    """A site that serves the sync path alone."""
    if request.path.endswith("/sync"):
        return Response("", 405 if request.method == "GET" else 200)
    return Response("Not found", 404)


# --- what is sent ------------------------------------------------------------------------------------------------------


def test_the_test_is_a_signed_removal_of_a_user_that_no_site_has_and_leaves_no_trace(hrms: ScriptedSite) -> None:
    ann = user()
    before = SiteHealth.objects.values().get(), Delivery.objects.values().get(), UserSyncLog.objects.count()
    said = connection_test.try_connection(hrms.row)
    assert (said.good, said.cause, said.title, said.http_code) == (True, "ok", "The connection works", 200)
    sent = hrms.requests[-1]
    assert sent.path == "/api/users/sync/delete"
    assert (sent.body["id"], sent.body["email"], sent.body["action"]) == ("connection-test", "connection-test@example.invalid", "delete")
    assert sent.body["is_active"] is False
    assert sent.headers["webhook-signature"].startswith("v1,")
    assert sent.body["id"] != ann.user_id
    assert (SiteHealth.objects.values().get(), Delivery.objects.values().get(), UserSyncLog.objects.count()) == before


def test_each_test_is_a_message_of_its_own_so_that_no_site_takes_it_for_one_it_knows(hrms: ScriptedSite) -> None:
    connection_test.try_connection(hrms.row)
    connection_test.try_connection(hrms.row)
    first, second = [received.message_id for received in hrms.requests]
    assert first != second
    assert first.startswith("connection-test_")


def test_a_site_that_takes_batches_is_tested_by_one(hrms: ScriptedSite) -> None:
    hrms.row.batch_size = 50
    hrms.answer = lambda request: json_answer({"results": [{"id": "connection-test", "success": True}]})
    assert connection_test.try_connection(hrms.row).good
    assert hrms.paths == ["/api/users/sync/batch"]
    assert [each["action"] for each in hrms.bodies[0]["users"]] == ["delete"]


def test_an_inactive_site_is_tested_and_told_that_it_receives_nothing_else(hrms: ScriptedSite) -> None:
    ConnectedSite.objects.update(is_active=False)
    said = connection_test.try_connection(ConnectedSite.objects.get())
    assert said.good
    assert said.notes == ["The site is inactive: apart from this test it is sent nothing."]
    assert said.todo == "Make the site active, and it is sent everyone in its scope."


# --- causes ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "cause", "level", "title", "todo"),
    [
        (plain(401, '{"error": "no signature matches the secret"}'), "secret", "failed", "refuses the signature", "present secret"),
        (plain(403, "Forbidden"), "forbidden", "failed", "forbids it", "firewall"),
        (plain(404, "Not found"), "not_found", "failed", "Nothing is found", "Is the path right? Neither /api/users/sync/delete nor"),
        (plain(405), "no_removals", "warning", "cannot remove users", "not at /api/users/sync/delete"),
        (only_upserts, "no_removals", "warning", "cannot remove users", "leavers would keep their access"),
        (plain(410), "gone", "failed", "is gone", "URL"),
        (plain(415), "media_type", "failed", "does not accept JSON", "application/json"),
        (plain(302, Location="https://login.example.com/x"), "redirect", "failed", "redirects", "follows no redirects"),
        (plain(200, "<html>Sign in</html>", Content_Type="text/html"), "not_json", "failed", "not with a JSON object", "login page"),
        (lambda _: json_answer([1]), "not_json", "failed", "not with a JSON object", "sync path right"),
        (lambda _: json_answer({"success": False}), "refused_user", "warning", "refuses to remove", "with success"),
        (plain(422, '{"error": "no such id"}'), "refused_user", "warning", "refuses to remove", "knows the secret"),
        (plain(500, "Traceback"), "site_failed", "failed", "fails (HTTP 500)", "own log"),
        (plain(429, Retry_After="30"), "throttled", "warning", "asks to wait", "waits as long"),
        (plain(402), "unexpected", "failed", "not the answer of a sync endpoint", "path right"),
    ],
    ids=["401", "403", "404", "405", "no /delete", "410", "415", "302", "HTML", "a list", "success false", "422", "500", "429", "402"],
)  # fmt: skip
def test_an_answer_is_named_with_its_cause_and_a_remedy(
    hrms: ScriptedSite, answer: Any, cause: str, level: str, title: str, todo: str
) -> None:
    hrms.answer = answer
    said = connection_test.try_connection(hrms.row)
    assert (said.cause, said.level) == (cause, level)
    assert title in said.title
    assert todo in said.todo
    assert said.http_code is not None


def test_where_neither_path_exists_nothing_is_said_of_removing_users(hrms: ScriptedSite) -> None:
    hrms.answer = plain(404, "Not found")
    person = root()
    page = text(person.post(f"{SITES}{hrms.row.pk}/connection/"))
    assert "Nothing is found at this path (HTTP 404)" in page
    assert "HTTP 404: nothing at this path: is the sync path right?" in page
    assert "cannot remove users" not in page
    assert "access may remain" not in page
    hrms.answer = only_upserts
    assert "HTTP 404: this site cannot remove users; access may remain" in text(person.post(f"{SITES}{hrms.row.pk}/connection/"))


def test_a_redirect_names_where_to(hrms: ScriptedSite) -> None:
    hrms.answer = plain(301, Location="https://hrms.example.com/login")
    assert "redirects to https://hrms.example.com/login, which is not followed" in connection_test.try_connection(hrms.row).said


def test_a_name_that_no_server_knows_is_dns(connect: Connect) -> None:
    said = connection_test.try_connection(connect("hrms", "http://hrms.invalid"))
    assert (said.cause, said.title) == ("dns", "The host name is not found (DNS)")
    assert "spelt right" in said.todo


def test_a_port_where_nothing_listens_is_refused(connect: Connect, free_port: int) -> None:
    said = connection_test.try_connection(connect("hrms", f"http://127.0.0.1:{free_port}"))
    assert (said.cause, said.title) == ("refused", "The connection is refused")
    assert "Is the site running, and is the port in its URL right?" in said.todo


def test_a_certificate_of_nobody_known_is_tls(connect: Connect) -> None:
    with RawServer(answering(b""), tls=True) as server:
        said = connection_test.try_connection(connect("hrms", base(server)))
    assert (said.cause, said.title) == ("tls", "The secure connection fails (TLS)")
    assert "certificate" in said.todo


def test_https_to_a_plain_port_is_tls_and_says_to_write_http(connect: Connect, hrms: ScriptedSite) -> None:
    said = connection_test.try_connection(connect("other", hrms.url.replace("http://", "https://")))
    assert said.cause == "tls"
    assert "http://" in said.todo


def test_a_site_that_hangs_is_a_time_out_within_the_push_deadline(connect: Connect, settings: Any) -> None:
    settings.SYNC_PUSH_DEADLINE = 0.6
    with RawServer(hanging) as server:
        site = connect("hrms", base(server), timeout=30)
        began = time.monotonic()
        said = connection_test.try_connection(site)
        took = time.monotonic() - began
    assert said.cause == "timeout"
    assert took < 1.5
    assert said.duration_ms >= 500


def test_the_second_look_after_a_404_stays_within_the_same_deadline(connect: Connect, settings: Any) -> None:
    settings.SYNC_PUSH_DEADLINE = 0.8
    missing = b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"

    def first_404_then_silence(visit: Any) -> None:
        request = visit.request()
        if request and request.line.startswith("POST"):
            visit.say(missing)
        else:
            visit.wait()

    with RawServer(first_404_then_silence) as server:
        began = time.monotonic()
        said = connection_test.try_connection(connect("hrms", base(server)))
        assert time.monotonic() - began < 1.7
        assert [request.line.split()[0] for request in server.requests] == ["POST", "GET"]
        assert all("webhook-signature" not in request.headers for request in server.requests[1:])
    assert said.cause == "not_found"


def test_a_reset_is_named_as_a_broken_connection(connect: Connect) -> None:
    with RawServer(resetting) as server:
        said = connection_test.try_connection(connect("hrms", base(server)))
    assert said.cause == "reset"
    assert "right port" in said.todo


def test_a_forbidden_network_is_named_with_its_setting(connect: Connect, settings: Any, hrms: ScriptedSite) -> None:
    settings.SYNC_BLOCKED_NETWORKS = ["127.0.0.0/8"]
    said = connection_test.try_connection(hrms.row)
    assert said.cause == "blocked"
    assert "SYNC_BLOCKED_NETWORKS" in said.todo
    assert not hrms.requests


def test_a_site_without_a_secret_is_told_to_get_one(hrms: ScriptedSite) -> None:
    hrms.row.credentials.all().delete()
    said = connection_test.try_connection(hrms.row)
    assert said.cause == "unsendable"
    assert "Make a new secret" in said.todo
    assert not hrms.requests


def test_a_quarantined_site_that_answers_again_is_said_to_wait_still(hrms: ScriptedSite) -> None:
    sql("update user_sync_site_health set quarantined_at = now(), quarantine_reason = 'HTTP 500: the site failed'")
    said = connection_test.try_connection(hrms.row)
    assert "quarantined just now" in said.todo
    assert "Press Resume" in said.todo
    assert said.notes == []


def test_a_paused_site_that_passes_is_not_said_to_be_sent_what_it_is_owed_by_itself(hrms: ScriptedSite) -> None:
    sql("update user_sync_site_health set paused_at = now(), paused_by = 'ann', pause_reason = 'maintenance'")
    page = text(root().post(f"{SITES}{hrms.row.pk}/connection/"))
    assert "is paused by ann just now: maintenance. Press Resume to send what waits now." in page
    assert page.count("Press Resume") == 1
    assert "sent by itself" not in page
    ConnectedSite.objects.update(is_active=False)
    said = connection_test.try_connection(ConnectedSite.objects.get())
    assert said.todo == "Make the site active, and it is sent everyone in its scope."
    assert "It is also paused by ann just now: maintenance: active again, it is sent nothing until somebody presses Resume." in said.notes


def test_what_looks_like_a_secret_in_the_answer_is_not_shown(hrms: ScriptedSite) -> None:
    secret = hrms.row.credentials.get().secret
    hrms.answer = plain(401, f'{{"error": "I expected {secret}"}}')
    page = root().post(f"{SITES}{hrms.row.pk}/connection/")
    assert secret not in page.content.decode()
    assert "[redacted]" in text(page)


# --- our own receivers ---------------------------------------------------------------------------------------------------


def test_the_sample_site_and_the_small_python_one_pass_the_test_and_hold_nobody_after_it(connect: Connect, tmp_path: Any) -> None:
    folders = [tmp_path / "sample", tmp_path / "small"]
    for folder in folders:
        folder.mkdir()
    hrms, cms = connect("hrms"), connect("cms")
    secrets = [site.credentials.get().secret for site in (hrms, cms)]
    with SampleSiteProcess("hrms", folders[0], secrets[0]) as sample, PythonMinimalProcess(folders[1], secrets[1]) as small:
        for site, receiver in ((hrms, sample), (cms, small)):
            site.url = receiver.url
            said = connection_test.try_connection(site)
            assert said.good, said
            assert receiver.users() == []


# --- page and command ----------------------------------------------------------------------------------------------------


def test_the_page_says_first_what_it_does_and_sends_nothing_until_the_button_is_pressed(hrms: ScriptedSite) -> None:
    person = root()
    page = person.get(f"{SITES}{hrms.row.pk}/connection/")
    assert "Nothing changes at the site." in text(page)
    assert not hrms.requests
    done = person.post(f"{SITES}{hrms.row.pk}/connection/")
    assert "The connection works" in text(done)
    assert f"POST {hrms.url}/api/users/sync/delete" in text(done)
    assert "Test again" in text(done)


def test_in_place_the_button_brings_the_part_alone(hrms: ScriptedSite) -> None:
    person = root()
    assert f'hx-post="{SITES}{hrms.row.pk}/connection/"' in person.get(f"{SITES}{hrms.row.pk}/change/").content.decode()
    part = person.click(f"{SITES}{hrms.row.pk}/connection/")
    assert "The connection works" in text(part)
    assert "<html" not in part.content.decode()


def test_who_may_not_change_sites_sees_no_button_and_gets_403(hrms: ScriptedSite) -> None:
    clerk = Person("sites.view_connectedsite")
    assert "Test connection" not in text(clerk.get(f"{SITES}{hrms.row.pk}/change/")).split("How to connect")[0]
    assert clerk.post(f"{SITES}{hrms.row.pk}/connection/").status_code == 403
    assert not hrms.requests
    assert root().get(f"{SITES}999999/connection/").status_code == 404


def test_the_command_says_the_same_and_ends_with_0_1_or_2(hrms: ScriptedSite) -> None:
    good = run("test_site", "hrms")
    assert good.status == 0
    assert good.out.startswith("The connection works.")
    hrms.answer = plain(401, '{"error": "no signature matches the secret"}')
    bad = run("test_site", "hrms")
    assert bad.status == 1
    assert "The site refuses the signature (HTTP 401)." in bad.out
    assert "Put the site's present secret into the site" in bad.out
    document = run("test_site", "hrms", "--json").document
    assert (document["success"], document["cause"], document["httpCode"]) == (False, "secret", 401)
    unknown = run("test_site", "crm")
    assert unknown.status == 2
    assert "There is no site 'crm'" in unknown.err


def test_a_test_never_meets_a_delivery_of_its_own(hrms: ScriptedSite) -> None:
    connection_test.try_connection(hrms.row)
    drain()
    assert not Delivery.objects.exists()
    assert not UserSyncLog.objects.exists()
