"""The queries that run all the time stay on their indexes when there are many deliveries."""

import json
from typing import Any

import pytest
from django.db import connection

from sync.deliver.claim import CLAIM, LEASE_GRACE
from sync.deliver.leases import EXPIRED
from sync.deliver.targets import LOAD
from sync.status.pairs import ROWS
from tests.sync.conftest import Connect, sql

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _many(connect: Connect) -> None:
    for number in range(4):
        connect(f"site{number}")
    sql("alter table user_profiles disable trigger user")
    sql(
        "insert into user_profiles (user_id, email, full_name)"
        " select 'user_' || n, 'u' || n || '@example.com', 'U' from generate_series(1, 60000) n"
    )
    sql("alter table user_profiles enable trigger user")
    sql(
        "insert into user_sync_delivery (user_id, site_id, wanted_action, wanted_version, status, attempted_version, next_attempt_at)"
        " select u.user_id, s.id, 'upsert', 1, 'success', 1, null from user_profiles u cross join connected_sites s where u.id % 2 = 0"
    )
    sql("update user_sync_delivery set status = 'pending', next_attempt_at = now() where id in (select id from user_sync_delivery limit 2)")
    sql("analyze user_profiles, user_sync_delivery, connected_sites, user_sync_site_health")


def nodes(plan: dict[str, Any]) -> list[dict[str, Any]]:
    return [plan, *(node for child in plan.get("Plans", []) for node in nodes(child))]


def explain(query: str, parameters: Any) -> list[dict[str, Any]]:
    with connection.cursor() as cursor:
        cursor.execute("explain (format json) " + query, parameters)
        answer = cursor.fetchone()[0]
    return nodes((json.loads(answer) if isinstance(answer, str) else answer)[0]["Plan"])


def read_whole(plan: list[dict[str, Any]]) -> set[str]:
    """The tables that the plan reads from end to end."""
    return {node["Relation Name"] for node in plan if node["Node Type"] == "Seq Scan"} - {
        "connected_sites",
        "user_sync_site_health",
        "site_credentials",
    }


def indexes(plan: list[dict[str, Any]]) -> set[str]:
    return {node["Index Name"] for node in plan if "Index Name" in node}


def test_what_is_due_is_found_by_its_partial_index() -> None:
    with connection.cursor() as cursor:
        cursor.execute("select array_agg(id), array_agg(epoch), array_agg(8), array_agg(false) from connected_sites")
        sites, epochs, limits, probes = cursor.fetchone()
    plan = explain(
        CLAIM,
        {"sites": sites, "epochs": epochs, "limits": limits, "probes": probes, "user_ids": None, "run_id": None, "grace": LEASE_GRACE},
    )
    assert "user_sync_delivery_due" in indexes(plan)
    assert read_whole(plan) == set()


def test_looking_which_sites_are_owed_something_reads_no_table() -> None:
    plan = explain(LOAD, None)
    assert {"user_sync_delivery_due", "user_sync_delivery_leased"} <= indexes(plan)
    assert read_whole(plan) == set()


def test_expired_leases_are_found_by_their_partial_index() -> None:
    assert read_whole(explain(EXPIRED, {"tokens": [], "limit": 1000})) == set()


def test_the_status_of_a_page_of_users_reads_only_theirs() -> None:
    plan = explain(ROWS, [[f"user_{n}" for n in range(50)]])
    assert read_whole(plan) == set()
