"""What the admin says about sync after a save, and what its buttons and bulk actions do."""

from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from sites.models import ConnectedSite
from sync import operations
from sync.models import SyncRun, UserSyncLog
from tests.pages import Person, root, text, told
from tests.scripted_site import ScriptedSite, json_answer
from tests.sync.conftest import drain, user
from users.models import UserProfile

pytestmark = pytest.mark.django_db(transaction=True)

USERS, SITES, LOG, RUNS = "/admin/users/userprofile/", "/admin/sites/connectedsite/", "/admin/sync/usersynclog/", "/admin/sync/syncrun/"
NOWHERE = "http://127.0.0.1:9"


def form(person: UserProfile | None = None, **fields: Any) -> dict[str, Any]:
    known = {"email": person.email, "full_name": person.full_name, "role": person.role} if person else {}
    return {"email": "ann@example.com", "full_name": "Ann", "role": "user", "is_active": "on", "user_id": "", **known, **fields}


def broken(_: Any) -> Any:
    return json_answer({"error": "out of order"}, 503)


def refused(_: Any) -> Any:
    return json_answer({"success": False, "error": "no licence left"}, 422)


# --- after a save -----------------------------------------------------------------------------------------------------


def test_adding_a_user_sends_it_and_says_so(hrms: ScriptedSite) -> None:
    page = root().post(f"{USERS}add/", **form())
    assert told(page)[-1] == "In sync at 1 of 1 site."
    assert hrms.requests[0].body["email"] == "ann@example.com"
    assert (UserSyncLog.objects.get().cause, UserSyncLog.objects.get().actor) == ("save", "root")


def test_a_site_that_does_not_answer_is_named_with_the_reason_and_the_next_try(
    hrms: ScriptedSite, connect: Callable[..., ConnectedSite]
) -> None:
    connect("cms", NOWHERE)
    (said,) = told(root().post(f"{USERS}add/", **form()))[1:]
    assert said.startswith("In sync at 1 of 2 sites. Pending at CMS: Connection refused")
    assert "next try in a few seconds" in said


def test_a_refused_user_is_shown_with_the_sites_own_words(hrms: ScriptedSite) -> None:
    hrms.answer = refused
    (said,) = told(root().post(f"{USERS}add/", **form()))[1:]
    assert said.startswith("Failed at HRMS: HTTP 422")
    assert "no licence left" in said
    assert "not tried again by itself" in said


def test_a_save_that_changes_nothing_sends_nothing_and_says_so(hrms: ScriptedSite) -> None:
    ann, person = user(), root()
    page = person.post(f"{USERS}{ann.pk}/change/", **form(ann))
    assert told(page)[-1] == "Nothing that sites hear of changed, so nothing was sent."
    assert len(hrms.requests) == 1


def test_without_a_site_the_answer_says_what_to_do() -> None:
    assert told(root().post(f"{USERS}add/", **form()))[-1] == "No site is active, so nobody is sent anywhere. Connect a site first."


def test_deactivating_tells_that_the_sites_removed_the_user(hrms: ScriptedSite) -> None:
    ann, person = user(), root()
    page = person.post(f"{USERS}{ann.pk}/delete/", post="yes")
    assert told(page)[-1] == "Removed from 1 of 1 site."
    assert hrms.requests[-1].path.endswith("/delete")
    gone = person.post(f"{USERS}{ann.pk}/delete/", post="yes")
    assert told(gone)[-1] == "Every site that had this user has removed it, or none had it."


def test_a_bulk_deactivation_reaches_the_sites_at_once(hrms: ScriptedSite) -> None:
    people, person = [user(f"u{n}@example.com") for n in range(3)], root()
    page = person.post(USERS, action="deactivate_selected", _selected_action=[each.pk for each in people], index=0)
    assert told(page) == ["3 users are now inactive.", "Every site concerned has accepted it."]
    assert [request.path.endswith("/delete") for request in hrms.requests] == [False] * 3 + [True] * 3


def test_a_bulk_change_that_a_site_missed_says_who_is_waiting(connect: Callable[..., ConnectedSite]) -> None:
    connect("cms", NOWHERE)
    ann = user()
    page = root().post(USERS, action="deactivate_selected", _selected_action=[ann.pk], index=0)
    assert told(page)[-1].startswith("Not yet everywhere: ann@example.com. Removal pending at CMS")


# --- lists and pages ---------------------------------------------------------------------------------------------------


def test_the_list_of_users_says_where_each_stands_in_a_fixed_number_of_queries(
    hrms: ScriptedSite, connect: Callable[..., ConnectedSite]
) -> None:
    user("first@example.com")
    person = root()
    person.get(USERS)
    with CaptureQueriesContext(connection) as few:
        assert "In sync" in text(person.get(USERS))
    connect("cms", NOWHERE)
    for n in range(20):
        user(f"u{n}@example.com")
    with CaptureQueriesContext(connection) as many:
        page = text(person.get(USERS))
    assert "Pending at CMS" in page
    assert len(many) == len(few) <= 15


def test_a_users_page_shows_every_site_and_the_last_attempts(hrms: ScriptedSite, connect: Callable[..., ConnectedSite]) -> None:
    connect("cms", NOWHERE)
    ann = user()
    page = text(root().get(f"{USERS}{ann.pk}/change/"))
    assert "Where this user stands" in page
    assert "Connection refused" in page
    assert "Yes, but the site never accepted it." in page
    assert "Next try in a few seconds, after 1 try." in page
    assert "Last attempts" in page


def test_sync_now_on_a_users_page_sends_again_and_comes_back_with_a_message(hrms: ScriptedSite) -> None:
    ann, person = user(), root()
    back = f"{USERS}{ann.pk}/change/"
    page = person.post("/admin/actions/sync-user/", user_id=ann.user_id, next=back)
    assert page.redirect_chain == [(back, 302)]
    assert told(page) == ["Sent to 1 site: all in sync."]
    assert len(hrms.requests) == 2


def test_a_redirect_never_leads_to_another_host(hrms: ScriptedSite) -> None:
    ann = user()
    answer = root().post("/admin/actions/sync-user/", follow=False, user_id=ann.user_id, next="https://evil.example.com/")
    assert answer.headers["Location"] == "/admin/"


def test_a_sites_page_says_how_it_is_doing_and_resume_ends_its_quarantine(hrms: ScriptedSite) -> None:
    hrms.answer = broken
    for n in range(10):
        user(f"u{n}@example.com")
    site, person = ConnectedSite.objects.get(), root()
    page = text(person.get(f"{SITES}{site.pk}/change/"))
    assert "Quarantined Quarantined just now: HTTP 503" in page
    assert "Next try in 1 min" in page
    assert "Quarantined" in text(person.get(SITES))
    hrms.answer = lambda request: json_answer({"success": True})
    page = person.post(SITES, action="resume_selected", _selected_action=[site.pk], index=0)
    assert told(page)[0].startswith("HRMS receives again: what waited is due now.")
    drain()
    assert "All 10 users." in text(person.get(f"{SITES}{site.pk}/change/"))


# --- bulk actions ------------------------------------------------------------------------------------------------------


def test_syncing_selected_users_sends_them_to_all_sites_and_says_how_many(hrms: ScriptedSite) -> None:
    people, person = [user(f"u{n}@example.com") for n in range(3)], root()
    page = person.post(USERS, action="sync_selected", _selected_action=[people[0].pk, people[2].pk], index=0)
    assert told(page) == ["2 delivered to 1 site."]
    assert {request.body["email"] for request in hrms.requests[3:]} == {"u0@example.com", "u2@example.com"}


def test_syncing_everyone_to_selected_sites_starts_a_run_over_those(hrms: ScriptedSite, connect: Callable[..., ConnectedSite]) -> None:
    cms, off = connect("cms", NOWHERE), connect("off", NOWHERE, is_active=False)
    user()
    page = root().post(SITES, action="sync_to_selected", _selected_action=[cms.pk, off.pk], index=0)
    assert told(page)[0].startswith("Sync started: 1 delivery to 1 site")
    assert "Nothing was sent to OFF: inactive" in told(page)[1]
    run = SyncRun.objects.get()
    assert (run.actor, [part.site for part in run.parts.all()]) == ("root", [cms])


def test_retrying_a_failed_attempt_sends_it_again(hrms: ScriptedSite) -> None:
    hrms.answer = refused
    user()
    hrms.answer = lambda request: json_answer({"success": True})
    row = UserSyncLog.objects.get()
    page = root().post(LOG, action="retry_selected", _selected_action=[row.pk], index=0)
    assert told(page) == ["1 of 1 delivered, 0 failed, 0 pending."]
    newest = UserSyncLog.objects.first()
    assert newest is not None
    assert (newest.status, newest.cause, newest.actor) == ("success", "retry", "root")


# --- the log -----------------------------------------------------------------------------------------------------------


def test_an_attempt_shows_what_was_sent_and_what_came_back(hrms: ScriptedSite) -> None:
    hrms.answer = refused
    user(user_id="user_9")
    row = UserSyncLog.objects.get()
    page = text(root().get(f"{LOG}{row.pk}/change/"))
    for said in ('"id": "user_9"', '"email": "ann@example.com"', "no licence left", "HTTP 422", row.message_id, "Failed"):
        assert said in page
    assert "whsec_" not in page


def test_the_log_is_searched_and_filtered(hrms: ScriptedSite) -> None:
    user("ann@example.com", user_id="user_a")
    user("bob@example.com", user_id="user_b", full_name="Bob Brown")
    user("gone@example.com", user_id="user_g").delete()
    person = root()
    everyone = {"ann", "bob", "gone"}
    for query, found in (
        ({"q": "ann@"}, {"ann"}),
        ({"q": "Bob Brown"}, {"bob"}),
        ({"q": "user_b"}, {"bob"}),
        ({"q": "gone@example.com"}, {"gone"}),
        ({"q": "nobody"}, set()),
        ({"status__exact": "failed"}, set()),
        ({"status__exact": "success", "type": "delete"}, {"gone"}),
        ({"cause": "save", "period": "hour"}, everyone),
        ({"cause": "api"}, set()),
        ({"site_id": "0"}, set()),
        ({"site_id": "nonsense"}, everyone),
    ):
        page = person.get(LOG, **query)
        assert {row.email.split("@")[0] for row in page.context["cl"].result_list} == found, query


def test_the_log_is_found_by_message_id_and_site(hrms: ScriptedSite, connect: Callable[..., ConnectedSite]) -> None:
    cms = connect("cms", NOWHERE)
    user()
    person = root()
    message = UserSyncLog.objects.get(site_id=cms.pk).message_id
    for query in ({"q": message}, {"site_id": cms.pk}):
        rows = person.get(LOG, **query).context["cl"].result_list
        assert [row.site_name for row in rows] == ["cms"]


def test_nobody_can_add_change_or_delete_what_the_hub_wrote(hrms: ScriptedSite) -> None:
    user()
    person, row = root(), UserSyncLog.objects.get()
    for path in (f"{LOG}add/", f"{LOG}{row.pk}/delete/", f"{RUNS}add/", "/admin/sync/delivery/add/"):
        assert person.get(path).status_code == 403, path
    assert person.post(f"{LOG}{row.pk}/change/", status="failed").status_code == 403


def test_the_log_is_counted_no_further_than_needed(hrms: ScriptedSite) -> None:
    user()
    person = root()
    with CaptureQueriesContext(connection) as queries:
        person.get(LOG)
    counts = [query["sql"] for query in queries if "count(" in query["sql"].lower() and "user_sync_log" in query["sql"]]
    assert counts
    assert all("LIMIT 10000" in sql for sql in counts)


# --- runs --------------------------------------------------------------------------------------------------------------


def test_a_run_shows_its_progress_at_each_site_and_can_be_cancelled_once(hrms: ScriptedSite) -> None:
    user()
    operations.sync_all(cause="admin", actor="root")
    run, person = SyncRun.objects.get(), root()
    page = text(person.get(f"{RUNS}{run.pk}/change/"))
    assert "0 %. Waiting for a worker: 0 of 1 delivered." in page
    assert "Cancel this run" in page
    page = person.post("/admin/actions/cancel-run/", run=str(run.public_id), next=f"{RUNS}{run.pk}/change/")
    assert told(page) == ["The run was cancelled. What it had already queued is still delivered. It can be resumed."]
    assert "Cancel this run" not in text(page)
    again = person.post("/admin/actions/cancel-run/", run=str(run.public_id))
    assert told(again) == ["The run was over already; nothing was cancelled."]
    assert "Cancelled" in text(person.get(RUNS))


# --- permissions -------------------------------------------------------------------------------------------------------


def test_bulk_actions_need_the_permission_to_sync(hrms: ScriptedSite) -> None:
    ann = user()
    editor = Person("users.change_userprofile", "users.view_userprofile", "sync.view_usersynclog")
    page = editor.get(USERS)
    assert "Deactivate selected users" in text(page)
    assert "Sync selected users" not in text(page)
    editor.post(USERS, action="sync_selected", _selected_action=[ann.pk], index=0)
    editor.post(LOG, action="retry_selected", _selected_action=[UserSyncLog.objects.get().pk], index=0)
    assert "Sync now" not in text(editor.get(f"{USERS}{ann.pk}/change/"))
    assert len(hrms.requests) == 1
