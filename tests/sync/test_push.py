"""A save reaches every site at once, waits no longer than the deadline, and is never failed by a site."""

import time
from collections.abc import Callable

import pytest
from django.db import transaction

from sites.models import ConnectedSite
from sync.context import acting
from sync.deliver import push
from sync.fanout import fan_out
from sync.models import Delivery
from tests.scripted_site import ScriptedSite, json_answer
from tests.sync.conftest import Connect, attempts, drain, shown, sql, user
from users.models import UserProfile

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_save_is_at_the_site_when_it_returns(hrms: ScriptedSite) -> None:
    person = user()
    assert [body["email"] for body in hrms.bodies] == ["ann@example.com"]
    assert shown(person.user_id).label == "In sync"
    person.role = "manager"
    person.save()
    assert hrms.bodies[-1]["role"] == "manager"
    person.delete()
    assert hrms.paths[-1] == "/api/users/sync/delete"
    assert [a.cause for a in attempts()] == ["save"] * 3


def test_the_log_says_who_did_it(hrms: ScriptedSite) -> None:
    with acting("api", "payroll"):
        user()
    (attempt,) = attempts()
    assert (attempt.cause, attempt.actor, attempt.status, attempt.http_code, attempt.type) == ("api", "payroll", "success", 200, "upsert")
    assert attempt.attributes["email"] == "ann@example.com"
    assert attempt.message_id == hrms.requests[0].message_id


def test_a_save_that_changes_nothing_sends_nothing(hrms: ScriptedSite) -> None:
    person = user()
    person.save()
    UserProfile.objects.get().save()
    assert len(hrms.requests) == 1


def test_nothing_is_sent_before_the_commit_nor_after_a_rollback(hrms: ScriptedSite) -> None:
    with transaction.atomic():
        user()
        assert hrms.requests == []
    assert len(hrms.requests) == 1
    with pytest.raises(RuntimeError), transaction.atomic():
        user("bob@example.com")
        raise RuntimeError
    drain()
    assert len(hrms.requests) == 1


def test_a_transaction_of_many_savepoints_pushes_once_what_was_not_rolled_back(hrms: ScriptedSite) -> None:
    with transaction.atomic():
        for number in range(4):
            try:
                with transaction.atomic():
                    user(f"u{number}@example.com")
                    if number == 2:
                        raise RuntimeError
            except RuntimeError:
                continue
    assert sorted(body["email"] for body in hrms.bodies) == ["u0@example.com", "u1@example.com", "u3@example.com"]


def test_a_rolled_back_savepoint_before_the_first_kept_save_loses_nothing(hrms: ScriptedSite) -> None:
    with transaction.atomic():
        with pytest.raises(RuntimeError), transaction.atomic():
            user("bob@example.com")
            raise RuntimeError
        user("ann@example.com")
    assert [body["email"] for body in hrms.bodies] == ["ann@example.com"]


def test_a_transaction_that_touches_many_users_leaves_them_to_the_worker(hrms: ScriptedSite, settings: object) -> None:
    settings.SYNC_PUSH_MAX = 10  # type: ignore[attr-defined]
    with transaction.atomic():
        for number in range(11):
            user(f"u{number}@example.com")
    assert hrms.requests == []
    drain()
    assert len(hrms.requests) == 11


def test_with_sync_on_save_queue_a_save_leaves_everything_to_the_worker(hrms: ScriptedSite, settings: object) -> None:
    settings.SYNC_ON_SAVE = "queue"  # type: ignore[attr-defined]
    user()
    assert hrms.requests == []
    drain()
    assert len(hrms.requests) == 1


def test_a_refused_connection_fails_no_save_and_says_why_and_when_next(connect: Connect) -> None:
    connect("hrms", "http://127.0.0.1:9")
    person = user()
    row = shown(person.user_id)
    assert row.status == "pending"
    assert row.error_message == "Connection refused: nothing listens at the site's address"
    assert row.attempts == 1
    assert row.next_attempt_at is not None
    assert [(a.status, a.outcome, a.http_code) for a in attempts()] == [("pending", "transient", None)]


def test_a_hanging_site_costs_the_deadline_and_the_others_nothing(
    connect: Connect, scripted: Callable[[], ScriptedSite], settings: object
) -> None:
    settings.SYNC_PUSH_DEADLINE = 1.5  # type: ignore[attr-defined]
    hanging, well = scripted(), scripted()
    connect("hanging", hanging.url, timeout=30), connect("well", well.url)
    hanging.hold()
    started = time.monotonic()
    person = user()
    took = time.monotonic() - started
    assert took < 4, "the save waited longer than the deadline"
    assert well.requests[0].at - started < 1.5
    assert shown(person.user_id, "well").status == "success"
    late = shown(person.user_id, "hanging")
    assert (late.status, late.attempts) == ("pending", 1)
    assert "No complete answer within" in str(late.error_message)
    hanging.let_go()


def test_more_users_than_a_site_takes_at_once_are_sent_in_turns(hrms: ScriptedSite) -> None:
    ConnectedSite.objects.update(max_in_flight=2)
    with transaction.atomic():
        for number in range(7):
            user(f"u{number}@example.com")
    assert len(hrms.requests) == 7
    assert Delivery.objects.filter(status="success").count() == 7


def test_what_the_deadline_leaves_over_is_given_back_and_not_counted_as_tried(hrms: ScriptedSite, settings: object) -> None:
    settings.SYNC_PUSH_DEADLINE = 1  # type: ignore[attr-defined]
    settings.SYNC_PUSH_THREADS = 1  # type: ignore[attr-defined]
    push._pool = None
    hrms.hold()
    with transaction.atomic():
        for number in range(3):
            user(f"u{number}@example.com")
    push._pool = None
    tries = sorted(Delivery.objects.values_list("tries", "status"))
    assert tries == [(0, "pending"), (0, "pending"), (1, "pending")]
    assert len(attempts()) == 1
    hrms.let_go()
    sql("update user_sync_delivery set next_attempt_at = now()")
    drain()
    assert Delivery.objects.filter(status="success").count() == 3


def test_a_site_without_a_secret_is_not_sent_to_and_the_screen_says_what_to_do(hrms: ScriptedSite) -> None:
    sql("delete from site_credentials")
    person = user()
    assert hrms.requests == []
    assert shown(person.user_id).error_message == "HRMS has no signing secret: make one on the site's page"


def test_a_refusal_is_failed_at_once_and_not_tried_again(hrms: ScriptedSite) -> None:
    hrms.answer = lambda _: json_answer({"error": "role unknown"}, 422)
    person = user()
    row = shown(person.user_id)
    assert (row.status, row.error_message) == ("failed", "HTTP 422: the site refused this user (role unknown)")
    drain()
    assert len(hrms.requests) == 1
    hrms.answer = lambda _: json_answer({"success": True})
    person.role = "lead"
    person.save()
    assert shown(person.user_id).status == "success"


def test_a_worker_leaves_a_fresh_change_to_the_process_that_pushes_it(hrms: ScriptedSite, settings: object) -> None:
    settings.SYNC_PUSH_MAX = 0  # type: ignore[attr-defined]  (this process fails to push)
    user()
    assert fan_out() == 0
    sql("update user_sync_outbox set not_before = not_before - interval '1 second'")
    assert fan_out() == 1


def test_a_change_by_anybody_else_is_the_workers_at_once(hrms: ScriptedSite) -> None:
    sql("set application_name = 'psql'")
    try:
        sql("insert into user_profiles (email, full_name) values ('ann@example.com', 'Ann')")
    finally:
        sql("set application_name = 'ssodash-push'")
    assert fan_out() == 1
