"""The counts per site are those of the view, at the cost of what is not in sync."""

import pytest
from django.db import connection

from sync import status
from sync.models import OutboxEntry
from sync.status import Counts
from tests.sync.conftest import Connect, catch_up, sql
from tests.sync.population import Population

pytestmark = pytest.mark.django_db(transaction=True)

BY_THE_VIEW = """
select v.site_id, count(*) filter (where v.sync_status = 'success' and v.in_scope), count(*) filter (where v.sync_status = 'pending'),
    count(*) filter (where v.sync_status = 'in_progress'), count(*) filter (where v.sync_status = 'failed'),
    min(v.next_attempt_at) filter (where v.sync_status = 'pending')
from user_sync_status v join connected_sites s on s.id = v.site_id and s.is_active group by v.site_id
"""


def by_the_view() -> dict[int, Counts]:
    with connection.cursor() as cursor:
        cursor.execute(BY_THE_VIEW)
        return {site_id: Counts(*numbers) for site_id, *numbers in cursor.fetchall()}


def same(counted: dict[int, Counts], expected: dict[int, Counts]) -> None:
    def plain(counts: dict[int, Counts]) -> dict[int, tuple[int, ...]]:
        return {site: (c.success, c.pending, c.in_progress, c.failed) for site, c in counts.items()}

    assert plain(counted) == plain(expected)


@pytest.mark.parametrize("seed", range(4))
def test_the_counts_are_those_of_the_view_whatever_is_fanned_out_or_reconciled(connect: Connect, seed: int) -> None:
    population = Population(connect, seed)
    assert OutboxEntry.objects.exists()
    assert all(min(c.success, c.pending, c.in_progress, c.failed) for c in by_the_view().values())
    same(status.counts_by_site(), by_the_view())
    population.reconciled_daily()
    same(status.counts_by_site(), by_the_view())
    population.unreconciled(connect)
    same(status.counts_by_site(), by_the_view())
    catch_up()
    same(status.counts_by_site(), by_the_view())


def test_of_one_site_it_counts_only_that(connect: Connect) -> None:
    Population(connect, 7)
    for site_id, counts in status.counts_by_site().items():
        assert status.counts_by_site(site_id) == {site_id: counts}


def test_who_does_not_belong_to_a_site_is_not_in_sync_there(connect: Connect) -> None:
    connect("managers", roles=["manager"])
    sql("insert into user_profiles (user_id, email, full_name) select 'u' || n, n || '@example.com', 'U' from generate_series(1, 5) n")
    catch_up()
    (overview,) = status.sites_overview()
    assert (overview.counts.total, overview.words) == (0, "No user belongs here yet.")


def test_the_next_try_is_the_first_of_those_that_wait(connect: Connect) -> None:
    connect("hrms")
    sql("insert into user_profiles (user_id, email, full_name) select 'u' || n, n || '@example.com', 'U' from generate_series(1, 3) n")
    catch_up()
    sql("update user_sync_delivery set next_attempt_at = now() + interval '1 hour' where user_id <> 'u2'")
    assert [c.next_attempt_at for c in status.counts_by_site().values()] == [c.next_attempt_at for c in by_the_view().values()]
    sql("update user_sync_site_health set quarantined_at = now(), next_probe_at = now() + interval '1 minute'")
    assert [c.next_attempt_at for c in status.counts_by_site().values()] == [c.next_attempt_at for c in by_the_view().values()]
    sql("update user_sync_site_health set paused_at = now()")
    assert [c.next_attempt_at for c in status.counts_by_site().values()] == [None]
