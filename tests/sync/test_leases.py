"""Leases: one a request, beside its deliveries, which stay pending until it is written down what came of them."""

from collections.abc import Sequence
from typing import Any

import psycopg
import pytest
from django.db import connection
from werkzeug import Request, Response

from sites.models import ConnectedSite
from sync import runs
from sync.deliver.claim import Claim, claim
from sync.deliver.lost import free_lost
from sync.deliver.release import release
from sync.deliver.settle import Attempt, settle
from sync.deliver.targets import open_slots
from sync.models import Delivery, Lease, SyncRun
from sync.outcomes import Outcome, Verdict
from sync.status.trouble import trouble
from tests.scripted_site import ScriptedSite, json_answer
from tests.ssodash.databases import database, done, manage
from tests.sync.conftest import attempts, catch_up, deliveries_under_way, drain, make, make_due, shown, sql, user

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _batches(settings: Any, hrms: ScriptedSite) -> None:
    """Three users, whom hrms takes in one request."""
    settings.SYNC_ON_SAVE = "queue"
    hrms.answer = accept_each
    ConnectedSite.objects.update(batch_size=10)


def accept_each(request: Request) -> Response:
    return json_answer({"success": True, "results": [{"id": u["id"], "success": True} for u in request.get_json().get("users", [])]})


def claimed() -> list[Claim]:
    """What is due, in the order of the users."""
    catch_up()
    return sorted(claim(open_slots()), key=lambda item: item.message.user_id)


def answered(claims: Sequence[Claim], outcome: Outcome = Outcome.DELIVERED) -> list[str]:
    """Settles them in this order; returns their new status."""
    given = [Attempt(item, Verdict(outcome), item.message.message_id, 200, 0.01, b"{}") for item in claims]
    return list(settle(given).values())


def under_way() -> list[str]:
    return sorted(deliveries_under_way().values_list("user_id", flat=True))


def labels() -> list[str]:
    """What a person sees of each."""
    return [str(shown(user_id).label) for user_id in ("user_00000", "user_00001", "user_00002")]


def rows() -> list[tuple[Any, ...]]:
    """All deliveries, as they are written down."""
    with connection.cursor() as cursor:
        cursor.execute("select to_jsonb(d) from user_sync_delivery d order by id")
        return cursor.fetchall()


def test_users_who_travel_together_share_a_lease_and_nothing_is_written_into_what_was_attempted_before(hrms: ScriptedSite) -> None:
    make(3)
    drain()
    sql("update user_profiles set full_name = 'Other'")
    catch_up()
    before = rows()
    claims = claimed()
    (lease,) = Lease.objects.all()
    assert {item.lease for item in claims} == {lease.pk}
    of = {item.delivery_id: (item.token, item.message.version, item.generation, item.cause, item.run_id) for item in claims}
    held = zip(map(str, lease.tokens), lease.versions, lease.generations, lease.causes, lease.run_ids, strict=True)
    assert dict(zip(lease.delivery_ids, held, strict=True)) == of
    assert len(of) == 3
    assert rows() == before
    assert labels() == ["In progress"] * 3
    assert len(attempts()) == 3, "an attempt gets into the log when it is over"


def test_the_lease_of_a_large_batch_is_kept_as_it_is_for_the_seconds_that_it_lives(hrms: ScriptedSite) -> None:
    ConnectedSite.objects.update(batch_size=500)
    make(500)
    assert len(claimed()) == 500
    arrays = ("delivery_ids", "tokens", "versions", "generations", "causes", "actors", "run_ids")
    with connection.cursor() as cursor:
        cursor.execute(f"select {', '.join(f'pg_column_compression({name})' for name in arrays)} from user_sync_lease")
        assert cursor.fetchall() == [(None,) * len(arrays)]


def test_the_first_attempt_ever_is_known_before_it_is_sent(hrms: ScriptedSite) -> None:
    make(3)
    claims = claimed()
    known = dict(Delivery.objects.values_list("pk", "attempted_version"))
    assert known == {item.delivery_id: item.message.version for item in claims}
    assert set(Delivery.objects.values_list("status", "attempted_action", "attempted_epoch", "tries")) == {("pending", "upsert", 1, 0)}


def test_what_is_settled_leaves_the_others_leased_and_settled_again_it_changes_only_the_log(hrms: ScriptedSite) -> None:
    make(3)
    claims = claimed()
    assert answered(claims[:1]) == ["success"]
    assert under_way() == ["user_00001", "user_00002"]
    assert labels() == ["In sync", "In progress", "In progress"]
    before = rows(), list(Lease.objects.values())
    assert answered(claims[:1], Outcome.PERMANENT) == []
    assert (rows(), list(Lease.objects.values())) == before
    assert [(a.user_id, a.outcome) for a in attempts()] == [("user_00000", "delivered"), ("user_00000", "permanent")]
    assert labels() == ["In sync", "In progress", "In progress"]
    assert answered(claims[1:]) == ["success"] * 2
    assert not Lease.objects.exists()
    assert labels() == ["In sync"] * 3


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 2, 0)])
@pytest.mark.parametrize("first", [0, 1, 2])
def test_a_lease_ends_with_the_last_of_its_answers_in_whatever_order_they_come(
    hrms: ScriptedSite, order: tuple[int, ...], first: int
) -> None:
    make(3)
    catch_up()
    sql("update user_sync_delivery set next_attempt_at = now() - id * interval '1 second'")  # the last is the first to be claimed
    claims = claimed()
    inturn = [claims[n] for n in order]
    assert answered(inturn[:first]) + answered(inturn[first:]) == ["success"] * 3
    assert not Lease.objects.exists()


def test_what_is_given_back_unsent_is_due_again_and_only_that(hrms: ScriptedSite) -> None:
    make(3)
    claims = claimed()
    before = rows()
    release(claims[1:2])
    assert under_way() == ["user_00000", "user_00002"]
    assert labels() == ["In progress", "Pending", "In progress"]
    assert rows() == before
    (again,) = claimed()
    assert (again.delivery_id, again.message.message_id, again.tries) == (claims[1].delivery_id, claims[1].message.message_id, 1)
    assert again.lease != claims[1].lease
    assert attempts() == []
    assert answered([*claims[:1], again, *claims[2:]]) == ["success"] * 3
    assert not Lease.objects.exists()


def test_each_of_a_lost_request_is_logged_as_it_was_claimed_and_the_newest_state_follows(hrms: ScriptedSite) -> None:
    make(3)
    catch_up()
    sql("select sync_all_users()")
    run = SyncRun.objects.get()
    runs.Feeder(run).step()
    claims = claimed()
    sql("update user_profiles set role = 'lead'")
    catch_up()
    assert free_lost() == 0, "none has expired"
    sql("update user_sync_lease set until = now() - interval '1 second'")
    assert free_lost() == 3
    assert not Lease.objects.exists()
    assert [
        (str(a.attempt_id), a.status, a.version, a.message_id, a.cause, a.run_id) for a in sorted(attempts(), key=lambda a: a.user_id)
    ] == [(item.token, "lost", item.message.version, item.message.message_id, "sql", run.pk) for item in claims]
    assert labels() == ["Pending"] * 3
    assert {shown(item.message.user_id).error_message for item in claims} == {
        "The sender ended before the answer came; the request may have arrived"
    }
    assert (run.parts.get().succeeded, run.parts.get().failed) == (0, 3)
    make_due()
    drain()
    assert [{(u["id"], u["role"]) for u in body["users"]} for body in hrms.bodies] == [{(f"user_0000{n}", "lead") for n in range(3)}]
    assert labels() == ["In sync"] * 3
    assert (run.parts.get().succeeded, run.parts.get().failed) == (0, 3), "the newest state is not that run's"


def test_a_try_counts_when_it_is_over(hrms: ScriptedSite) -> None:
    make(3)
    claims = claimed()
    assert [shown(item.message.user_id).attempts for item in claims] == [0] * 3
    answered(claims[:1], Outcome.TRANSIENT)
    answered(claims[1:2], Outcome.THROTTLED)
    sql("update user_sync_lease set until = now() - interval '1 second'")
    free_lost()
    assert [shown(item.message.user_id).attempts for item in claims] == [1, 0, 1]


def test_a_removal_owed_while_the_first_attempt_ever_is_under_way_is_sent_after_it(hrms: ScriptedSite) -> None:
    person = user(user_id="user_1")
    claims = claimed()
    sql("delete from user_profiles")
    catch_up()
    row = Delivery.objects.get()
    assert (row.status, row.wanted_action, row.attempted_action) == ("pending", "delete", "upsert")
    assert shown(person.user_id).status == "in_progress"
    assert claimed() == [], "one at a time"
    assert answered(claims) == ["pending"]
    assert [(a.type, a.status) for a in attempts()] == [("upsert", "success")]
    drain()
    assert [[(u["id"], u["action"]) for u in body["users"]] for body in hrms.bodies] == [[("user_1", "delete")]]
    assert [(a.type, a.status) for a in attempts()] == [("upsert", "success"), ("delete", "success")]
    assert not Delivery.objects.exists()
    assert not Lease.objects.exists()


def test_a_run_that_is_cancelled_and_resumed_waits_for_what_is_under_way(hrms: ScriptedSite) -> None:
    make(3)
    run, _ = runs.start(cause="sync_all")
    runs.Feeder(run).step()
    claims = claimed()
    release(claims[2:])
    runs.cancel(run)
    assert dict(Delivery.objects.values_list("user_id", "run_id")) == {"user_00000": run.pk, "user_00001": run.pk, "user_00002": None}
    resumed = runs.resume(run)
    assert resumed is not None
    feeder = runs.Feeder(resumed)
    assert [feeder.step() for _ in range(3)] == [False] * 3
    answered(claims[:2])
    while not feeder.step():
        continue
    part = run.parts.get()
    assert (part.succeeded, part.failed, part.finished) == (2, 0, True)


def test_of_those_who_wait_at_a_site_its_page_shows_those_who_are_tried_next(hrms: ScriptedSite) -> None:
    make(3)
    release(claimed()[2:])
    assert [line.email for line in trouble(ConnectedSite.objects.get().pk).pending] == ["u2@example.com"]


UNDER_WAY_BEFORE = """
insert into connected_sites (name, display_name, url) values ('hrms', 'HRMS', 'http://127.0.0.1:9');
insert into user_profiles (user_id, email, full_name) values ('user_1', 'ann@example.com', 'Ann'), ('user_2', 'bob@example.com', 'Bob');
insert into user_sync_delivery (user_id, site_id, wanted_action, wanted_version, attempted_action, attempted_version, attempted_generation,
        attempted_epoch, attempted_email, status, tries, cause, actor)
    select u.user_id, s.id, 'upsert', u.version, 'upsert', u.version, 2, s.epoch, u.email, 'pending', 3, 'change', ''
    from user_profiles u cross join connected_sites s;
update user_sync_delivery set status = 'in_progress', lease_token = '00000000-0000-0000-0000-000000000001',
    lease_started_at = now() - interval '1 minute', lease_until = now() + interval '1 hour', lease_cause = 'retry', lease_actor = 'root',
    lease_run_id = 7, lease_leads = true
where user_id = 'user_1'
"""
CARRIED_OVER = """
select d.user_id, d.status, d.tries, v.sync_status, l.site_id = d.site_id and l.delivery_ids = array[d.id], l.tokens::text[], l.causes,
    l.actors, l.run_ids, l.versions = array[u.version], l.generations, l.epoch = d.attempted_epoch, l.until > now() + interval '50 minutes'
from user_sync_delivery d join user_profiles u using (user_id) join user_sync_status v using (user_id)
left join user_sync_lease l on d.id = any (l.delivery_ids) order by d.user_id
"""


def test_what_is_under_way_while_the_hub_is_updated_stays_leased() -> None:
    with database(granted_to=()) as url:
        done(manage(url, "migrate", "sync", "0010"))
        with psycopg.connect(url, autocommit=True) as console:
            console.execute(UNDER_WAY_BEFORE)
            done(manage(url, "migrate"))
            assert console.execute(CARRIED_OVER).fetchall() == [
                ("user_1", "pending", 2, "in_progress", True, ["00000000-0000-0000-0000-000000000001"], ["retry"], ["root"], [7], True, [2],
                 True, True),
                ("user_2", "pending", 3, "pending", *[None] * 9),
            ]  # fmt: skip
