"""What a site's card and page say of removals that failed, and of a site that failed before it was paused."""

from typing import Any

import pytest

from sync import site_control, status
from sync.models import SiteHealth
from sync.status import overview
from tests.pages import root, text
from tests.scripted_site import ScriptedSite, json_answer
from tests.sync.conftest import sql, user

pytestmark = pytest.mark.django_db(transaction=True)

DASHBOARD, SITES = "/admin/", "/admin/sites/connectedsite/"
REFUSED = "HTTP 422: the site refused this user (no licence left)"


def refused(_: Any) -> Any:
    return json_answer({"success": False, "error": "no licence left"}, 422)


def test_a_removal_that_failed_is_said_to_leave_access_and_named_before_other_failures(hrms: ScriptedSite) -> None:
    user("kept@example.com")
    leaver = user("leaver@example.com", user_id="user_z")
    hrms.answer = refused
    user("new@example.com", user_id="user_a")
    leaver.is_active = False
    leaver.save()
    expected = f"2 of 3 failed. 1 removal failed: access may remain at this site. leaver@example.com: {REFUSED}."
    person = root()
    assert expected in text(person.get(DASHBOARD))
    assert expected in text(person.get(f"{SITES}{hrms.row.pk}/change/"))


def test_where_nobody_was_to_be_removed_nothing_is_said_of_access(hrms: ScriptedSite) -> None:
    hrms.answer = refused
    user()
    page = text(root().get(DASHBOARD))
    assert f"1 of 1 failed. ann@example.com: {REFUSED}." in page
    assert "access may remain" not in page


def test_of_very_many_failures_it_says_that_removals_are_among_them_without_a_number(
    hrms: ScriptedSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(overview, "LOOKED_AT", 1)
    ann, bob, cid = user("ann@example.com", user_id="a"), user("bob@example.com", user_id="b"), user("cid@example.com", user_id="c")
    hrms.answer = refused
    for each in (ann, bob, cid):
        each.is_active = False
        each.save()
    (seen,) = status.sites_overview()
    assert "Removals are among what failed: access may remain at this site." in seen.words


def test_a_pause_or_quarantine_does_not_hide_that_access_may_remain(hrms: ScriptedSite) -> None:
    ann = user()
    hrms.answer = refused
    ann.is_active = False
    ann.save()
    site_control.pause_site(hrms.row, actor="bob")
    person = root()
    assert "1 removal failed: access may remain at this site." in text(person.get(DASHBOARD))
    sql("update user_sync_site_health set paused_at = null, quarantined_at = now(), quarantine_reason = 'No answer'")
    assert "1 removal failed: access may remain at this site." in text(person.get(DASHBOARD))


def test_a_card_of_a_site_that_failed_before_the_pause_keeps_its_last_error(hrms: ScriptedSite) -> None:
    hrms.answer = lambda _: json_answer({}, 500)
    user()
    site_control.pause_site(hrms.row, actor="bob", reason="new server")
    person = root()
    expected = "Paused by bob just now: new server. 1 user waits. Last error: HTTP 500: the site failed."
    assert expected in text(person.get(DASHBOARD))
    SiteHealth.objects.update(failures_in_row=0)
    assert "Last error" not in text(person.get(DASHBOARD)), "it works again"
