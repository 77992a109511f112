"""The worker as a process: what nobody pushed arrives within seconds."""

from collections.abc import Callable
from pathlib import Path

import pytest

from sites.models import ConnectedSite
from sync import operations, status
from tests.processes import worker
from tests.receivers import SampleSiteProcess
from tests.scripted_site import ScriptedSite
from tests.sync.conftest import Connect, sql
from users.models import UserProfile

pytestmark = pytest.mark.django_db(transaction=True)
Eventually = Callable[..., object]


def test_changes_in_a_sql_console_reach_the_sites_within_ten_seconds(connect: Connect, tmp_path: Path, eventually: Eventually) -> None:
    sites = []
    for name in ("hrms", "cms", "sales", "garage"):
        row = connect(name)
        secret = row.credentials.get().secret
        site = SampleSiteProcess(name, tmp_path, secret)
        site.start()
        sites.append(site)
        ConnectedSite.objects.filter(pk=row.pk).update(url=site.url)
    try:
        with worker(tmp_path, SYNC_SWEEP_SECONDS="3"):
            sql(
                "insert into user_profiles (user_id, email, full_name) "
                " select 'user_' || n, 'u' || n || '@example.com', 'U' from generate_series(1, 100) n"
            )
            eventually(lambda: all(len(site.users()) == 100 for site in sites), 90)
            sql("update user_profiles set role = 'manager'")
            eventually(lambda: all({u["role"] for u in site.users()} == {"manager"} for site in sites), 90)
            sql("delete from user_profiles where user_id = 'user_7'")
            eventually(lambda: all(len([u for u in site.users() if not u.get("removed_at")]) == 99 for site in sites), 90)

    finally:
        for site in sites:
            site.stop()


def test_a_user_deleted_and_inserted_with_the_same_email_while_a_site_is_down_ends_as_the_new_one(
    connect: Connect, tmp_path: Path, eventually: Eventually
) -> None:
    row = connect("hrms")
    site = SampleSiteProcess("hrms", tmp_path, row.credentials.get().secret)
    ConnectedSite.objects.update(url=site.url)
    with site:
        UserProfile.objects.create(user_id="user_old", email="ann@example.com", full_name="Old Ann")
        site.stop()
        sql("delete from user_profiles")
        sql("insert into user_profiles (user_id, email, full_name) values ('user_new', 'ann@example.com', 'New Ann')")
        with worker(tmp_path):
            eventually(lambda: "Connection refused" in str(status.of_user("user_new")), 90)
            site.start()
            eventually(
                lambda: [u["id"] for u in site.users() if u["email"] == "ann@example.com" and not u.get("removed_at")] == ["user_new"], 30
            )
            eventually(lambda: status.of_user("user_old") is None, 90)


def test_the_dashboard_knows_whether_a_worker_is_alive(tmp_path: Path, eventually: Eventually, hrms: ScriptedSite) -> None:
    sql("delete from procrastinate_workers")  # of workers that other tests killed
    assert status.worker_alive() is False
    assert "No worker is running: start one with" in operations.sync_all(cause="sync_all").message
    with worker(tmp_path) as process:
        eventually(status.worker_alive, 90)
        process.stop()
    eventually(lambda: not status.worker_alive(), 5)


def test_a_run_started_on_a_page_is_carried_out_by_the_worker(tmp_path: Path, eventually: Eventually, hrms: ScriptedSite) -> None:
    sql("insert into user_profiles (email, full_name) select 'u' || n || '@example.com', 'U' from generate_series(1, 40) n")
    with worker(tmp_path):
        eventually(lambda: len(hrms.requests) == 40, 90)
        run = operations.sync_all(cause="sync_all").run
        eventually(lambda: run.refresh_from_db() is None and run.state == "finished", 90)
    assert len(hrms.requests) == 80
    assert status.progress(run).succeeded == 40
