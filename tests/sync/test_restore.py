"""After a restore the hub is older than its sites; one command has them told everything anew, under versions that they accept."""

from pathlib import Path
from typing import Any

import pytest
from django.db import connection

from sync.models import Delivery, OutboxEntry, SiteHealth
from tests.api import connect, sample_site
from tests.commands import people, run
from tests.sync.conftest import catch_up, drain, sql
from users.models import UserProfile

pytestmark = pytest.mark.django_db(transaction=True)
TABLES = ("user_profiles", "user_sync_delivery", "user_sync_outbox")


class Backup:
    """What a backup holds: the users, what the sites acknowledged, and the sequence of versions."""

    def __init__(self) -> None:
        with connection.cursor() as cursor:
            cursor.execute("select last_value from user_sync_version_seq")
            (self._last,) = cursor.fetchone()
            for table in TABLES:
                cursor.execute(f"create temporary table backup_{table} as table {table}")

    def restore(self) -> None:
        sql("set session_replication_role = replica")
        for table in TABLES:
            sql(f"delete from {table}")
            sql(f"insert into {table} overriding system value select * from backup_{table}")
            sql(f"drop table backup_{table}")
        sql("set session_replication_role = default")
        sql("select setval('user_sync_version_seq', %s)", self._last)


def held(site: Any) -> dict[str, str]:
    return {user["id"]: user["full_name"] for user in site.users()}


def edit(name: str, user_id: str = "user_001") -> None:
    UserProfile.objects.filter(user_id=user_id).update(full_name=name)
    drain()


@pytest.fixture
def site(transactional_db: None, tmp_path: Path) -> Any:
    """A site that ignores what is not newer, restored to before three edits that it has seen."""
    with sample_site("hrms", tmp_path) as site:
        connect(site)
        people(3)
        drain()
        backup = Backup()
        for name in ("One", "Two", "Three"):
            edit(name)
        backup.restore()
        yield site


def test_without_it_sites_ignore_what_the_restored_hub_sends(site: Any) -> None:
    edit("After the restore")
    assert held(site)["user_001"] == "Three"
    assert Delivery.objects.get(user_id="user_001").status == "success", "which is not true: hence the command"


def test_after_it_every_site_holds_what_the_directory_holds(site: Any) -> None:
    ran = run("after_restore", "--json")
    assert (ran.document["users"], ran.document["sites"]) == (3, 1)
    drain()
    assert held(site) == {"user_000": "U", "user_001": "U", "user_002": "U"}
    edit("After the restore")
    assert held(site)["user_001"] == "After the restore"
    assert not Delivery.objects.exclude(status="success").exists()


def test_removals_are_owed_again_also_of_users_who_are_gone(site: Any) -> None:
    sql("update user_profiles set is_active = false where user_id = 'user_002'")
    drain()
    site.stop()
    sql("delete from user_profiles where user_id = 'user_000'")
    catch_up()
    site.start()
    assert run("after_restore", "--json").document["removals"] == 2
    drain()
    assert set(held(site)) == {"user_001"}


def test_it_can_be_repeated_and_never_lowers_a_version(site: Any) -> None:
    first = run("after_restore", "--json").document["floor"]
    second = run("after_restore", "--json", "--floor", "5").document["floor"]
    assert second >= first > 1_700_000_000_000
    drain()
    assert held(site)["user_001"] == "U"
    assert not OutboxEntry.objects.exists()
    assert not SiteHealth.objects.filter(reconcile_done__lt=1).exists()


def test_it_says_what_it_did_and_what_comes_next(site: Any) -> None:
    ran = run("after_restore", "--floor", "9000000000000")
    assert ran.out.splitlines() == [
        "Versions go on above 9000000000000. 3 users and 0 removals are owed to 1 site.",
        "Start web and workers: the workers send all of it.",
    ]
