"""The cells' own buttons, the menu of Sync All Users, and the first steps: what they do and what they answer."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from sites.models import ConnectedSite
from sync import operations, site_control
from sync.models import RunSite, SyncRun
from tests.pages import Person, root, text, told
from tests.scripted_site import ScriptedSite, json_answer
from tests.sync.conftest import connect, drain, hrms, scripted, user  # noqa: F401

pytestmark = pytest.mark.django_db(transaction=True)

DASHBOARD = "/admin/"
SYNC_ALL, SYNC_USER = "/admin/actions/sync-all/", "/admin/actions/sync-user/"
NOWHERE = "http://127.0.0.1:9"
Connect = Callable[..., ConnectedSite]


@pytest.fixture
def two(hrms: ScriptedSite, scripted: Callable[[], ScriptedSite], connect: Connect) -> ScriptedSite:  # noqa: F811
    """A second site, cms, beside HRMS; both accept."""
    site = scripted()
    connect("cms", site.url, timeout=20)
    with connection.cursor() as cursor:
        cursor.execute("insert into procrastinate_workers (last_heartbeat) values (now())")
    return site


# --- one user to one site -----------------------------------------------------------------------------------------------


def test_every_cell_offers_to_send_this_user_to_this_site(two: ScriptedSite) -> None:
    ann = user()
    page = root().get(DASHBOARD).content.decode()
    assert f'formaction="{SYNC_USER}?site=cms" hx-post="{SYNC_USER}?site=cms" name="user_id" value="{ann.user_id}"' in page
    assert 'aria-label="Send Ann again to CMS"' in page


def test_it_sends_to_this_site_alone_and_answers_in_the_line(hrms: ScriptedSite, two: ScriptedSite) -> None:  # noqa: F811
    ann, person = user(), root()
    answer = person.click(f"{SYNC_USER}?site=cms", user_id=ann.user_id, in_place="1")
    assert (len(hrms.requests), len(two.requests)) == (1, 2)
    assert "Sent again to CMS: in sync." in text(answer)
    assert f'<tr id="u{ann.pk}">' in answer.content.decode()
    page = person.post(f"{SYNC_USER}?site=cms", user_id=ann.user_id, next="/admin/?q=ann")
    assert (page.redirect_chain, told(page)) == ([("/admin/?q=ann", 302)], ["Sent again to CMS: in sync."])


def test_where_it_did_not_arrive_it_says_why_and_when_next(two: ScriptedSite) -> None:
    ann, person = user(), root()
    two.answer = lambda _: json_answer({}, 500)
    answer = text(person.click(f"{SYNC_USER}?site=cms", user_id=ann.user_id, in_place="1"))
    assert "Pending at CMS: HTTP 500: the site failed; next try in a few seconds." in answer
    site_control.pause_site(ConnectedSite.objects.get(name="cms"), actor="bea", reason="new server")
    answer = text(person.click(f"{SYNC_USER}?site=cms", user_id=ann.user_id, in_place="1"))
    assert "Pending at CMS: paused by bea just now: new server; sent when the site is resumed." in answer


def test_who_does_not_belong_there_is_not_sent_and_has_no_button(hrms: ScriptedSite, connect: Connect) -> None:  # noqa: F811
    connect("cms", NOWHERE, roles=["manager"])
    ann, person = user(), root()
    assert "Send Ann again to CMS" not in person.get(DASHBOARD).content.decode()
    answer = person.click(f"{SYNC_USER}?site=cms", user_id=ann.user_id)
    assert "Nothing was sent: this user does not belong to CMS, and was never sent there." in text(answer)


def test_the_button_of_a_cell_and_that_of_the_users_page_say_the_same(two: ScriptedSite) -> None:
    ann, person = user(), root()

    def both(site: str = "cms", user_id: str = ann.user_id) -> tuple[list[str], list[str]]:
        cell = told(person.post(f"{SYNC_USER}?site={site}", user_id=user_id))
        return cell, told(person.post("/admin/actions/resend-to-site/", user_id=user_id, site=site))

    def same(start: str, **of: str) -> None:
        cell, page = both(**of)
        assert cell == page
        assert cell[0].startswith(start)

    same("Sent again to CMS: in sync.")
    same("Nothing was sent. There is no site 'nowhere'", site="nowhere")
    same("Nothing was sent. There is no user 'nobody'", user_id="nobody")
    two.answer = lambda _: json_answer({"success": False, "error": "no licence left"}, 422)
    same("Failed at CMS: HTTP 422: the site refused this user (no licence left); not tried again by itself.")
    ConnectedSite.objects.filter(name="cms").update(roles=["manager"])
    two.answer = lambda _: json_answer({})
    same("Sent again to CMS: removed there.")


def test_a_removal_that_waits_for_an_inactive_site_is_not_promised_at_once(two: ScriptedSite) -> None:
    ann, person = user(), root()
    ConnectedSite.objects.filter(name="cms").update(is_active=False)
    ann.delete()
    drain()
    assert told(person.post(SYNC_USER, user_id=ann.user_id)) == ["Removal pending at CMS; sent when the site is active again."]


def test_what_is_not_there_any_more_is_told_above_and_not_put_into_the_line(two: ScriptedSite) -> None:
    ann, person = user(), root()
    answer = person.click(f"{SYNC_USER}?site=nowhere", user_id=ann.user_id, in_place="1")
    assert "Nothing was sent. There is no site 'nowhere'" in text(answer)
    assert (answer.headers["HX-Retarget"], answer.headers["HX-Reswap"]) == ("#hub-said", "innerHTML")


def test_the_line_keeps_the_columns_it_had(two: ScriptedSite) -> None:
    ann, person = user(), root()
    page = person.get(DASHBOARD, site="cms")
    shown = page.context["matrix"].column_ids
    assert f'"columns": "{shown}"' in page.content.decode()
    answer = person.click(SYNC_USER, user_id=ann.user_id, in_place="1", columns=shown)
    assert 'data-site="CMS"' in answer.content.decode()
    assert 'data-site="HRMS"' not in answer.content.decode()


def test_who_may_only_look_has_no_button_and_reaches_the_details_by_keyboard(hrms: ScriptedSite) -> None:  # noqa: F811
    hrms.answer = lambda _: json_answer({}, 422)
    ann = user()
    viewer = Person("users.view_userprofile", "sites.view_connectedsite")
    page = viewer.get(DASHBOARD).content.decode()
    assert "Send Ann again" not in page
    assert f'id="u{ann.pk}-{ConnectedSite.objects.get().pk}" tabindex="0"' in page
    assert viewer.post(f"{SYNC_USER}?site=hrms", user_id=ann.user_id).status_code == 403
    assert len(hrms.requests) == 1


# --- the menu of Sync All Users -----------------------------------------------------------------------------------------


def scope(run: SyncRun) -> tuple[str, list[str]]:
    return run.scope, list(RunSite.objects.filter(run=run).order_by("site_id").values_list("site__name", flat=True))


@pytest.mark.parametrize(
    ("form", "started"),
    [
        ({}, ("all", ["hrms", "cms"])),
        ({"scope": "all", "where": "all", "site": ["cms"]}, ("all", ["hrms", "cms"])),
        ({"scope": "all", "where": "chosen", "site": ["cms"]}, ("all", ["cms"])),
        ({"scope": "pending", "where": "all"}, ("pending", ["hrms", "cms"])),
        ({"scope": "pending", "where": "chosen", "site": ["hrms", "cms"]}, ("pending", ["hrms", "cms"])),
    ],
)
def test_the_menu_starts_what_was_chosen(two: ScriptedSite, form: dict[str, Any], started: tuple[str, list[str]]) -> None:
    user()
    drain()
    page = root().post(SYNC_ALL, **form)
    assert scope(SyncRun.objects.get()) == started
    expected = "Everything is in sync: there is nothing to send." if started[0] == "pending" else "Sync started: "
    assert told(page)[0].startswith(expected)


@pytest.mark.parametrize(
    ("form", "complaint"),
    [
        ({"where": "chosen"}, "Sites: tick at least one, or choose all sites. Nothing was started."),
        ({"where": "chosen", "site": ["gone"]}, "There is no site 'gone'. Connected sites: hrms, cms. Nothing was started."),
        ({"scope": "users"}, "What to send: choose everything, or only what is out of date. Nothing was started."),
    ],
)
def test_a_choice_that_cannot_be_is_told_and_starts_nothing(two: ScriptedSite, form: dict[str, Any], complaint: str) -> None:
    assert told(root().post(SYNC_ALL, **form)) == [complaint]
    assert not SyncRun.objects.exists()


def test_a_runs_progress_shows_its_rate_and_the_time_left(two: ScriptedSite) -> None:
    for n in range(3):
        user(f"u{n}@example.com")
    run = operations.sync_all(cause="admin").run
    RunSite.objects.update(total=6000, fed=1500, succeeded=1200, failed=300)
    person = root()
    SyncRun.objects.filter(pk=run.pk).update(state="running", started_at=timezone.now() - timedelta(seconds=60))
    page = text(person.get(DASHBOARD))
    assert "25 % Sync All, 2 sites. Running: 2,400 of 12,000 delivered, 600 not accepted or not reached at the first try." in page
    assert "50 a second. About 3 min left." in page


# --- first steps --------------------------------------------------------------------------------------------------------


def steps(person: Person) -> list[tuple[str, bool, list[str]]]:
    return [(step.title, step.is_done, [way.label for way in step.ways]) for step in person.get(DASHBOARD).context["steps"]]


def test_the_first_steps_lead_from_nothing_to_the_first_delivery(scripted: Callable[[], ScriptedSite], connect: Connect) -> None:  # noqa: F811
    person = root()
    assert "First steps 1 Add a site" in text(person.get(DASHBOARD))
    first = steps(person)
    assert first[0] == ("Add a site", False, ["Add a site"])
    assert [ways for _, _, ways in first[1:]] == [[], [], []]

    site = scripted()
    site.answer = lambda _: json_answer({}, 500)
    connect("hrms", site.url)
    second = steps(person)
    assert [done for _, done, _ in second] == [True, False, False, False]
    assert second[1][2] == ["Test the connection"]
    assert second[2][2][0] == "Add a user"

    key = ConnectedSite.objects.get().pk
    person.post(f"/admin/sites/connectedsite/{key}/connection/")
    assert [done for _, done, _ in steps(person)] == [True, False, False, False], "the test failed"
    site.answer = lambda _: json_answer({})
    person.click(f"/admin/sites/connectedsite/{key}/connection/")
    assert [done for _, done, _ in steps(person)] == [True, True, False, False]
    history = text(person.get(f"/admin/sites/connectedsite/{key}/history/"))
    assert "Connection test: HTTP 500: the site failed" in history
    assert "Connection test: the connection works." in history

    site.answer = lambda _: json_answer({}, 500)
    ann = user()
    assert [done for _, done, _ in steps(person)] == [True, True, True, False]
    assert steps(person)[3][2] == ["Sync All Users"]

    site.answer = lambda _: json_answer({})
    person.click(SYNC_USER, user_id=ann.user_id)
    assert steps(person) == []
    assert "First steps" not in text(person.get(DASHBOARD))


def test_who_may_not_take_the_next_step_is_told_whom_to_ask() -> None:
    page = text(Person("users.view_userprofile", "sites.view_connectedsite").get(DASHBOARD))
    assert "Your login may not do this. Ask an administrator." in page
