"""What a worker asks all the time is planned once, and costs the same later on; a web process behind a pooler prepares nothing."""

from typing import Any

import pytest
from django.db import DatabaseError, connection

from sync.deliver.claim import Taken, claim, claim_uncontended
from sync.deliver.settle import Attempt, settle
from sync.deliver.targets import open_slots
from sync.models import Delivery
from sync.outcomes import Outcome, Verdict
from tests.sync.conftest import Connect, catch_up, put_under_way, sql, user
from tests.sync.plans import explain, indexes

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _own_session(settings: Any) -> None:
    settings.SYNC_ON_SAVE = "queue"
    connection.close()  # one that has prepared nothing yet


def users(first: int, last: int) -> None:
    sql(
        "insert into user_profiles (user_id, email, full_name)"
        " select 'user_' || n, 'u' || n || '@example.com', 'U' from generate_series(%s::int, %s::int) n",
        first,
        last,
    )
    catch_up()


def delivered(taken: Taken) -> list[Attempt]:
    return [Attempt(item, Verdict(Outcome.DELIVERED), item.message.message_id, 200, 0.01, b"{}") for item in taken.claims]


def work(*, keep_plan: bool) -> int:
    """One claim and its settle; returns how many were delivered."""
    taken = claim_uncontended(open_slots(), keep_plan=keep_plan)
    return list(settle(delivered(taken), keep_plan=keep_plan).values()).count("success")


def prepared() -> dict[str, dict[str, Any]]:
    """What this session has prepared of what the sender asks, by `claim` and `settle`: name, parameters, how often it was planned anew."""
    with connection.cursor() as cursor:
        cursor.execute("select name, statement, cardinality(parameter_types), generic_plans, custom_plans from pg_prepared_statements")
        rows = cursor.fetchall()
    kinds = {"with slot as": "claim", "with in_its_own_time": "settle"}
    return {
        kind: {"name": name, "parameters": count, "as kept": generic, "anew": custom}
        for name, statement, count, generic, custom in rows
        for begins, kind in kinds.items()
        if begins in statement
    }


def plan_of(kept: dict[str, Any]) -> list[dict[str, Any]]:
    """The nodes of the plan that the session keeps."""
    values = f"({', '.join(['null'] * kept['parameters'])})" if kept["parameters"] else ""
    sql("set plan_cache_mode = force_generic_plan")
    try:
        return explain(f'execute "{kept["name"]}"{values}')
    finally:
        sql("reset plan_cache_mode")


def test_a_worker_plans_its_claims_and_settles_once(connect: Connect) -> None:
    connect(max_in_flight=8)
    users(1, 24)
    assert [work(keep_plan=True) for _ in range(3)] == [8, 8, 8]
    assert {kind: (kept["as kept"], kept["anew"]) for kind, kept in prepared().items()} == {"claim": (3, 0), "settle": (3, 0)}


def test_what_was_planned_while_there_was_one_user_looks_up_each_row_when_there_are_many(connect: Connect) -> None:
    connect(max_in_flight=8)
    user()
    catch_up()
    sql("analyze user_profiles, user_sync_delivery")
    assert work(keep_plan=True) == 1
    users(1, 3000)
    assert work(keep_plan=True) == 8
    for plan in prepared().values():
        assert (plan["as kept"], plan["anew"]) == (2, 0)
        large = [node for node in plan_of(plan) if node.get("Relation Name") in {"user_profiles", "user_sync_delivery", "user_sync_lease"}]
        # A change of a table stands above the scan that finds its rows.
        assert {node["Node Type"] for node in large} - {"ModifyTable"} == {"Index Scan"}
    assert {"user_sync_delivery_due", "user_sync_lease_site"} <= indexes(plan_of(prepared()["claim"]))


def test_a_process_that_may_be_behind_a_pooler_prepares_nothing(connect: Connect) -> None:
    connect(max_in_flight=8)
    users(1, 24)
    assert [work(keep_plan=False) for _ in range(2)] == [8, 8]
    assert len(claim(open_slots())) == 8
    assert prepared() == {}


def test_a_session_that_lost_what_was_prepared_says_so_and_the_next_one_goes_on(connect: Connect) -> None:
    connect(max_in_flight=8)
    users(1, 16)
    assert work(keep_plan=True) == 8
    sql("do $$ begin execute 'deallocate all'; end $$")  # where nobody notices, as another session would be
    with pytest.raises(DatabaseError, match="does not exist"):
        work(keep_plan=True)
    connection.close()
    assert work(keep_plan=True) == 8
    assert set(Delivery.objects.values_list("status", flat=True)) == {"success"}


def test_leases_that_ended_do_not_lie_in_the_way_of_counting_those_under_way(connect: Connect) -> None:
    connect(max_in_flight=8)
    users(1, 400)
    pages = []
    for _ in range(40):
        put_under_way()
        open_slots(keep_plan=True)
        sql("delete from user_sync_lease")
        open_slots(keep_plan=True)
        with connection.cursor() as cursor:
            cursor.execute("select pg_relation_size('user_sync_lease_site') / 8192")
            pages += cursor.fetchone()
    # Whoever counts reads that index: what ended there makes room for what comes, unless autovacuum looks at a table just then, as may
    # happen a time or two. Kept, 16,000 entries would be some seventy pages.
    assert pages[-1] <= 2 * pages[4] <= 30, pages
