"""A site's page: who failed and who waits there, retry all that failed, how to connect it; and the list of deliveries' own resend."""

from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from sites.models import ConnectedSite
from sync import site_control
from sync.models import Delivery, UserSyncLog
from tests.pages import Person, root, text, told
from tests.scripted_site import ScriptedSite, json_answer
from tests.sync.conftest import Connect, catch_up, drain, user
from users.models import UserProfile

pytestmark = pytest.mark.django_db(transaction=True)

SITES, RETRY, DELIVERIES = "/admin/sites/connectedsite/", "/admin/actions/retry-failed/", "/admin/sync/delivery/"
NOWHERE = "http://127.0.0.1:9"


def refused(_: Any) -> Any:
    return json_answer({"success": False, "error": "no licence left"}, 422)


def page_of(site: ConnectedSite, by: Person | None = None) -> Any:
    return (by or root()).get(f"{SITES}{site.pk}/change/")


def crowd(number: int) -> None:
    UserProfile.objects.bulk_create(UserProfile(user_id=f"user_{n:03}", email=f"u{n:03}@example.com", full_name="U") for n in range(number))


# --- lists -------------------------------------------------------------------------------------------------------------


def test_the_first_ten_who_failed_are_named_with_the_reason_and_a_link_to_all(hrms: ScriptedSite) -> None:
    hrms.answer = refused
    crowd(12)
    drain()
    page = page_of(hrms.row)
    said = text(page)
    assert "u000@example.com error Failed HTTP 422: the site refused this user (no licence left)." in said
    assert "u009@example.com" in said.split("Last attempts")[0]
    assert "u010@example.com" not in said.split("Last attempts")[0]
    assert "All 12 failed" in said
    assert f"{DELIVERIES}?site_id={hrms.row.pk}&amp;status__exact=failed" in page.content.decode()


def test_who_waits_is_named_with_the_next_try(hrms: ScriptedSite) -> None:
    site_control.pause_site(hrms.row, actor="bob", reason="new server")
    user()
    said = text(page_of(hrms.row))
    assert "ann@example.com schedule Pending Paused by bob just now: new server. Sent when the site is resumed." in said
    assert "1 pending: show" in said
    assert "Retry all failed" not in said


def test_where_all_is_well_there_is_no_such_list(hrms: ScriptedSite) -> None:
    user()
    assert "Not in sync" not in text(page_of(hrms.row))


def test_the_page_costs_at_most_fifteen_queries_however_many_failed(hrms: ScriptedSite) -> None:
    hrms.answer = refused
    person = root()
    crowd(2)
    drain()
    page_of(hrms.row, person)
    with CaptureQueriesContext(connection) as few:
        page_of(hrms.row, person)
    UserProfile.objects.bulk_create(UserProfile(email=f"v{n}@example.com", full_name="V") for n in range(30))
    drain()
    with CaptureQueriesContext(connection) as many:
        page_of(hrms.row, person)
    assert len(many) <= len(few)
    assert len(many) <= 15, "\n".join(query["sql"][:150] for query in many.captured_queries)


# --- retry all failed ----------------------------------------------------------------------------------------------------


def test_retry_all_failed_sends_them_and_nobody_else_and_says_how_many(hrms: ScriptedSite, connect: Connect) -> None:
    hrms.answer = refused
    crowd(3)
    drain()
    hrms.answer = lambda request: json_answer({"success": True})
    user("ann@example.com")
    drain()
    sent = len(hrms.requests)
    page = root().post(RETRY, site="hrms", next=f"{SITES}{hrms.row.pk}/change/")
    assert told(page) == ["3 that had failed are tried again. 3 delivered to 1 site."]
    assert sorted(body["id"] for body in hrms.bodies[sent:]) == ["user_000", "user_001", "user_002"]
    assert not Delivery.objects.filter(status="failed").exists()
    assert {row.cause for row in UserSyncLog.objects.order_by("-id")[:3]} == {"retry"}


def test_those_that_fail_again_are_counted(hrms: ScriptedSite) -> None:
    hrms.answer = refused
    crowd(2)
    drain()
    assert told(root().post(RETRY, site="hrms", next="/admin/")) == ["2 that had failed are tried again. Nothing was delivered, 2 failed."]


def test_where_nothing_is_retried_the_answer_says_why(hrms: ScriptedSite) -> None:
    person = root()
    assert told(person.post(RETRY, site="hrms", next="/admin/")) == ["Nothing was sent: nobody has failed at HRMS."]
    assert told(person.post(RETRY, site="crm", next="/admin/")) == ["There is no such site."]
    hrms.answer = refused
    user()
    site_control.pause_site(hrms.row, actor="bob")
    (said,) = told(person.post(RETRY, site="hrms", next="/admin/"))
    assert "HRMS is paused by bob just now; sent when the site is resumed." in said
    ConnectedSite.objects.update(is_active=False)
    (said,) = told(person.post(RETRY, site="hrms", next="/admin/"))
    assert said.startswith("Nothing was sent: HRMS is inactive.")


def test_who_may_not_sync_has_no_retry_and_gets_403(hrms: ScriptedSite) -> None:
    hrms.answer = refused
    user()
    clerk = Person("sites.view_connectedsite")
    assert "Retry all failed" not in text(page_of(hrms.row, clerk))
    assert clerk.post(RETRY, site="hrms").status_code == 403
    assert root().get(RETRY).status_code == 405


# --- deliveries ----------------------------------------------------------------------------------------------------------


def test_selected_deliveries_are_sent_again_each_to_its_own_site(hrms: ScriptedSite, scripted: Any, connect: Connect) -> None:
    other = scripted()
    connect("cms", other.url)
    ann = user()
    sent = len(hrms.requests), len(other.requests)
    mine = Delivery.objects.get(site_id=hrms.row.pk)
    page = root().post(DELIVERIES, action="resend_selected", _selected_action=[mine.pk])
    assert told(page) == ["1 of 1 delivered, 0 failed, 0 pending."]
    assert (len(hrms.requests), len(other.requests)) == (sent[0] + 1, sent[1])
    assert hrms.bodies[-1]["id"] == ann.user_id


def test_a_resend_of_deliveries_that_can_send_nothing_says_why(hrms: ScriptedSite) -> None:
    user()
    ConnectedSite.objects.update(is_active=False)
    page = root().post(DELIVERIES, action="resend_selected", _selected_action=[Delivery.objects.get().pk])
    assert told(page)[0].startswith("Nothing was sent: these sites are inactive or gone")


@pytest.mark.parametrize(
    ("query", "who"),
    [
        ("status__exact=failed", "bob@example.com"),
        ("status__exact=success", "ann@example.com"),
        ("wanted_action__exact=delete", "gone@example.com"),
        ("site_id={site}&status__exact=failed", "bob@example.com"),
        ("q=bob", "bob@example.com"),
    ],
)
def test_the_filters_of_the_deliveries_show_just_those(hrms: ScriptedSite, query: str, who: str) -> None:
    user("ann@example.com")
    gone = user("gone@example.com")
    hrms.answer = refused
    user("bob@example.com")
    site_control.pause_site(hrms.row)
    gone.delete()
    catch_up()
    said = text(root().get(f"{DELIVERIES}?{query.format(site=hrms.row.pk)}"))
    shown = {email for email in ("ann@example.com", "bob@example.com", "gone@example.com") if email in said}
    assert shown == {who}


# --- how to connect it ---------------------------------------------------------------------------------------------------


def test_how_to_connect_has_this_sites_own_paths_and_never_its_secret(hrms: ScriptedSite) -> None:
    ConnectedSite.objects.update(sync_path="/hooks/people", url="https://hrms.example.com")
    page = page_of(hrms.row)
    said = text(page)
    assert "POST https://hrms.example.com/hooks/people Remove POST https://hrms.example.com/hooks/people/delete" in said
    assert "app/hooks/people/route.js" in said
    assert 'path("hooks/people/delete", sync_user, {"removed": True})' in said
    assert '@app.post("/hooks/people/delete")' in said
    assert hrms.row.credentials.get().secret not in page.content.decode()


def test_a_secret_just_made_is_said_to_be_just_made(hrms: ScriptedSite) -> None:
    assert "signed with a secret made just now ." in text(page_of(hrms.row))
