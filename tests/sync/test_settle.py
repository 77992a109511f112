"""What an answer makes of a delivery, its log row, and what follows."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest
from django.db import transaction
from django.utils import timezone
from werkzeug import Request, Response

from sync.deliver.claim import claim
from sync.deliver.lost import free_lost
from sync.deliver.settle import Attempt, settle
from sync.deliver.targets import open_slots
from sync.models import Delivery, Lease
from sync.outcomes import Outcome, Verdict
from tests.scripted_site import ScriptedSite, accept, json_answer
from tests.sync.conftest import attempts, catch_up, drain, make_due, shown, sql, user

pytestmark = pytest.mark.django_db(transaction=True)

DELIVERED = Verdict(Outcome.DELIVERED)


@pytest.fixture(autouse=True)
def _no_pushes(settings: object) -> None:
    settings.SYNC_ON_SAVE = "queue"  # type: ignore[attr-defined]


def claim_one() -> Attempt:
    catch_up()
    (taken,) = claim(open_slots())
    return Attempt(taken, DELIVERED, taken.message.message_id, 200, 0.01, b"{}")


def test_a_claim_is_known_before_it_is_sent_and_is_nobody_elses(hrms: ScriptedSite) -> None:
    person = user()
    attempt = claim_one()
    row, lease, version = Delivery.objects.get(), Lease.objects.get(), person.__class__.objects.get().version
    assert (row.status, row.attempted_version, row.tries) == ("pending", version, 0)
    assert (lease.pk, lease.delivery_ids, lease.versions, list(map(str, lease.tokens))) == (
        attempt.claim.lease, [row.pk], [version], [attempt.claim.token],
    )  # fmt: skip
    assert timedelta(seconds=45) < lease.until - timezone.now() <= timedelta(seconds=50)
    assert claim(open_slots()) == []
    assert shown(person.user_id).label == "In progress"


def test_a_change_while_the_request_is_under_way_stays_pending_and_is_sent_next(hrms: ScriptedSite) -> None:
    person = user()
    attempt = claim_one()
    sql("update user_profiles set role = 'lead'")
    catch_up()
    settle([attempt])
    assert shown(person.user_id).status == "pending"
    drain()
    assert [body["role"] for body in hrms.bodies] == ["lead"]
    assert shown(person.user_id).status == "success"


def test_a_user_removed_while_under_way_is_removed_next(hrms: ScriptedSite) -> None:
    user()
    attempt = claim_one()
    sql("delete from user_profiles")
    catch_up()
    settle([attempt])
    drain()
    assert hrms.paths == ["/api/users/sync/delete"]
    assert Delivery.objects.count() == 0


def test_a_version_that_was_sent_ahead_of_the_fan_out_is_not_sent_twice(hrms: ScriptedSite) -> None:
    person = user()
    catch_up()
    sql("update user_profiles set role = 'lead'")
    (taken,) = claim(open_slots())
    assert taken.message.role == "lead"
    settle([Attempt(taken, DELIVERED, taken.message.message_id, 200, 0.01)])
    catch_up()
    drain()
    assert hrms.requests == []
    assert shown(person.user_id).status == "success"


def test_a_late_answer_without_its_lease_changes_only_the_log(hrms: ScriptedSite) -> None:
    person = user()
    late = claim_one()
    sql("update user_sync_lease set until = now() - interval '1 second'")
    assert free_lost() == 1
    make_due()
    second = claim_one()
    settle([late])
    assert [lease.pk for lease in Lease.objects.all()] == [second.claim.lease]
    settle([second])
    assert shown(person.user_id).status == "success"
    assert [a.status for a in attempts()] == ["lost", "success", "success"]


def test_a_lost_lease_leaves_its_row_in_the_log_and_the_same_message_is_sent_again(hrms: ScriptedSite) -> None:
    person = user()
    lost = claim_one()
    sql("update user_sync_lease set until = now() - interval '1 second'")
    free_lost()
    row = shown(person.user_id)
    assert row.status == "pending"
    assert row.error_message == "The sender ended before the answer came; the request may have arrived"
    (entry,) = attempts()
    assert (str(entry.attempt_id), entry.status, entry.message_id, entry.version) == (
        lost.claim.token, "lost", lost.message_id, lost.claim.message.version,
    )  # fmt: skip
    make_due()
    drain()
    assert hrms.requests[0].message_id == lost.message_id


def test_the_message_id_is_stable_over_retries_and_new_for_newer_content(hrms: ScriptedSite) -> None:
    hrms.answer = lambda _: Response(status=500)
    user()
    drain()
    make_due()
    drain()
    sql("update user_profiles set role = 'lead'")
    drain()
    first, second, third = (received.message_id for received in hrms.requests)
    assert first == second != third


def test_transient_answers_are_tried_by_the_schedule_and_then_failed(hrms: ScriptedSite) -> None:
    hrms.answer = lambda _: Response(status=500)
    person = user()
    sql("update user_sync_site_health set quarantined_at = null")
    waits = []
    for _ in range(10):
        make_due()
        drain()
        due = Delivery.objects.get().next_attempt_at
        waits.append(round((due - timezone.now()).total_seconds()) if due else None)
        sql("update user_sync_site_health set failures_in_row = 0, quarantined_at = null, connection_failures_in_row = 0")
    schedule = [5, 300, 1800, 7200, 18000, 36000, 50400, 72000, 86400]
    for wait, planned in zip(waits[:9], schedule, strict=True):
        assert wait is not None
        assert planned * 0.8 - 2 <= wait <= planned * 1.2 + 1
    assert waits[9] is None
    row = shown(person.user_id)
    assert (row.status, row.attempts) == ("failed", 10)
    assert [a.cause for a in attempts()] == ["change"] + ["retry"] * 9


def test_throttling_pauses_the_whole_site_and_spends_no_try(hrms: ScriptedSite) -> None:
    hrms.answer = lambda _: json_answer({}, 429, {"Retry-After": "120"})
    person = user()
    drain()
    user("bob@example.com")
    drain()
    assert len(hrms.requests) == 1
    assert [slot for slot in open_slots() if slot.target.name == "hrms"] == []
    row = shown(person.user_id)
    assert (row.status, row.attempts) == ("pending", 0)
    assert row.next_attempt_at is not None
    assert 110 < (row.next_attempt_at - timezone.now()).total_seconds() < 130
    hrms.answer = accept
    sql("update user_sync_site_health set throttled_until = now()")
    make_due()
    drain()
    assert Delivery.objects.filter(status="success").count() == 2


def test_a_live_user_who_now_holds_a_removed_users_email_is_sent_again(hrms: ScriptedSite) -> None:
    first = user("ann@example.com", user_id="user_old")
    drain()
    sql("delete from user_profiles")
    sql("insert into user_profiles (user_id, email, full_name) values ('user_new', 'Ann@example.com', 'New Ann')")
    # The site hears of the new one first and removes by email, as a dozen lines would.
    catch_up()
    sql("update user_sync_delivery set next_attempt_at = now() + interval '1 hour' where user_id = 'user_old'")
    drain()
    make_due()
    drain()
    assert [(b["id"], b["action"]) for b in hrms.bodies] == [
        (first.user_id, "upsert"), ("user_new", "upsert"), ("user_old", "delete"), ("user_new", "upsert"),
    ]  # fmt: skip
    assert hrms.requests[1].message_id != hrms.requests[3].message_id


def test_a_changed_email_names_the_previous_one_and_warns_where_ids_were_never_confirmed(hrms: ScriptedSite) -> None:
    person = user()
    drain()
    sql("update user_profiles set email = 'ann.new@example.com'")
    drain()
    assert hrms.bodies[-1]["previous_email"] == "ann@example.com"
    row = shown(person.user_id)
    assert row.status == "success"
    assert "the old account may remain" in str(row.error_message)


def test_a_site_that_confirms_ids_gives_no_such_warning(hrms: ScriptedSite) -> None:
    def confirm(request: Request) -> Response:
        return json_answer({"success": True, "id": (request.get_json() or {})["id"]})

    hrms.answer = confirm
    person = user()
    drain()
    hrms.answer = accept
    sql("update user_profiles set email = 'ann.new@example.com'")
    drain()
    assert shown(person.user_id).error_message is None


def test_a_removal_the_site_cannot_do_is_failed_and_says_that_access_may_remain(hrms: ScriptedSite) -> None:
    person = user()
    drain()
    hrms.answer = lambda _: Response("no such page", 404)
    sql("delete from user_profiles")
    drain()
    row = shown(person.user_id)
    assert (row.status, row.label) == ("failed", "Removal failed")
    assert row.error_message == "HTTP 404: this site cannot remove users; access may remain"


@pytest.mark.parametrize("email_change_lost", [True, False])
def test_a_removal_names_the_email_the_site_acknowledged(hrms: ScriptedSite, email_change_lost: bool) -> None:
    user()
    drain()
    if email_change_lost:
        hrms.answer = lambda _: Response(status=500)
    sql("update user_profiles set email = 'ann.new@example.com'")
    drain()
    hrms.answer = accept
    sql("delete from user_profiles")
    make_due()
    drain()
    assert hrms.bodies[-1]["email"] == ("ann@example.com" if email_change_lost else "ann.new@example.com")


def test_answers_of_many_deliveries_are_settled_in_a_fixed_number_of_statements(
    hrms: ScriptedSite, django_assert_max_num_queries: Callable[[int], object]
) -> None:
    for number in range(8):
        user(f"u{number}@example.com")
    catch_up()
    taken = claim(open_slots())
    assert len(taken) == 8
    results = [Attempt(c, DELIVERED, c.message.message_id, 200, 0.01) for c in taken]
    with django_assert_max_num_queries(8):  # type: ignore[attr-defined]
        settle(results)
    assert Delivery.objects.filter(status="success").count() == 8
    assert len(attempts()) == 8


def test_a_settle_with_a_made_up_lease_changes_nothing(hrms: ScriptedSite) -> None:
    user()
    attempt = claim_one()
    before = Delivery.objects.values().get(), Lease.objects.values().get()
    settle([replace(attempt, claim=replace(attempt.claim, lease=attempt.claim.lease + 1))])
    assert (Delivery.objects.values().get(), Lease.objects.values().get()) == before


def test_nothing_can_be_claimed_for_sending_while_a_transaction_is_open(hrms: ScriptedSite) -> None:
    user()
    catch_up()
    with pytest.raises(RuntimeError, match="durable"), transaction.atomic():
        claim(open_slots())
    assert Delivery.objects.get().status == "pending"
