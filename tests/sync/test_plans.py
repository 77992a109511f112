"""The queries that run all the time stay on their indexes when there is much: what they cost does not grow with what is in sync."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.db.models import F, Q, QuerySet
from django.test import RequestFactory
from django.utils import timezone

from ssodash.admin_site import HubAdminSite
from sync import reconcile, retention, runs, walk
from sync.admin.log import UserSyncLogAdmin
from sync.admin.shared import COUNTED
from sync.deliver.claim import CLAIM, claim
from sync.deliver.lost import EXPIRED
from sync.deliver.targets import LOAD, open_slots
from sync.fanout import OWE, TAKE
from sync.models import Delivery, RunSite, SiteHealth, SyncRun, UserSyncLog
from sync.status import standing
from sync.status.directory import GONE
from sync.status.matching import Filters, by_status
from sync.status.overview import sites_overview
from sync.status.queries import IN_A_LIST, OF_PAIRS, OF_USERS
from tests.sync.conftest import sql
from tests.sync.plans import explain, indexes, looked_at, pages
from users.models import UserProfile

pytestmark = pytest.mark.django_db

SITES, USERS, ATTEMPTS = 8, 30_000, 150_000
SMALL = {"connected_sites", "user_sync_site_health", "site_credentials", "user_sync_lease"}
"""Tables that may be read whole: they hold a row a site, or one a request under way."""
MADE = f"""
set session_replication_role = replica;
insert into connected_sites (name, display_name, url, category, icon)
    select 'site' || n, 'Site ' || n, 'http://127.0.0.1:9', '', 'apps' from generate_series(1, {SITES}) n;
insert into user_sync_site_health (site_id, reconcile_done) select id, 1 from connected_sites;
insert into user_profiles (user_id, email, full_name, version)
    select 'user_' || lpad(n::text, 6, '0'), 'u' || n || '@example.com', 'U', n from generate_series(1, {USERS}) n;
insert into user_sync_delivery (user_id, site_id, wanted_action, wanted_version, status, attempted_version, acked_version, acked_action,
        acked_epoch, next_attempt_at)
    select u.user_id, s.id, 'upsert', u.version, 'success', u.version, u.version, 'upsert', 1, null
    from user_profiles u cross join connected_sites s;
insert into user_sync_log (attempt_id, user_id, email, site_id, site_name, type, version, status, outcome, message_id, cause, started_at,
        completed_at)
    select gen_random_uuid(), 'user_' || lpad((n % {USERS})::text, 6, '0'), 'x@example.com',
        (select min(id) from connected_sites) + case when n % 5000 = 7 then 0 else 1 + n % ({SITES} - 1) end, 'site',
        'upsert', n, case when n % 5000 = 0 then 'failed' else 'success' end, 'delivered', 'msg_' || n, 'save', at, at
    from generate_series(1, {ATTEMPTS}) n cross join lateral (select now() - make_interval(mins => {ATTEMPTS} - n) as at) t;
update user_sync_delivery set status = 'pending', next_attempt_at = now() where id in (select id from user_sync_delivery limit 3);
set session_replication_role = default;
"""
UNDER_WAY = """
insert into user_sync_lease (id, site_id, epoch, until, delivery_ids, tokens, versions, generations, causes, actors, run_ids)
    select d.id, d.site_id, 1, now() + interval '1 hour', array[d.id], array[gen_random_uuid()], array[d.wanted_version], array[0],
        array['change'], array[''], array[null::bigint]
    from user_sync_delivery d where d.user_id <= 'user_000060';
update user_sync_delivery set status = 'pending', next_attempt_at = now() where id in (select id from user_sync_lease);
analyze user_sync_lease
"""
TABLES = "user_profiles, user_sync_delivery, user_sync_lease, user_sync_log, user_sync_outbox, connected_sites, user_sync_site_health"
EMPTIED = f"set session_replication_role = replica; truncate {TABLES} cascade; set session_replication_role = default"


@pytest.fixture(scope="module", autouse=True)
def _many(django_db_setup: None, django_db_blocker: Any) -> Iterator[None]:
    """Made once for this module and seen by all its tests, which are rolled back."""
    with django_db_blocker.unblock():
        sql(EMPTIED)  # of the dead rows of other tests, too: a small table that is read whole is read with them
        sql(MADE)
        sql(f"vacuum analyze {TABLES}")
        yield
        sql(EMPTIED)


def of(queryset: QuerySet[Any]) -> list[dict[str, Any]]:
    query, parameters = queryset.query.sql_with_params()
    return explain(query, parameters)


def read_whole(plan: list[dict[str, Any]]) -> set[str]:
    """The large tables that the plan reads from end to end."""
    return {node["Relation Name"] for node in plan if node["Node Type"] == "Seq Scan"} - SMALL


def size(table: str) -> int:
    with connection.cursor() as cursor:
        cursor.execute("select pg_relation_size(%s::regclass) / 8192", [table])
        return int(cursor.fetchone()[0])


def rarest_site() -> int:
    """The key of the site that the log has the fewest attempts of."""
    return int(SiteHealth.objects.order_by("pk").values_list("pk", flat=True)[0])


def executed(work: Callable[[], Any], query: str) -> tuple[str, Any]:
    """This query as the work runs it, with its parameters."""
    seen: list[tuple[str, Any]] = []

    def note(execute: Any, sql: str, parameters: Any, many: bool, context: Any) -> Any:
        seen.append((sql, parameters))
        return execute(sql, parameters, many, context)

    with connection.execute_wrapper(note):
        work()
    return next((sql, parameters) for sql, parameters in seen if sql == query)


class TestDue:
    def test_what_is_due_is_found_by_its_partial_index(self) -> None:
        plan = explain(*executed(lambda: claim(open_slots()), CLAIM))
        assert "user_sync_delivery_due" in indexes(plan)
        assert read_whole(plan) == set()

    def test_looking_which_sites_are_owed_something_reads_no_table(self) -> None:
        plan = explain(*executed(open_slots, LOAD))
        assert "user_sync_delivery_due" in indexes(plan)
        assert read_whole(plan) == set()

    def test_where_much_is_under_way_each_site_s_requests_are_counted_by_their_index(self) -> None:
        slots = open_slots()
        sql(UNDER_WAY)
        query, parameters = executed(lambda: claim(slots), CLAIM)
        for plan in (explain(*executed(open_slots, LOAD)), explain(query, parameters)):
            assert {"user_sync_delivery_due", "user_sync_lease_site"} <= indexes(plan)
            assert read_whole(plan) == set()

    def test_of_expired_leases_none_but_the_leases_are_read(self) -> None:
        assert read_whole(explain(EXPIRED, {"leases": None, "limit": 20})) == set()


def test_no_index_that_a_settle_adds_to_looks_for_entries_alike() -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "select relname from pg_class where relkind = 'i' and relname like 'user_sync_delivery%'"
            " and not coalesce(reloptions @> '{deduplicate_items=off}', false)"
        )
        left = {name for (name,) in cursor.fetchall()}
    assert left == {"user_sync_delivery_failed", "user_sync_delivery_run"}, "of these there are few entries"


class TestFanOut:
    def test_changes_are_taken_and_written_down_by_index(self) -> None:
        plan = explain(
            OWE,
            {
                "user_ids": [f"user_{n:06}" for n in range(0, 20_000, 1000)],
                "removal_versions": [None] * 20,
                "site_ids": None,
                "cause": "change",
                "actor": "",
                "retry_failed": False,
            },
        )
        assert read_whole(plan) == set()
        sql(
            "insert into user_sync_outbox (user_key, user_id, email, operation, version)"
            " select id, user_id, email, 'upsert', 1 from user_profiles limit 2000"
        )
        sql("analyze user_sync_outbox")
        assert "user_sync_outbox_pkey" in indexes(explain(TAKE, {"user_ids": None, "limit": 50}))
        assert "user_sync_outbox_user" in indexes(explain(TAKE, {"user_ids": ["user_000001"], "limit": 50}))

    def test_the_next_users_of_a_reconcile_are_found_by_index(self) -> None:
        site = rarest_site()
        assert read_whole(explain(reconcile.NEXT_USERS, {"cursor": "user_010000", "site": site, "limit": 1000})) == set()

    def test_a_run_over_what_is_out_of_date_looks_only_at_what_is_open(self) -> None:
        site = rarest_site()
        parameters = {"site": site, "cursor": "", "limit": 500, "run": 1, "user_ids": None, "cause": "cli", "actor": "", "few": walk.FEW}
        plans = [
            explain(query, parameters, run=True)
            for query in (walk.FEED.format(people=walk.KNOWN), walk.FEED_GONE, walk.STATE, walk.COUNT.format(people=walk.KNOWN))
        ]
        assert [read_whole(plan) - {"user_sync_outbox"} for plan in plans] == [set()] * len(plans)
        assert sum(map(pages, plans)) < 200

    def test_a_run_over_everyone_reads_the_next_users_by_index(self) -> None:
        site = rarest_site()
        parameters = {"site": site, "cursor": "user_010000", "limit": 500, "run": 1, "user_ids": None, "cause": "cli", "actor": ""}
        assert read_whole(explain(walk.FEED.format(people=walk.EVERYONE), parameters)) == set()

    def test_a_run_finds_what_it_gives_up_without_comparing_each_with_each_whatever_the_statistics_say(self) -> None:
        run = SyncRun.objects.create(cause="sync_all", state=SyncRun.State.RUNNING)
        RunSite.objects.bulk_create(RunSite(run=run, site_id=health.pk) for health in SiteHealth.objects.all())
        owed = Delivery.objects.filter(user_id__lte="user_000500").update(status="pending", next_attempt_at=timezone.now(), run_id=run.pk)
        plan = explain(runs.GIVE_UP, {"run": run.pk, "wait": runs.LONG_WAIT}, run=True)
        # Once to find it, and once more where the update is by the run's index. Each with each is more with every site.
        assert looked_at(plan) < 3 * owed


class TestStatusPage:
    @pytest.mark.parametrize("query", [OF_USERS, IN_A_LIST, OF_PAIRS])
    def test_the_status_of_a_page_of_users_reads_only_theirs(self, query: str) -> None:
        ids = [f"user_{n:06}" for n in range(1, 51)]
        more = {OF_USERS: [], IN_A_LIST: [4, []], OF_PAIRS: [[rarest_site()] * 50]}[query]
        plan = explain(query, [ids, *more], run=True)
        assert read_whole(plan) == set()
        people = [node for node in plan if node.get("Relation Name") == "user_profiles"]
        read = sum(node["Actual Rows"] * node["Actual Loops"] for node in people)
        assert 50 <= read <= 100, "those asked for, and whether they are gone; never the whole directory by its index"

    def test_the_counts_of_all_sites_read_the_users_once_and_not_what_is_in_sync(self) -> None:
        connection.cursor().execute("select * from user_sync_counts()")  # its plans are made
        read = pages(explain("select * from user_sync_counts()", run=True))
        assert read < size("user_profiles") + 300 < size("user_sync_delivery") / 3

    @pytest.mark.parametrize(
        ("status", "index"),
        [("failed", "user_sync_delivery_failed"), ("pending", "user_sync_delivery_due"), ("in_progress", "user_sync_delivery_pkey")],
    )
    def test_a_list_by_status_begins_at_what_is_open_by_its_partial_index(self, status: str, index: str) -> None:
        plan = of(by_status(Filters(status=status, sites=tuple(sites_overview()))).order_by("-pk")[:51])
        assert index in indexes(plan)
        assert read_whole(plan) <= {"user_sync_outbox"}, "not even the users"

    def test_a_list_of_who_is_in_sync_leaves_out_what_is_open(self) -> None:
        users = by_status(Filters(status="success", sites=tuple(sites_overview()))).order_by("-pk")[:51]
        query, parameters = users.query.sql_with_params()
        plan = explain(query, parameters, run=True)
        assert {"user_sync_delivery_failed", "user_sync_delivery_due", "user_profiles_pkey"} <= indexes(plan)
        assert pages(plan) < 100

    def test_a_role_and_a_site_narrow_it_without_reading_more(self) -> None:
        (some,) = [overview for overview in sites_overview() if overview.site.pk == rarest_site()]
        users = by_status(Filters(status="pending", role="user", search="example", sites=(some,))).order_by("-pk")[:51]
        assert read_whole(of(users)) <= {"user_sync_outbox"}

    def test_users_who_are_gone_are_looked_for_among_what_is_open(self) -> None:
        assert read_whole(explain(GONE, [20])) == set()


class TestUserList:
    @pytest.mark.parametrize("state", standing.STATES)
    def test_a_list_by_status_starts_from_what_is_not_in_sync(self, state: str) -> None:
        found = standing.users_who_are(UserProfile.objects.order_by("-pk"), state)
        assert not found.is_cut
        for users in (found.users[:50], found.users.order_by()[:COUNTED]):
            assert read_whole(of(users)) <= {"user_profiles", "user_sync_outbox"}, "what is not fanned out yet is read whole"


class TestLogPage:
    @pytest.mark.parametrize(
        ("question", "index"),
        [
            ("", "user_sync_log_pkey"),
            ("q=user_000042", "user_sync_log_user"),
            ("q=msg_4242", "user_sync_log_message"),
            ("site_id={site}", "user_sync_log_site"),
            ("status__exact=failed", "user_sync_log_trouble"),
            ("status__exact=lost", "user_sync_log_trouble"),
            ("period=hour", "user_sync_log_completed"),
            ("period=yesterday", "user_sync_log_completed"),
            ("from=2001-01-01&to=2001-01-02&cause=api", "user_sync_log_completed"),
            ("cause=api", "user_sync_log_completed"),
            ("type=delete", "user_sync_log_completed"),
            ("q=nobody@example.com", "user_sync_log_completed"),
            ("site_id={site}&status__exact=failed", "user_sync_log_trouble"),
        ],
    )
    def test_its_filters_use_indexes(self, question: str, index: str) -> None:
        request = RequestFactory().get("/?" + question.format(site=rarest_site()))
        request.user = User(is_superuser=True, is_staff=True, is_active=True)
        page = UserSyncLogAdmin(UserSyncLog, HubAdminSite()).get_changelist_instance(request)
        rows, count = of(page.queryset[:50]), of(page.paginator.object_list.order_by()[:COUNTED])
        assert index in indexes(rows)
        assert read_whole(rows) == set()
        assert "user_sync_log" not in read_whole(count) or question in {"", "site_id={site}"}, "counted to 10,000, wherever they lie"


class TestIdle:
    def test_a_sweep_with_nothing_to_do_looks_at_a_few_pages(self) -> None:
        sql("update user_sync_delivery set status = 'success', next_attempt_at = null where status = 'pending'")
        marked = SiteHealth.objects.filter(~Q(reconcile_wanted=F("reconcile_done")))
        query, parameters = marked.query.sql_with_params()
        plans = {
            "expired leases": explain(EXPIRED, {"leases": None, "limit": 20}, run=True),
            "outbox": explain(TAKE, {"user_ids": None, "limit": 1000}, run=True),
            "reconcile": explain(query, parameters, run=True),
            "due": explain(LOAD, {"owed": []}, run=True),
        }
        assert {what: pages(plan) for what, plan in plans.items() if pages(plan) > 60} == {}

    def test_pruning_looks_only_at_what_is_too_old(self) -> None:
        plan = explain(retention.PRUNE, ["2001-01-01", 5000])
        assert read_whole(plan) == set()
