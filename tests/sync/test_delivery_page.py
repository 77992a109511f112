"""A delivery's own page: where this user stands at this site and why; what is wanted, was attempted and was acknowledged."""

from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from sites.models import ConnectedSite
from sync import site_control
from sync.models import Delivery, UserSyncLog
from tests.pages import Person, root, text, told
from tests.scripted_site import ScriptedSite, json_answer
from tests.sync.conftest import Connect, catch_up, drain, put_under_way, sql, user
from users.models import UserProfile

pytestmark = pytest.mark.django_db(transaction=True)

DELIVERIES, RESEND = "/admin/sync/delivery/", "/admin/actions/resend-to-site/"
NOWHERE = "http://127.0.0.1:9"


def refused(_: Any) -> Any:
    return json_answer({"success": False, "error": "no licence left"}, 422)


def address(site: str = "hrms") -> str:
    return f"{DELIVERIES}{Delivery.objects.get(site__name=site).pk}/change/"


def page_of(person: Person | None = None, site: str = "hrms") -> str:
    return text((person or root()).get(address(site)))


def test_what_is_in_sync_is_said_to_be_there_with_all_three_sides_alike(hrms: ScriptedSite) -> None:
    ann = user()
    page = page_of()
    version = UserProfile.objects.get().version
    assert "ann@example.com at HRMS" in page
    assert "In sync There: HRMS has this user as in the directory." in page
    assert "Belongs there? Yes: the user is active, and HRMS takes users of all roles." in page
    assert f"Wanted The site is to have the user as it is now. Cause: Save. Version {version}" in page
    assert f"Last attempted The user was sent as ann@example.com. Version {version}" in page
    assert (
        f"Acknowledged The site accepted ann@example.com just now. That is what is wanted: nothing more is owed. Version {version}" in page
    )
    assert ann.user_id in page
    assert UserSyncLog.objects.get().message_id in page


def test_a_failure_says_what_the_site_said_and_that_an_older_version_is_there(hrms: ScriptedSite) -> None:
    ann = user()
    hrms.answer = refused
    ann.full_name = "Ann Other"
    ann.save()
    page = page_of()
    assert "Failed There, but with older data: HTTP 422: the site refused this user (no licence left)." in page
    assert "It came to: HTTP 422: the site refused this user (no licence left)." in page
    assert "The user has changed since: a newer version is owed." in page
    assert "What to do Mend what the site complains of" in page


def test_a_change_that_is_not_fanned_out_yet_is_told(hrms: ScriptedSite) -> None:
    user()
    person = root()
    sql("update user_profiles set full_name = 'Ann Other'")
    page = page_of(person)
    assert "The site is to have the user as it is now. This has just changed: the worker takes it up in a moment." in page
    sql("update user_profiles set is_active = false")
    page = page_of(person)
    assert "To be removed, and perhaps still there" in page
    assert "The site is to remove this user. This has just changed" in page
    assert "That is not what is wanted now." in page


def test_a_pause_is_named_with_who_ends_it(hrms: ScriptedSite) -> None:
    user()
    site_control.pause_site(ConnectedSite.objects.get(), actor="bea", reason="new server")
    sql("update user_profiles set role = 'lead'")
    catch_up()
    page = page_of()
    assert "Pending There, but with older data: Paused by bea just now: new server." in page
    assert "Next It is sent when the site is resumed." in page


def test_who_is_gone_is_named_by_the_email_the_site_knows(hrms: ScriptedSite) -> None:
    user()
    hrms.answer = refused
    UserProfile.objects.all().delete()
    drain()
    page = page_of()
    assert "ann@example.com at HRMS" in page
    assert "Removal failed" in page
    assert "Belongs there? No: the user is deleted." in page
    assert "Last attempted The site was told to remove ann@example.com." in page


def test_at_an_inactive_site_nothing_is_promised(hrms: ScriptedSite) -> None:
    user()
    ConnectedSite.objects.update(is_active=False)
    UserProfile.objects.all().delete()
    catch_up()
    person = root()
    page = page_of(person)
    assert "Site inactive HRMS is inactive. It has this user as of then; nothing is sent to it now." in page
    assert "Next Nothing, until the site is active." in page
    assert "Send again" not in page
    assert "Removal pending" in text(person.get(DELIVERIES))


def test_a_resend_is_asked_for_here_answered_here_and_counted(hrms: ScriptedSite) -> None:
    ann, person = user(), root()
    page = person.post(RESEND, user_id=ann.user_id, site="hrms", next=address())
    assert page.redirect_chain == [(address(), 302)]
    assert told(page) == ["Sent again to HRMS: in sync."]
    assert "resend 1" in text(page)
    assert "Cause: Sent by hand, by root." in text(page)
    assert len(hrms.requests) == 2


def test_only_the_last_attempts_at_this_site_are_shown_and_lead_to_their_pages(hrms: ScriptedSite, connect: Connect) -> None:
    ann = user()
    connect("cms", NOWHERE)
    person = root()
    for _ in range(11):
        person.post(RESEND, user_id=ann.user_id, site="hrms")
    person.post(RESEND, user_id=ann.user_id, site="cms")
    page = person.get(address()).content.decode()
    rows = list(UserSyncLog.objects.filter(site_name="hrms").order_by("-pk"))
    linked = [f'href="/admin/sync/usersynclog/{row.pk}/change/"' in page for row in rows]
    assert linked == [True] * 10 + [False] * 2
    assert not any(f"/usersynclog/{row.pk}/" in page for row in UserSyncLog.objects.filter(site_name="cms"))
    assert f"?q={ann.user_id}&amp;site_id={hrms.row.pk}" in page  # type: ignore[attr-defined]


def test_who_may_only_look_has_no_button_and_no_way_to_what_others_may_see(hrms: ScriptedSite) -> None:
    ann = user()
    clerk = Person("sync.view_delivery")
    answer = clerk.get(address())
    page = answer.content.decode()
    assert "There: HRMS has this user as in the directory." in text(answer)
    assert "Send again" not in page
    assert "Last attempts" not in page
    for place in ("/admin/users/userprofile/", "/admin/sites/connectedsite/", "/admin/sync/usersynclog/"):
        assert f'href="{place}' not in page
    assert clerk.post(RESEND, user_id=ann.user_id, site="hrms").status_code == 403
    assert clerk.post(address()).status_code == 403


def test_who_may_not_see_deliveries_gets_403_and_one_that_is_gone_leads_to_the_list(hrms: ScriptedSite) -> None:
    user()
    person = root()
    for key in ("999999", "nonsense", "9" * 30):
        page = person.get(f"{DELIVERIES}{key}/change/")
        assert page.status_code == 302
        assert page.headers["Location"] == DELIVERIES
    assert "There is no such delivery any more" in text(person.get(DELIVERIES))
    assert Person("users.view_userprofile").get(address()).status_code == 403


def test_it_costs_no_more_queries_where_there_is_much_to_show(hrms: ScriptedSite, connect: Connect) -> None:
    ann, person = user(), root()
    person.get(address())
    with CaptureQueriesContext(connection) as few:
        person.get(address())
    for name in ("cms", "crm", "erp"):
        connect(name, NOWHERE)
    for _ in range(5):
        person.post(RESEND, user_id=ann.user_id, site="hrms")
    with CaptureQueriesContext(connection) as many:
        person.get(address())
    assert len(many) <= len(few) <= 15


# --- the list's filter --------------------------------------------------------------------------------------------------


def listed(person: Person, **filters: Any) -> list[str]:
    """Who and where, and the status as the list shows it."""
    rows = person.get(DELIVERIES, **filters).context["cl"].result_list
    return sorted(f"{row.seen.email} {row.site.name}: {row.seen.at.label if row.seen.at else row.get_status_display()}" for row in rows)


def test_the_filter_goes_by_what_every_screen_shows(hrms: ScriptedSite, connect: Connect) -> None:
    connect("cms", NOWHERE)
    user("ann@example.com")
    hrms.answer = refused
    user("bob@example.com")
    person = root()
    assert listed(person, status__exact="failed") == ["bob@example.com hrms: Failed"]
    assert listed(person, status__exact="success") == ["ann@example.com hrms: In sync"]
    assert listed(person, status__exact="pending") == ["ann@example.com cms: Pending", "bob@example.com cms: Pending"]
    sql("update user_profiles set full_name = 'Other'")  # nothing is fanned out yet
    assert listed(person, status__exact="failed") == listed(person, status__exact="success") == []
    assert len(listed(person, status__exact="pending")) == 4
    catch_up()
    assert len(listed(person, status__exact="pending")) == 4


def test_what_is_under_way_is_pending_too_and_can_be_asked_for_alone(hrms: ScriptedSite) -> None:
    user()
    put_under_way()
    person = root()
    assert listed(person, status__exact="pending") == ["ann@example.com hrms: In progress"]
    assert listed(person, status__exact="in_progress") == ["ann@example.com hrms: In progress"]
    assert listed(person, status__exact="success") == []


@pytest.mark.parametrize("wait", ["quarantined_at = now()", "paused_at = now()", "throttled_until = now() + interval '1 hour'"])
def test_what_waits_with_its_whole_site_is_pending(hrms: ScriptedSite, wait: str) -> None:
    user()
    sql(f"update user_sync_site_health set {wait}")
    sql("update user_profiles set full_name = 'Other'")
    catch_up()
    person = root()
    assert listed(person, status__exact="pending") == ["ann@example.com hrms: Pending"]
    assert listed(person, status__exact="success") == []


def test_after_a_site_has_moved_what_it_had_is_pending_before_it_is_compared(hrms: ScriptedSite) -> None:
    user()
    ConnectedSite.objects.update(url=NOWHERE)
    person = root()
    assert listed(person, status__exact="success") == []
    assert listed(person, status__exact="pending") == ["ann@example.com hrms: Pending"]


def test_the_filter_has_the_words_of_the_dashboard(hrms: ScriptedSite) -> None:
    user()
    person = root()
    changelist = person.get(DELIVERIES).context["cl"]
    offered = {str(choice["display"]) for spec in changelist.filter_specs if spec.title == "status" for choice in spec.choices(changelist)}
    words = {"In sync", "Pending", "In progress", "Failed"}
    assert words <= offered
    dashboard = person.get("/admin/").content.decode()
    assert {word for word in words if f">{word}</option>" not in dashboard} == set()
