"""Whom a run over only what is out of date owes: exactly those whom the view does not call in sync, without looking at the others."""

from collections.abc import Callable

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from sites.models import ConnectedSite
from sync import operations, runs, walk
from sync.models import Delivery, OutboxEntry, RunSite, SiteHealth, SyncRun
from sync.walk import Walk
from tests.scripted_site import ScriptedSite
from tests.sync.conftest import Connect, catch_up, drain, sql
from tests.sync.population import Population
from users.models import UserProfile

pytestmark = pytest.mark.django_db(transaction=True)

# Of users who are gone: removals that are known and not under way already.
OUT_OF_DATE = """
select v.user_id from user_sync_status v left join user_sync_delivery d on d.site_id = v.site_id and d.user_id = v.user_id
where v.site_id = %s and v.sync_status <> 'success'
    and (exists (select from user_profiles u where u.user_id = v.user_id)
        or (v.wanted_action = 'delete' and d.status in ('pending', 'failed') and v.sync_status <> 'in_progress'))
order by v.user_id
"""
GENERATIONS = "select user_id, wanted_generation from user_sync_delivery where site_id = %s"


def out_of_date(site: ConnectedSite) -> list[str]:
    with connection.cursor() as cursor:
        cursor.execute(OUT_OF_DATE, [site.pk])
        return [user_id for (user_id,) in cursor.fetchall()]


def walked(site: ConnectedSite, chosen: list[str] | None = None, *, step: int = 7) -> list[str]:
    """Whom the walk owes, in steps; nothing of it stays."""
    around = Walk(chosen, only_outdated=True)
    before = dict(Delivery.objects.filter(site=site).values_list("user_id", "wanted_generation"))
    with transaction.atomic():
        cursor: str | None = ""
        owed = 0
        while cursor is not None:
            number, cursor = around.owe_next(site.pk, cursor, step, run_id=1, cause="cli", actor="")
            owed += number
        after = dict(Delivery.objects.filter(site=site).values_list("user_id", "wanted_generation"))
        transaction.set_rollback(True)
    found = sorted(user_id for user_id, generation in after.items() if generation != before.get(user_id))
    assert len(found) == owed, "nobody is owed twice"
    return found


def ever_attempted(site: ConnectedSite, user_ids: list[str]) -> list[str]:
    """Those to whom there is something to send: not removals of users whom the site was never sent."""
    known = set(Delivery.objects.filter(site=site, attempted_version__isnull=False).values_list("user_id", flat=True))
    known |= {user.user_id for user in UserProfile.objects.filter(is_active=True)}
    return [user_id for user_id in user_ids if user_id in known]


@pytest.fixture(params=["known", "walked"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """By what is known, or user by user as where very much is open."""
    monkeypatch.setattr(walk, "FEW", 5000 if request.param == "known" else 1)
    monkeypatch.setattr(walk, "SIZE", "select 1000000")
    return str(request.param)


@pytest.mark.parametrize("seed", range(3))
def test_it_owes_exactly_what_the_view_does_not_call_in_sync(connect: Connect, seed: int, way: str) -> None:
    population = Population(connect, seed)
    assert OutboxEntry.objects.exists()
    check_all(way)
    population.reconciled_daily()
    check_all(way)
    population.unreconciled(connect)
    check_all(way)
    catch_up()
    check_all(way)


def left_to_the_fan_out(site: ConnectedSite) -> set[str]:
    """Users who are back in scope: what they are owed needs a version above their removal's, which only the fan-out draws."""
    active = {user.user_id: user for user in UserProfile.objects.filter(is_active=True)}
    removals = Delivery.objects.filter(site=site, wanted_action="delete", user_id__in=active)
    return {
        d.user_id
        for d in removals
        if (not site.roles or active[d.user_id].role in site.roles)
        and max(d.wanted_version, d.attempted_version or 0) >= active[d.user_id].version
    }


def check_all(way: str) -> None:
    for site in ConnectedSite.objects.filter(is_active=True):
        to_send = ever_attempted(site, out_of_date(site))
        left = left_to_the_fan_out(site)
        expected = [user_id for user_id in to_send if user_id not in left]
        assert walked(site) == expected, site.name
        health = SiteHealth.objects.get(site=site)
        if way == "known" and health.reconcile_wanted == health.reconcile_done:
            assert Walk(None, only_outdated=True).expected([site.pk]) == {site.pk: (len(expected), True)}
        chosen = to_send[::3] + ["user_0000", "user_0001", "user_404"]
        assert walked(site, chosen) == sorted(set(chosen) & set(expected))
        assert Walk(chosen, only_outdated=True).expected([site.pk]) == {site.pk: (len(set(chosen) & set(to_send)), True)}
    assert len({tuple(out_of_date(site)) for site in ConnectedSite.objects.all()}) > 1


def settle_everything() -> None:
    sql(
        "update user_sync_delivery d set status = 'success', attempted_version = wanted_version, attempted_action = wanted_action,"
        " acked_version = wanted_version, acked_action = wanted_action, acked_epoch = s.epoch, next_attempt_at = null"
        " from connected_sites s where s.id = d.site_id"
    )


def rows_read(work: Callable[[], object]) -> int:
    """Rows of users and deliveries that this reads, by PostgreSQL's own count."""
    with connection.cursor() as cursor:
        cursor.execute("select pg_stat_force_next_flush()")
        count = (
            "select sum(seq_tup_read + coalesce(idx_tup_fetch, 0)) from pg_stat_user_tables"
            " where relname in ('user_profiles', 'user_sync_delivery')"
        )
        cursor.execute(count)
        (before,) = cursor.fetchone()
        work()
        cursor.execute("select pg_stat_force_next_flush()")
        cursor.execute(count)
        return int(cursor.fetchone()[0] - before)


def test_with_nothing_out_of_date_it_reads_nobody_and_sends_nothing(hrms: ScriptedSite) -> None:
    sql(
        "insert into user_profiles (user_id, email, full_name)"
        " select 'user_' || n, 'u' || n || '@example.com', 'U' from generate_series(1, 20000) n"
    )
    catch_up()
    settle_everything()
    sql("analyze")

    def sync_what_is_out_of_date() -> None:
        run, _ = operations.start_here(cause="cli", only_pending=True)
        assert operations.run_here(run).state == "finished"

    assert rows_read(sync_what_is_out_of_date) < 100
    assert hrms.requests == []
    (part,) = RunSite.objects.all()
    assert (part.total, part.fed, part.succeeded) == (0, 0, 0)


def test_a_run_over_everyone_looks_at_the_users_once_and_at_no_pair_before_it_starts(connect: Connect) -> None:
    for number in range(10):
        connect(f"site{number}")
    sql(
        "insert into user_profiles (user_id, email, full_name)"
        " select 'user_' || n, 'u' || n || '@example.com', 'U' from generate_series(1, 2000) n"
    )
    catch_up()
    settle_everything()
    assert rows_read(lambda: operations.sync_all(cause="sync_all")) < 2 * 2000


def test_the_estimate_of_a_run_over_everyone_is_corrected_by_its_walk(hrms: ScriptedSite) -> None:
    UserProfile.objects.bulk_create(UserProfile(user_id=f"u{n}", email=f"u{n}@example.com", full_name="U") for n in range(6))
    drain()
    sql("update user_profiles set is_active = false where user_id in ('u1', 'u2')")
    drain()
    run = operations.sync_all(cause="sync_all").run
    assert run.parts.get().total == 4
    operations.run_here(run)
    part = run.parts.get()
    assert (part.total, part.fed, part.succeeded) == (6, 6, 6), "those who left are told of again"


def test_it_costs_a_fixed_number_of_statements_a_step(connect: Connect) -> None:
    connect("hrms")

    def statements(users: int) -> int:
        UserProfile.objects.bulk_create(
            UserProfile(user_id=f"u{users}_{n:04}", email=f"u{users}_{n}@example.com", full_name="U") for n in range(users)
        )
        catch_up()
        run, _ = runs.start(cause="cli", scope=SyncRun.Scope.PENDING)
        feeder = runs.Feeder(run)
        feeder.take()
        with CaptureQueriesContext(
            connection,
        ) as queries:
            feeder.step()
        runs.cancel(run)
        return len(queries)

    assert statements(2) == statements(400)
