"""A user's page: why somebody is, or is not, at each site; send again to one site; deactivate and activate, told first."""

from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.db import connection
from django.test.utils import CaptureQueriesContext

from sites.models import ConnectedSite
from sync import site_control, status
from sync.models import UserSyncLog
from sync.status.why import Why, why
from tests.pages import Person, root, text, told
from tests.scripted_site import ScriptedSite, json_answer
from tests.sync.conftest import Connect, catch_up, drain, sql, user
from users.models import UserProfile

pytestmark = pytest.mark.django_db(transaction=True)

USERS, RESEND = "/admin/users/userprofile/", "/admin/actions/resend-to-site/"
NOWHERE = "http://127.0.0.1:9"


def broken(_: Any) -> Any:
    return json_answer({"error": "out of order"}, 503)


def unauthorized(_: Any) -> Any:
    return json_answer({"error": "no signature matches the secret"}, 401)


def refused(_: Any) -> Any:
    return json_answer({"success": False, "error": "no licence left"}, 422)


def said_of(person: UserProfile, site: str = "hrms") -> Why:
    entries = why(person, status.of_user(person.user_id))
    return next(entry for entry in entries if entry.site.name == site)


def page_of(person: UserProfile, by: Person | None = None) -> str:
    return text((by or root()).get(f"{USERS}{person.pk}/change/"))


# --- why ---------------------------------------------------------------------------------------------------------------


def test_a_user_in_sync_is_said_to_be_there_with_the_last_request(hrms: ScriptedSite) -> None:
    ann = user()
    page = page_of(ann)
    assert "There: HRMS has this user as shown here." in page
    assert "Belongs there? Yes: the user is active, and HRMS takes users of all roles." in page
    assert "Ever sent? Yes. The site last accepted this user just now." in page
    assert "Last request Add or update, just now: Delivered (HTTP 200). The attempt" in page
    assert "What to do Nothing." in page


def test_a_role_that_the_site_does_not_take_is_the_rule_that_keeps_the_user_out(connect: Connect) -> None:
    connect("hrms", NOWHERE, roles=["staff", "lead"])
    said = said_of(user(role="user"))
    assert said.answer == "Not there: this user does not belong to HRMS."
    assert said.scope == "No: HRMS takes only the roles staff and lead, and this user has the role user."
    assert said.sent == "No, nothing was ever sent there."
    assert said.last == "None."
    assert "give the user one of those roles, or change the roles of HRMS" in said.todo
    assert not said.can_resend


def test_an_inactive_user_is_out_by_being_inactive(hrms: ScriptedSite) -> None:
    ann = user()
    ann.is_active = False
    ann.save()
    said = said_of(ann)
    assert said.answer == "Not there: HRMS has removed this user."
    assert said.scope == "No: the user is inactive, and sites have active users only."
    assert "the removal" in said.sent
    assert said.last.startswith("Remove, just now: Delivered")
    assert "activate the user" in said.todo


def test_a_site_that_fails_is_the_reason_with_the_next_try_and_what_to_do(hrms: ScriptedSite) -> None:
    hrms.answer = unauthorized
    said = said_of(user())
    assert said.answer.startswith("Not there yet: HTTP 401: the site refused the signature")
    assert said.sent == "Yes, but the site never accepted it."
    assert said.last.startswith("Add or update, just now: Tried again: HTTP 401")
    assert said.next.startswith("Next try in")
    assert "after 1 try" in said.next


def test_what_to_do_names_the_remedy_for_the_last_answer_where_a_worker_is_alive(hrms: ScriptedSite) -> None:
    hrms.answer = unauthorized
    ann = user()
    sql("insert into procrastinate_workers (last_heartbeat) values (now())")
    assert "Put the site's present secret into the site" in said_of(ann).todo


def test_without_a_worker_that_is_what_to_do(hrms: ScriptedSite) -> None:
    hrms.answer = broken
    assert said_of(user()).todo == "No worker is running: start one with `manage.py sync_worker`."


def test_a_user_whom_the_site_refuses_is_told_apart_from_one_that_waits(hrms: ScriptedSite) -> None:
    hrms.answer = refused
    said = said_of(user())
    assert said.answer == "Not there: HTTP 422: the site refused this user (no licence left)."
    assert said.next.startswith("Nothing by itself")
    assert "Mend what the site complains of" in said.todo


def test_a_change_that_the_site_did_not_take_leaves_older_data_there(hrms: ScriptedSite) -> None:
    ann = user()
    hrms.answer = broken
    ann.full_name = "Ann Other"
    ann.save()
    assert said_of(ann).answer.startswith("There, but with older data: HTTP 503: the site failed")


def test_a_pause_is_the_reason_and_resuming_what_to_do(hrms: ScriptedSite) -> None:
    site_control.pause_site(hrms.row, actor="bob", reason="new server")
    said = said_of(user())
    assert said.answer == "Not there yet: Paused by bob just now: new server."
    assert said.next == "It is sent when the site is resumed."
    assert said.todo.startswith("Resume HRMS on its page")


def test_a_quarantine_leads_to_the_connection_test(hrms: ScriptedSite) -> None:
    sql(
        "update user_sync_site_health set quarantined_at = now(), quarantine_reason = 'HTTP 500: the site failed',"
        " next_probe_at = now() + interval '50 seconds'"
    )
    sql("insert into procrastinate_workers (last_heartbeat) values (now())")
    ann = user()
    catch_up()
    said = said_of(ann)
    assert said.next.startswith("The site is quarantined: the next probe is in")
    assert said.todo == "Press Test connection on the page of HRMS: it names the cause."


def test_an_inactive_site_is_there_too_and_says_so(hrms: ScriptedSite) -> None:
    ann = user()
    ConnectedSite.objects.update(is_active=False)
    bob = user("bob@example.com")
    assert said_of(ann).answer == "HRMS is inactive. It has this user as of then; nothing is sent to it now."
    assert said_of(bob).answer == "Not there: HRMS is inactive and is sent nothing."
    assert said_of(bob).label == "Site inactive"


def test_the_page_costs_no_more_queries_for_more_sites_and_at_most_fifteen(hrms: ScriptedSite, connect: Connect) -> None:
    connect("site", NOWHERE)
    ann, person = user(), root()
    page_of(ann, person)
    with CaptureQueriesContext(connection) as few:
        page_of(ann, person)
    for number in range(20):
        connect(f"site{number}", NOWHERE, is_active=number % 2 == 0)
    with CaptureQueriesContext(connection) as many:
        page_of(ann, person)
    assert len(many) <= len(few)
    assert len(many) <= 15, "\n".join(query["sql"][:150] for query in many.captured_queries)


# --- send again to one site ----------------------------------------------------------------------------------------------


def test_send_again_goes_to_that_site_alone_and_says_what_came_of_it(hrms: ScriptedSite, connect: Connect, scripted: Any) -> None:
    other = scripted()
    connect("cms", other.url)
    ann, person = user(), root()
    sent = len(hrms.requests), len(other.requests)
    page = person.post(RESEND, user_id=ann.user_id, site="hrms", next=f"{USERS}{ann.pk}/change/")
    assert told(page) == ["Sent again to HRMS: in sync."]
    assert (len(hrms.requests), len(other.requests)) == (sent[0] + 1, sent[1])
    assert (UserSyncLog.objects.first().cause, UserSyncLog.objects.first().actor) == ("admin", "root")  # type: ignore[union-attr]


def test_send_again_to_a_site_that_fails_or_waits_says_why(hrms: ScriptedSite) -> None:
    ann, person = user(), root()
    hrms.answer = broken
    (said,) = told(person.post(RESEND, user_id=ann.user_id, site="hrms", next=f"{USERS}{ann.pk}/change/"))
    assert said.startswith("Pending at HRMS: HTTP 503: the site failed (out of order); next try")
    site_control.pause_site(hrms.row, actor="bob")
    (said,) = told(person.post(RESEND, user_id=ann.user_id, site="hrms", next=f"{USERS}{ann.pk}/change/"))
    assert "paused by bob just now; sent when the site is resumed" in said


def test_send_again_where_there_is_nothing_to_send_says_why(hrms: ScriptedSite, connect: Connect) -> None:
    ann, person = user(), root()
    connect("cms", NOWHERE, roles=["lead"])
    ConnectedSite.objects.filter(name="hrms").update(is_active=False)
    for user_id, site, reason in [
        (ann.user_id, "cms", "does not belong to CMS"),
        (ann.user_id, "hrms", "The site 'hrms' is inactive: activate it first"),
        (ann.user_id, "crm", "There is no site 'crm'"),
        ("user_nobody", "cms", "There is no user 'user_nobody'"),
    ]:
        (said,) = told(person.post(RESEND, user_id=user_id, site=site, next="/admin/"))
        assert said.startswith("Nothing was sent")
        assert reason in said


def test_who_may_only_look_has_no_buttons_and_gets_403(hrms: ScriptedSite) -> None:
    ann = user()
    sent = len(hrms.requests)
    clerk = Person("users.view_userprofile")
    page = page_of(ann, clerk)
    assert "There: HRMS has this user" in page
    assert "Send again" not in page
    assert "Deactivate" not in page
    assert clerk.post(RESEND, user_id=ann.user_id, site="hrms").status_code == 403
    assert clerk.post(f"{USERS}{ann.pk}/deactivate/").status_code == 403
    assert clerk.get(f"{USERS}{ann.pk}/deactivate/").status_code == 403
    assert root().get(RESEND).status_code == 405
    assert len(hrms.requests) == sent
    assert UserProfile.objects.get().is_active


# --- deactivate and activate ---------------------------------------------------------------------------------------------


def test_before_a_deactivation_each_site_is_told_with_what_happens_there(hrms: ScriptedSite, connect: Connect, scripted: Any) -> None:
    good = {name: connect(name, scripted().url) for name in ("cms", "sales", "garage", "wiki")}
    connect("crm", NOWHERE, roles=["lead"])
    ann = user(role="staff")
    drain()
    site_control.pause_site(good["cms"], actor="bob", reason="new server")
    sql("update user_sync_site_health set quarantined_at = now(), quarantine_reason = 'HTTP 500' where site_id = %s", good["sales"].pk)
    ConnectedSite.objects.filter(name="garage").update(is_active=False)
    ConnectedSite.objects.filter(name="wiki").update(roles=["lead"])
    drain()
    page = text(root().get(f"{USERS}{ann.pk}/deactivate/"))
    assert "Deactivate Ann?" in page
    assert "HRMS : is removed, at once" in page
    assert "CMS : site paused by bob just now: new server: waits until the site is resumed, and is removed then" in page
    assert "SALES : site quarantined just now: HTTP 500: waits until it answers again, and is removed then" in page
    assert "GARAGE : the site is inactive: is removed when it is active again" in page
    assert "WIKI : is removed there already: nothing happens" in page
    assert "CRM : was never sent there: nothing happens" in page
    assert UserProfile.objects.get().is_active


def test_what_waits_at_a_paused_site_and_was_never_sent_is_not_to_be_removed(hrms: ScriptedSite) -> None:
    site_control.pause_site(hrms.row)
    ann = user()
    assert "HRMS : was never sent there: nothing happens" in text(root().get(f"{USERS}{ann.pk}/deactivate/"))


def test_a_lost_answer_is_no_reason_to_leave_somebody_there(hrms: ScriptedSite) -> None:
    hrms.answer = broken
    ann = user()
    assert "since a request may have arrived whose answer was lost" in text(root().get(f"{USERS}{ann.pk}/deactivate/"))


def test_deactivating_removes_and_activating_brings_back_and_both_are_told_and_logged(hrms: ScriptedSite) -> None:
    ann, person = user(), root()
    assert "Deactivate…" in page_of(ann, person)
    done = person.post(f"{USERS}{ann.pk}/deactivate/")
    assert told(done) == ["Removed from 1 of 1 site."]
    assert hrms.requests[-1].path.endswith("/delete")
    ann.refresh_from_db()
    assert not ann.is_active
    assert "HRMS : is sent there again, at once, under the same id" in text(person.get(f"{USERS}{ann.pk}/activate/"))
    assert told(person.post(f"{USERS}{ann.pk}/activate/")) == ["In sync at 1 of 1 site."]
    assert hrms.requests[-1].body["is_active"] is True
    assert list(LogEntry.objects.order_by("id").values_list("change_message", flat=True)) == ["Deactivated.", "Activated."]


def test_activating_tells_which_sites_do_not_take_the_role(hrms: ScriptedSite, connect: Connect) -> None:
    connect("crm", NOWHERE, roles=["lead"])
    ann = user(is_active=False, role="staff")
    page = text(root().get(f"{USERS}{ann.pk}/activate/"))
    assert "HRMS : is sent there, at once" in page
    assert "CRM : takes only the roles lead, not staff: nothing happens" in page


def test_a_second_click_says_that_nothing_changed(hrms: ScriptedSite) -> None:
    ann, person = user(), root()
    person.post(f"{USERS}{ann.pk}/deactivate/")
    sent = len(hrms.requests)
    assert told(person.post(f"{USERS}{ann.pk}/deactivate/")) == ["Nothing changed: Ann is inactive already."]
    assert len(hrms.requests) == sent
    assert person.get(f"{USERS}999999/deactivate/").status_code == 404


def test_the_delete_page_of_an_active_user_tells_the_same_per_site(hrms: ScriptedSite) -> None:
    ann = user()
    assert "HRMS : is removed, at once" in text(root().get(f"{USERS}{ann.pk}/delete/"))
