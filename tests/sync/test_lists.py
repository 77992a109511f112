"""What a list says of where users stand is what their own pages say, and costs less."""

import pytest
from django.db import connection

from sites.models import ConnectedSite
from sync import status
from sync.status import SiteStatus, UserStatus
from tests.sync.conftest import Connect, catch_up, sql, user
from tests.sync.population import SETTLED, Population
from users.models import UserProfile

pytestmark = pytest.mark.django_db(transaction=True)

NOWHERE = "http://127.0.0.1:9"


def everybody() -> list[str]:
    with connection.cursor() as cursor:
        cursor.execute("select distinct user_id from user_sync_status")
        return [user_id for (user_id,) in cursor.fetchall()]


def said(state: UserStatus) -> tuple[object, ...]:
    return state.status, status.in_short(state), status.sentence(state)


def same(short: dict[str, UserStatus], full: dict[str, UserStatus]) -> None:
    assert {user_id: said(state) for user_id, state in short.items()} == {user_id: said(state) for user_id, state in full.items()}


@pytest.mark.parametrize("seed", range(3))
def test_a_list_says_the_same_as_the_full_status_whatever_is_fanned_out_or_reconciled(connect: Connect, seed: int) -> None:
    population = Population(connect, seed)
    for n in range(7):
        connect(f"more{n}", roles=["manager"] if n % 3 == 0 else [])
    ids = everybody()
    same(status.of_list(ids), status.of_users(ids))
    catch_up()
    sql("update user_sync_delivery set last_error = 'HTTP 500', status = 'failed' where id % 7 = 0 and status = 'pending'")
    sql("update user_sync_delivery set last_error = 'An account with this email was there' where id % 11 = 0")
    same(status.of_list(ids), status.of_users(ids))
    sql("update user_sync_delivery set last_synced_at = now() - interval '3 hours' where acked_version is not null and id % 3 > 0")
    population.unreconciled(connect)
    full = status.of_users(ids)
    same(status.of_list(ids), full)
    looks = {site.look for state in full.values() for site in state.sites}
    assert looks == {"failed", "pending", "in_progress", "success", "warning", "removed", "none"}, "each of them was there to be compared"


def test_it_reads_few_of_many_sites_and_counts_the_others(connect: Connect) -> None:
    for n in range(30):
        connect(f"site{n:02}", NOWHERE)
    ann, bob = user("ann@example.com"), user("bob@example.com")
    catch_up()
    sql(SETTLED, [ann.user_id, bob.user_id])
    sql("update user_sync_delivery set last_error = ''")
    sql("update user_sync_delivery set status = 'failed', last_error = 'HTTP 422' where user_id = %s and site_id %% 2 = 0", ann.user_id)
    found = status.of_list([ann.user_id, bob.user_id])
    assert len(found[bob.user_id].sites) == 1
    assert status.in_short(found[bob.user_id])[2] == "In sync"
    assert status.sentence(found[bob.user_id]) == "In sync at 30 of 30 sites."
    assert len(found[ann.user_id].sites) == 5
    assert status.in_short(found[ann.user_id])[2] == "Failed at 15 sites"
    told = status.sentence(found[ann.user_id])
    assert told.startswith("In sync at 15 of 30 sites. Failed at SITE")
    assert told.count("Failed at SITE") == 4
    assert told.endswith("More on the user's page.")


def test_the_sites_that_a_page_shows_are_read_in_any_case(connect: Connect) -> None:
    shown = [connect(f"site{n:02}", NOWHERE).pk for n in range(10)][4:8]
    ids = [user(f"u{n}@example.com").user_id for n in range(3)]
    catch_up()
    sql(SETTLED, ids)

    def there(states: dict[str, UserStatus]) -> dict[str, list[SiteStatus]]:
        return {user_id: [site for site in state.sites if site.site_id in shown] for user_id, state in states.items()}

    found = there(status.of_list(ids, shown))
    assert [len(sites) for sites in found.values()] == [4, 4, 4]
    assert found == there(status.of_users(ids))


def test_who_is_asked_for_twice_or_unknown_is_there_once_or_not(connect: Connect) -> None:
    connect("hrms", NOWHERE)
    ann = user("ann@example.com")
    catch_up()
    pk = ConnectedSite.objects.get().pk
    asked = [ann.user_id, "user_nobody", ann.user_id]
    assert [len(state.sites) for state in status.of_list(asked).values()] == [1]
    assert [len(state.sites) for state in status.of_users(asked).values()] == [1]
    assert [len(state.sites) for state in status.of_pairs([(user_id, pk) for user_id in asked]).values()] == [1]
    assert UserProfile.objects.count() == 1
