"""The page of an attempt: what was sent, what came back, why it counts so, what happens next, and Retry now."""

from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from sites.models import ConnectedSite
from sync import site_control
from sync.models import UserSyncLog
from tests.pages import Person, root, text, told
from tests.scripted_site import ScriptedSite, json_answer
from tests.sync.conftest import attempts, drain, make_due, sql, user
from users.models import UserProfile

pytestmark = pytest.mark.django_db(transaction=True)

LOG, RETRY = "/admin/sync/usersynclog/", "/admin/actions/retry-attempt/"


def answer(content: Any, status: int = 200, **headers: str) -> Any:
    return lambda _: json_answer(content, status, {name.replace("_", "-"): value for name, value in headers.items()})


def page_of(row: UserSyncLog, by: Person | None = None) -> str:
    return text((by or root()).get(f"{LOG}{row.pk}/change/"))


def test_a_delivered_attempt_shows_request_answer_time_and_rule(hrms: ScriptedSite) -> None:
    hrms.answer = answer({"success": True, "id": "user_a", "remote_id": 7})
    user(user_id="user_a")
    (row,) = attempts()
    page = page_of(row)
    assert "HRMS accepted ann@example.com." in page
    assert f"POST {hrms.url}/api/users/sync" in page
    assert f"webhook-id: {row.message_id} webhook-timestamp: {int(row.started_at.timestamp())} webhook-signature: v1,[redacted]" in page
    assert (
        '{ "id": "user_a", "email": "ann@example.com", "full_name": "Ann", "role": "user", "is_active": true, "action": "upsert",' in page
    )
    assert f"HTTP 200 after {row.duration_ms} ms" in page
    assert '"remote_id": 7' in page
    assert 'Delivered: a status from 200 to 299 with an empty body, or with a JSON object in which "success" is not false.' in page
    assert "Nothing: HRMS has the user as it is now, by this very attempt." in page


@pytest.mark.parametrize(
    ("reply", "rule", "todo"),
    [
        (answer({"error": "no such secret"}, 401), "A fault of the site, not of this user: 401", "present secret"),
        (answer({}, 302, Location="/login"), "redirects are never followed", "follows no redirects"),
        (answer(["a list"]), "a success must be empty or a JSON object", "login page"),
        (answer({}, 422), "Refused for good: 400, 409, 413 and 422", "Mend what the site complains of"),
        (answer({"success": False}), 'Refused for good: the answer says "success": false', "Mend what the site complains of"),
        (answer({}, 503), "For the moment only: 408, 425, 429 and 5xx pass", "own log"),
        (answer({}, 429, Retry_After="60"), "The site asks to wait: 429 or 503 with Retry-After", "the hub waits as long"),
    ],
    ids=["401", "302", "not an object", "422", "success false", "503", "429"],
)
def test_each_outcome_is_explained_by_its_rule_with_what_to_do(hrms: ScriptedSite, reply: Any, rule: str, todo: str) -> None:
    hrms.answer = reply
    user()
    page = page_of(attempts()[0])
    assert rule in page
    assert todo in page


def test_a_removal_that_the_site_cannot_do_is_explained(hrms: ScriptedSite) -> None:
    ann = user()
    hrms.answer = answer({}, 404)
    ann.delete()
    page = page_of(attempts()[-1])
    assert f"POST {hrms.url}/api/users/sync/delete" in page
    assert "404 or 405 to a removal means that this site cannot remove users; access may remain." in page
    assert "(no longer in the directory)" in page


def test_no_answer_at_all_leads_to_the_connection_test(hrms: ScriptedSite) -> None:
    hrms.stop()
    user()
    page = page_of(attempts()[0])
    assert "What came back No answer. Connection refused" in page
    assert "Press Test connection on the site's page: it names the cause." in page
    assert "Next try in" in page


def test_what_happens_next_follows_what_became_of_it(hrms: ScriptedSite) -> None:
    hrms.answer = answer({"error": "out of order"}, 503)
    ann = user()
    (first,) = attempts()
    assert "Next try in a few seconds." in page_of(first, person := root())
    site_control.pause_site(hrms.row, actor="bob")
    assert "HRMS is paused by bob just now. It is sent when the site is resumed." in page_of(first, person)
    site_control.resume_site(hrms.row)
    UserProfile.objects.filter(pk=ann.pk).update(full_name="Ann Other")
    assert "The user has changed since: a newer version is owed." in page_of(first, person)
    hrms.answer = answer({"success": True})
    make_due()
    drain()
    page = page_of(first, person)
    assert "Nothing: HRMS has the user as it is now, by a later attempt." in page
    assert "The attempt after this one" in page
    hrms.answer = answer({}, 422)
    ann.refresh_from_db()
    ann.role = "lead"
    ann.save()
    assert "Nothing by itself: it is sent again when the user or the site changes, or someone sends it." in page_of(attempts()[-1], person)
    ConnectedSite.objects.update(is_active=False)
    assert "Nothing until HRMS is active again." in page_of(first, person)
    ConnectedSite.objects.all().delete()
    assert "Nothing: hrms is no longer connected." in page_of(first, person)


def test_a_delivered_attempt_that_a_later_one_overtook_says_so(hrms: ScriptedSite) -> None:
    ann = user()
    ann.role = "lead"
    ann.save()
    first, second = attempts()
    assert "Nothing: HRMS has the user as it is now, by a later attempt." in page_of(first, person := root())
    assert "Nothing: HRMS has the user as it is now, by this very attempt." in page_of(second, person)


def test_an_acknowledged_removal_has_nothing_to_follow(hrms: ScriptedSite) -> None:
    user().delete()
    page = page_of(attempts()[-1])
    assert "HRMS removed ann@example.com." in page
    assert "Nothing: nothing is owed to HRMS about this user any more." in page


def test_a_lost_attempt_says_that_it_may_have_arrived(hrms: ScriptedSite) -> None:
    user()
    sql("alter table user_sync_log disable trigger all")
    sql("update user_sync_log set status = 'lost', outcome = 'lost', http_code = null, attributes = null, response = ''")
    sql("alter table user_sync_log enable trigger all")
    page = page_of(attempts()[0])
    assert "The request may have arrived, so it counts neither as delivered nor as failed" in page
    assert "Not known: the sender ended before it could write down what it sent." in page


def test_secrets_are_not_shown(hrms: ScriptedSite) -> None:
    secret = hrms.row.credentials.get().secret
    hrms.answer = answer({"error": f"expected {secret}"}, 401)
    user()
    page = root().get(f"{LOG}{attempts()[0].pk}/change/").content.decode()
    assert secret not in page
    assert hrms.requests[0].headers["webhook-signature"] not in page
    assert "[redacted]" in page


def test_retry_now_sends_it_as_it_is_now_and_says_what_came_of_it(hrms: ScriptedSite) -> None:
    hrms.answer = answer({}, 422)
    user()
    (row,) = attempts()
    person = root()
    assert "Retry now" in page_of(row, person)
    (said,) = told(person.post(RETRY, attempt=row.pk, next=f"{LOG}{row.pk}/change/"))
    assert said.startswith("Failed at HRMS: HTTP 422")
    hrms.answer = answer({"success": True})
    assert told(person.post(RETRY, attempt=row.pk, next=f"{LOG}{row.pk}/change/")) == ["Sent again to HRMS: in sync."]
    assert (attempts()[-1].cause, attempts()[-1].actor) == ("retry", "root")


def test_a_retry_that_cannot_be_says_why(hrms: ScriptedSite) -> None:
    user()
    (row,) = attempts()
    person = root()
    for key in ("999999", "", "x", "٣", "9" * 30):
        assert told(person.post(RETRY, attempt=key, next="/admin/")) == ["There is no such attempt any more, so nothing was sent."]
    ConnectedSite.objects.all().delete()
    assert told(person.post(RETRY, attempt=row.pk, next="/admin/")) == ["Nothing was sent: hrms is no longer connected."]
    assert "Retry now" not in page_of(row, person)


def test_who_may_only_look_has_no_retry_and_who_may_not_even_that_gets_403(hrms: ScriptedSite) -> None:
    user()
    (row,) = attempts()
    clerk = Person("sync.view_usersynclog")
    page = clerk.get(f"{LOG}{row.pk}/change/")
    assert "Retry now" not in text(page)
    assert "/connectedsite/" not in page.content.decode().split("<main")[-1].split("attempt-title")[-1]
    assert clerk.post(RETRY, attempt=row.pk).status_code == 403
    clerk.login.user_permissions.clear()
    assert clerk.get(f"{LOG}{row.pk}/change/").status_code == 403


def test_an_attempt_that_was_deleted_from_the_log_leads_back_to_it(hrms: ScriptedSite) -> None:
    page = root().client.get(f"{LOG}999999/change/", follow=True)
    assert told(page) == ["There is no such attempt. Attempts are deleted from the log after a while."]


def test_the_page_costs_at_most_fifteen_queries(hrms: ScriptedSite) -> None:
    user()
    person = root()
    with CaptureQueriesContext(connection) as queries:
        page_of(attempts()[0], person)
    assert len(queries) <= 15, "\n".join(query["sql"][:150] for query in queries.captured_queries)
