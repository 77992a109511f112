"""The list of deliveries tells the same as every other screen: who, where, what is the matter, and when next."""

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.messages import constants
from django.db import connection
from django.test.utils import CaptureQueriesContext
from werkzeug import Response

from sites.models import ConnectedSite
from sync import site_control, status
from sync.models import Delivery, UserSyncLog
from tests.pages import root, text, told
from tests.scripted_site import ScriptedSite, json_answer
from tests.sync.conftest import Connect, drain, sql, user
from users.models import UserProfile

pytestmark = pytest.mark.django_db(transaction=True)

DELIVERIES, LOG, RUNS = "/admin/sync/delivery/", "/admin/sync/usersynclog/", "/admin/sync/syncrun/"
SITES, USERS, DASHBOARD = "/admin/sites/connectedsite/", "/admin/users/userprofile/", "/admin/"
NOWHERE = "http://127.0.0.1:9"


def refused(_: Any) -> Response:
    return json_answer({"success": False, "error": "no licence left"}, 422)


def quarantine() -> None:
    sql(
        "update user_sync_site_health set quarantined_at = now() - interval '5 minutes', quarantine_reason = 'HTTP 500: the site failed',"
        " next_probe_at = now() + interval '50 seconds'"
    )


def levels(response: Any) -> list[int]:
    return [message.level for message in response.context["messages"]]


def test_a_delivery_names_the_users_email_and_the_site(hrms: ScriptedSite) -> None:
    user("ann@example.com", user_id="user_a")
    page = text(root().get(DELIVERIES))
    assert "ann@example.com HRMS Add or update" in page
    assert "user_a" not in page


def test_a_quarantined_sites_delivery_says_why_and_when_the_probe_is(hrms: ScriptedSite) -> None:
    quarantine()
    ann, person = user(), root()
    page = text(person.get(DELIVERIES))
    assert "in 1 min" in page
    assert "Quarantined 5 min ago: HTTP 500: the site failed." in page
    detail = text(person.get(f"{DELIVERIES}{Delivery.objects.get().pk}/change/"))
    assert "Not there yet: HTTP 500: the site failed." in detail
    assert "The site is quarantined: the next probe is in 1 min." in detail
    assert ann.email in detail


def test_a_paused_sites_delivery_waits_for_a_person(hrms: ScriptedSite) -> None:
    site_control.pause_site(ConnectedSite.objects.get(), actor="ann", reason="new server")
    user()
    page = text(root().get(DELIVERIES))
    assert "When the site is resumed" in page
    assert "Paused by ann just now: new server" in page


def test_a_throttled_sites_delivery_says_until_when(hrms: ScriptedSite) -> None:
    hrms.answer = lambda _: Response(status=429, headers={"Retry-After": "600"})
    user()
    page = text(root().get(DELIVERIES))
    assert "in 10 min" in page
    assert "The site asked the hub to wait." in page


def test_an_inactive_sites_delivery_waits_until_it_is_active(hrms: ScriptedSite) -> None:
    hrms.answer = lambda _: Response(status=500)
    user()
    ConnectedSite.objects.update(is_active=False)
    assert "When the site is active" in text(root().get(DELIVERIES))


def test_a_failed_delivery_has_the_sites_words_and_a_change_before_the_fan_out_is_pending(hrms: ScriptedSite) -> None:
    hrms.answer = refused
    user()
    person = root()
    assert "no licence left" in text(person.get(DELIVERIES))
    sql("update user_profiles set role = 'lead'")
    assert "The worker sends it" in text(person.get(DELIVERIES))


def test_someone_who_is_gone_is_named_by_the_email_the_site_knows(hrms: ScriptedSite) -> None:
    user()
    hrms.answer = refused
    UserProfile.objects.all().delete()
    drain()
    page = text(root().get(DELIVERIES))
    assert "ann@example.com HRMS Remove" in page
    assert "Removal failed" in page


def test_the_list_costs_a_fixed_number_of_queries(hrms: ScriptedSite, connect: Connect) -> None:
    user("first@example.com")
    person = root()
    person.get(DELIVERIES)
    with CaptureQueriesContext(connection) as few:
        person.get(DELIVERIES)
    connect("cms", NOWHERE)
    for number in range(12):
        user(f"u{number}@example.com")
    with CaptureQueriesContext(connection) as many:
        page = person.get(DELIVERIES)
    assert len(page.context["cl"].result_list) > 20
    assert len(many) == len(few) <= 14


# --- bulk actions name what waits ---------------------------------------------------------------------------------------


def test_a_bulk_sync_warns_and_names_the_sites_that_wait(hrms: ScriptedSite, connect: Callable[..., ConnectedSite]) -> None:
    people, person = [user(f"u{n}@example.com") for n in range(2)], root()
    chosen = {"_selected_action": [each.pk for each in people], "index": 0}
    page = person.post(USERS, action="sync_selected", **chosen)
    assert (told(page), levels(page)) == (["2 delivered to 1 site."], [constants.SUCCESS])
    quarantine()
    page = person.post(USERS, action="sync_selected", **chosen)
    [said] = told(page)
    assert said.startswith(
        "Nothing was delivered, 2 left to the worker. HRMS is quarantined 5 min ago: HTTP 500: the site failed; next try"
    )
    assert levels(page) == [constants.WARNING]


def test_a_bulk_sync_over_a_site_that_refuses_warns(hrms: ScriptedSite) -> None:
    ann, person = user(), root()
    hrms.answer = refused
    page = person.post(USERS, action="sync_selected", _selected_action=[ann.pk], index=0)
    assert (told(page), levels(page)) == (["Nothing was delivered, 1 failed."], [constants.WARNING])


def test_a_retry_in_the_log_warns_and_names_the_site_that_waits(hrms: ScriptedSite) -> None:
    user()
    site_control.pause_site(ConnectedSite.objects.get(), actor="ann")
    page = root().post(LOG, action="retry_selected", _selected_action=[UserSyncLog.objects.get().pk], index=0)
    assert told(page) == ["0 of 1 delivered, 0 failed, 1 pending. HRMS is paused by ann just now; sent when the site is resumed."]
    assert levels(page) == [constants.WARNING]


def test_sync_all_names_the_sites_that_wait(hrms: ScriptedSite, connect: Connect) -> None:
    connect("cms", NOWHERE)
    user()
    sql("insert into procrastinate_workers (last_heartbeat) values (now())")
    site_control.pause_site(ConnectedSite.objects.get(name="hrms"), actor="ann")
    page = root().post("/admin/actions/sync-all/")
    assert told(page) == ["Sync started: 2 deliveries to 2 sites. HRMS is paused by ann just now; sent when the site is resumed."]
    assert levels(page) == [constants.WARNING]


# --- words --------------------------------------------------------------------------------------------------------------


def test_a_failing_card_names_a_user_and_the_reason_and_leads_to_the_others(hrms: ScriptedSite) -> None:
    user("zoe@example.com")
    hrms.answer = refused
    for number in range(2):
        user(f"u{number}@example.com", user_id=f"user_{number}")
    person, key = root(), ConnectedSite.objects.get().pk
    page = person.get(DASHBOARD)
    assert "2 of 3 failed. u0@example.com: HTTP 422: the site refused this user (no licence left). Who failed" in text(page)
    link = f"{DELIVERIES}?site_id={key}&amp;status__exact=failed"
    assert link in page.content.decode()
    listed = text(person.get(DELIVERIES, site_id=key, status__exact="failed"))
    assert "u0@example.com" in listed
    assert "u1@example.com" in listed
    assert "zoe@example.com" not in listed
    assert 'href="/admin/?status=failed#hub-users-title"' in page.content.decode()


def test_causes_are_shown_in_words(hrms: ScriptedSite) -> None:
    ann, person = user(), root()
    person.post("/admin/actions/sync-all/")
    person.post("/admin/actions/sync-user/", user_id=ann.user_id)
    UserSyncLog.objects.filter(cause="admin").update(cause="sync_all")
    pages = [LOG, f"{LOG}{UserSyncLog.objects.latest('id').pk}/change/", RUNS, f"{RUNS}1/change/", f"{USERS}{ann.pk}/change/"]
    pages += [f"{SITES}{ConnectedSite.objects.get().pk}/change/"]
    for path in pages:
        page = text(person.get(path))
        assert "sync_all" not in page, path
    assert "Sync All" in text(person.get(LOG))
    assert "Sync All, by root" in text(person.get(f"{USERS}{ann.pk}/change/"))
    assert status.cause("an_old_one") == "An old one"


def test_an_empty_list_says_what_would_be_in_it_and_never_to_create_a_row() -> None:
    person = root()
    for path, said in (
        (LOG, "Every try to send a user to a site is a row here. Nothing was sent yet"),
        (RUNS, "A run is one Sync All, or one bulk action. There was none yet"),
        (DELIVERIES, "A delivery is one user at one site. There is none yet"),
        (SITES, "Add the first site."),
    ):
        page = text(person.get(path))
        assert "Nothing here yet" in page, path
        assert said in page, path
        assert "Create a new item" not in page, path
    assert "No attempt matches “nobody”." in text(person.get(LOG, q="nobody"))
    assert "No attempt matches these filters." in text(person.get(LOG, status__exact="failed"))
