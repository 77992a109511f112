"""The dashboard: what it shows, what its buttons answer, and what it costs."""

from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from django.test import Client

from sites.models import ConnectedSite
from sync import operations, status
from sync.models import SyncRun
from tests.pages import Person, root, text, told
from tests.scripted_site import ScriptedSite, json_answer
from tests.sync.conftest import connect, drain, hrms, scripted, user  # noqa: F401
from users.models import UserProfile

pytestmark = pytest.mark.django_db(transaction=True)

DASHBOARD, LIVE = "/admin/", "/admin/live/"
SYNC_ALL, SYNC_USER, CANCEL, RESUME = (f"/admin/actions/{name}/" for name in ("sync-all", "sync-user", "cancel-run", "resume-site"))
NOWHERE = "http://127.0.0.1:9"
Connect = Callable[..., ConnectedSite]


def many(number: int) -> None:
    UserProfile.objects.bulk_create(
        UserProfile(user_id=f"user_{n:03}", email=f"u{n:03}@example.com", full_name=f"User {n:03}") for n in range(number)
    )


def names(page: Any) -> list[str]:
    return [row.full_name for row in page.context["matrix"].rows]


def a_worker_is_alive() -> None:
    with connection.cursor() as cursor:
        cursor.execute("insert into procrastinate_workers (last_heartbeat) values (now())")


# --- who gets to see it -------------------------------------------------------------------------------------------------


def test_the_root_leads_to_the_dashboard_and_a_stranger_to_the_login() -> None:
    person = root()
    assert person.client.get("/", follow=True).redirect_chain == [("/admin/", 302)]
    stranger = Client()
    assert stranger.get("/", follow=True).redirect_chain[-1][0] == "/admin/login/?next=/admin/"
    for path in (SYNC_ALL, SYNC_USER, CANCEL, RESUME, LIVE):
        assert stranger.post(path).headers["Location"].startswith("/admin/login/"), path


def test_a_page_whose_session_ended_reloads_instead_of_showing_the_login_in_a_corner() -> None:
    answer = Client().get(LIVE, headers={"HX-Request": "true"})
    assert (answer.headers["HX-Refresh"], answer.content) == ("true", b"")


def test_someone_without_permissions_is_told_so() -> None:
    page = text(Person().get(DASHBOARD))
    assert "Your login may see neither users nor sites" in page
    assert "Sync All Users" not in page


def test_who_may_only_look_sees_everything_and_no_button(hrms: ScriptedSite) -> None:  # noqa: F811
    user()
    viewer = Person("users.view_userprofile", "sites.view_connectedsite")
    page = viewer.get(DASHBOARD)
    assert "Connected Applications" in text(page)
    assert "In sync" in text(page)
    for path in (SYNC_USER, CANCEL, RESUME):
        assert path not in page.content.decode()
    assert "Sync All Users" not in text(page)
    for path in (SYNC_ALL, SYNC_USER, CANCEL, RESUME):
        assert viewer.post(path, user_id="user_1", site="hrms").status_code == 403, path
    assert not SyncRun.objects.exists()
    assert len(hrms.requests) == 1


def test_who_may_not_see_users_sees_the_sites_alone(hrms: ScriptedSite) -> None:  # noqa: F811
    user()
    page = text(Person("sites.view_connectedsite").get(DASHBOARD))
    assert "HRMS" in page
    assert "ann@example.com" not in page
    assert "User Data Sync" not in page


@pytest.mark.parametrize("path", [SYNC_ALL, SYNC_USER, CANCEL, RESUME])
def test_nothing_happens_by_a_link_nor_without_a_csrf_token(path: str) -> None:
    person = Person(superuser=True, checks_csrf=True)
    assert person.get(path).status_code == 405
    refused = person.post(path)
    assert refused.status_code == 403
    assert "This page was too old" in text(refused)
    assert not SyncRun.objects.exists()


# --- what it shows ------------------------------------------------------------------------------------------------------


def test_an_empty_hub_says_what_to_do() -> None:
    page = text(root().get(DASHBOARD))
    assert "No site is connected yet The first step above connects one." in page
    assert "Add a site" in page
    assert "The directory is empty The first steps above say what comes next." in page


def test_a_card_shows_the_site_its_state_and_the_way_there(hrms: ScriptedSite) -> None:  # noqa: F811
    ConnectedSite.objects.update(icon="badge", category="Human resources")
    user()
    page = root().get(DASHBOARD)
    for said in ("badge", "HRMS", "Human resources", "In sync", "All 1 user.", "Last delivered just now"):
        assert said in text(page)
    assert f'href="{hrms.url}" target="_blank" rel="noopener noreferrer"' in page.content.decode()
    assert f"/admin/sites/connectedsite/{ConnectedSite.objects.get().pk}/change/" in page.content.decode()


def test_a_failing_pair_says_why_and_when_next(hrms: ScriptedSite, connect: Connect) -> None:  # noqa: F811
    connect("cms", NOWHERE)
    user()
    page = text(root().get(DASHBOARD))
    assert "1 of 1 pending. Last error: Connection refused" in page
    assert "at the site's address. Next try in a few seconds." in page
    assert "1 try so far. Next try in a few seconds. Never delivered yet." in page


def test_a_quarantined_site_says_why_and_when_next_also_for_users_that_were_never_tried(hrms: ScriptedSite) -> None:  # noqa: F811
    hrms.answer = lambda _: json_answer({}, 401)
    for n in range(10):
        user(f"u{n}@example.com")
    late = user("late@example.com")
    page = text(root().get(DASHBOARD))
    assert "Quarantined just now HTTP 401: the site refused the signature: check its secret. 11 users wait." in page
    assert "Next try in 1 min" in page
    state = status.of_user(late.user_id)
    assert state is not None
    assert state.sites[0].details[0].startswith("HTTP 401: the site refused the signature")


def test_a_missing_worker_is_warned_of_with_the_command_that_starts_one() -> None:
    person = root()
    assert "No worker is running" in text(person.get(DASHBOARD))
    assert "manage.py sync_worker" in text(person.get(DASHBOARD))
    a_worker_is_alive()
    assert "No worker is running" not in text(person.get(DASHBOARD))


def test_users_are_searched_by_name_email_and_id_whatever_the_case() -> None:
    user("ann@example.com", full_name="Ann Archer", user_id="user_a")
    user("bob@example.com", full_name="Bob Brown", user_id="user_b")
    person = root()
    for query, found in (
        ("archer", ["Ann Archer"]),
        ("BOB@", ["Bob Brown"]),
        ("user_a", ["Ann Archer"]),
        ("", ["Bob Brown", "Ann Archer"]),
    ):
        assert names(person.get(DASHBOARD, q=query)) == found, query
    page = text(person.get(DASHBOARD, q="<nobody>\x00"))
    assert "No user's name, email or id contains “<nobody>" in page


def test_pages_follow_each_other_by_key_and_back_again() -> None:
    many(120)
    person = root()
    pages, path = [], {}
    while True:
        page = person.get(DASHBOARD, **path)
        pages.append(names(page))
        if page.context["matrix"].older is None:
            break
        path = {"after": page.context["matrix"].older}
    assert [len(each) for each in pages] == [50, 50, 20]
    assert [name for each in pages for name in each] == [f"User {n:03}" for n in reversed(range(120))]
    assert names(person.get(DASHBOARD, before=page.context["matrix"].newer)) == pages[1]
    assert person.get(DASHBOARD, after="nonsense").status_code == 200
    assert person.get(DASHBOARD, after="9" * 30).status_code == 200


def test_someone_deleted_stays_visible_until_the_sites_have_removed_them(hrms: ScriptedSite) -> None:  # noqa: F811
    ann = user()
    hrms.answer = lambda _: json_answer({}, 500)
    ann.delete()
    person = root()
    page = text(person.get(DASHBOARD))
    assert "Deleted here, not yet removed everywhere" in page
    assert "Removal pending" in page
    hrms.answer = lambda _: json_answer({"success": True})
    person.click(SYNC_USER, user_id=ann.user_id, in_place="1")
    assert "Deleted here" not in text(person.get(DASHBOARD))


def test_an_id_with_odd_characters_harms_nothing() -> None:
    odd = "a/b?c#d\n<script>é"
    UserProfile.objects.create(user_id=odd, email="odd@example.com", full_name="<b>Odd</b>")
    person = root()
    page = person.get(DASHBOARD)
    assert "<b>Odd</b>" in text(page)
    assert "<script>é" not in page.content.decode()
    assert person.click(SYNC_USER, user_id=odd, in_place="1").status_code == 200


# --- its buttons --------------------------------------------------------------------------------------------------------


def test_sync_all_starts_one_run_whatever_the_number_of_clicks(hrms: ScriptedSite) -> None:  # noqa: F811
    user()
    a_worker_is_alive()
    person = root()
    assert "Sync started: 1 delivery to 1 site" in text(person.click(SYNC_ALL))
    assert "under way already" in text(person.click(SYNC_ALL))
    page = text(person.get(DASHBOARD))
    assert "Sync All, 1 site. Waiting for a worker: 0 of 1 delivered." in page
    assert "Cancel" in page
    run = operations.run_here(SyncRun.objects.get())
    assert run.state == "finished"
    page = text(person.get(DASHBOARD))
    assert "Finished just now: 1 of 1 delivered." in page
    assert "Cancel" not in page
    assert len(hrms.requests) == 2


def test_without_javascript_a_button_leads_back_to_the_page_with_a_message(hrms: ScriptedSite) -> None:  # noqa: F811
    a_worker_is_alive()
    ann, person = user(), root()
    page = person.post(SYNC_USER, user_id=ann.user_id, next="/admin/?q=ann")
    assert (page.redirect_chain, told(page)) == ([("/admin/?q=ann", 302)], ["Sent to 1 site: all in sync."])
    page = person.post(SYNC_ALL, next="/admin/")
    assert told(page)[0].startswith("Sync started: 1 delivery to 1 site")


def test_the_refresh_icon_answers_in_its_row_with_what_happened(hrms: ScriptedSite, connect: Connect) -> None:  # noqa: F811
    ann, person = user(), root()
    answer = person.click(SYNC_USER, user_id=ann.user_id, in_place="1")
    assert f'<tr id="u{ann.pk}">' in answer.content.decode()
    assert "Sent to 1 site: all in sync." in text(answer)
    assert "hub-refresh" in answer.headers["HX-Trigger-After-Settle"]
    connect("cms", NOWHERE)
    answer = text(person.click(SYNC_USER, user_id=ann.user_id, in_place="1"))
    assert "In sync at 1 of 2 sites. Pending at CMS: Connection refused" in answer
    assert "There is no user 'nobody'" in text(person.click(SYNC_USER, user_id="nobody", in_place="1"))


def test_cancel_and_resume_answer_what_happened(hrms: ScriptedSite) -> None:  # noqa: F811
    person = root()
    assert "There is no such run" in text(person.click(CANCEL, run="nonsense"))
    assert "There is no such site" in text(person.click(RESUME, site="nonsense"))
    assert "HRMS is not paused; nothing changed." in text(person.click(RESUME, site="hrms"))


def test_what_people_and_sites_write_is_shown_as_text_never_as_markup(connect: Connect, hrms: ScriptedSite) -> None:  # noqa: F811
    evil = "<img src=x onerror=alert(1)>\"'&"
    ConnectedSite.objects.update(display_name=f"HRMS {evil}")
    hrms.answer = lambda _: json_answer({"success": False, "error": evil}, 422)
    ann = user(full_name=f"Ann {evil}")
    page = root().get(DASHBOARD)
    content = page.content.decode()
    assert "<img" not in content
    assert 'aria-label="Send Ann &lt;img src=x onerror=alert(1)&gt;&quot;&#x27;&amp; again to HRMS &lt;img' in content
    for said in (f"Ann {evil}", f"HRMS {evil}", f"the site refused this user ({evil})"):
        assert said in text(page)
    assert f'value="{ann.user_id}"' in content
