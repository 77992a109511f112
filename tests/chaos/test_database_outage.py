"""PostgreSQL killed, or away for a while, in the midst of a run: nothing is lost, and nobody has to do anything."""

import http.client
import json
import os
import random
import signal
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.db import connection
from procrastinate.contrib.django.utils import connector_params

from ssodash import embedded
from ssodash.embedded import processes
from tests.chaos.storm.database import Console, api_token, connect_site, new_secret, other
from tests.chaos.storm.form import LONG
from tests.chaos.storm.hub import Hub
from tests.chaos.storm.proxy import Proxy
from tests.chaos.storm.reckoning import is_quiet, reckon
from tests.chaos.storm.sites import Site, SiteHost
from tests.chaos.storm.weather import slow
from tests.ssodash.databases import done, manage

Eventually = Callable[..., object]
Tell = Callable[[str], None]
SURVIVES = {"fsync": "off", "autovacuum": "off"}
"""A commit is in the system's memory when it returns, as it must be: what is killed here is PostgreSQL, not the machine."""
USERS = 1500 if LONG else 200
KILLS = 3 if LONG else 1
AWAY = 60 if LONG else 4
PEOPLE = "insert into user_profiles (user_id, email, full_name) select 'user_' || n, n || '@example.com', 'U' from generate_series(1, %s) n"
FINISHED = "select count(*) from user_sync_run where state = 'finished'"
JOBS = "select count(*) from procrastinate_jobs where status = 'doing'"
HELD = """
select j.id, j.task_name, j.queueing_lock, j.attempts, j.worker_id, now() - w.last_heartbeat,
    array_agg((e.type, now() - e.at) order by e.id)
from procrastinate_jobs j left join procrastinate_workers w on w.id = j.worker_id left join procrastinate_events e on e.job_id = j.id
where j.status in ('doing', 'todo') group by j.id, w.last_heartbeat
"""
"""Jobs that are not over: who holds them, how long ago that worker was last heard of, and what happened to them."""
SENT = "select coalesce(sum(succeeded), 0) from user_sync_run_site"


@pytest.fixture
def sites(host: SiteHost) -> list[Site]:
    chance = random.Random("sites")
    return [host.open(Site(f"site{n}", new_secret(), behaviour=slow(chance, 0.05), batch_size=1 + 9 * (n == 2))) for n in range(3)]


def test_a_killed_postgresql_loses_nothing_and_the_workers_go_on_by_themselves(
    tmp_path: Path, sites: list[Site], eventually: Eventually, tell: Tell
) -> None:
    started = time.monotonic()
    folder = tmp_path / "pg"
    server = embedded.start(folder, settings=SURVIVES)
    try:
        done(manage(server.url, "migrate", "-v0"))
        console = Console(server.url)
        for site in sites:
            connect_site(console, site, timeout=1)
        with Hub(server.url, tmp_path, workers=2) as hub:
            eventually(lambda: hub.ready, 90)
            console.execute(PEOPLE, USERS)
            eventually(lambda: is_quiet(console), 120)
            console.execute("select sync_all_users()")
            for kill in range(1, KILLS + 1):
                so_far = USERS * len(sites) * kill // (KILLS + 1)
                hub.eventually(partial(_has_sent, console, so_far), 120, "The run did not go on")
                console.execute("update user_profiles set full_name = %s where user_id = 'user_7'", f"before kill {kill}")
                before = console.value("select clock_timestamp()")
                server = _kill_and_start_again(server, folder)
                eventually(lambda: _answers(console), 60)
                _let_leases_pass(console, before)
                assert console.value("select full_name from user_profiles where user_id = 'user_7'") == f"before kill {kill}"
                console.execute("update user_profiles set full_name = %s where user_id = 'user_8'", f"after kill {kill}")
            hub.eventually(lambda: console.value(FINISHED) == 1, 150, "The run was not finished")
            hub.eventually(lambda: _settled(console), 120, "Something is left")
            assert all(worker.running for worker in hub.workers)
            found = reckon(console, sites)
            tell(
                f"PostgreSQL killed {KILLS} times in a run over {USERS * len(sites):,} deliveries: {found.log.total():,} attempts, "
                f"{found.log['lost']} lost leases\n{found.verdict}; {time.monotonic() - started:.0f} s"
            )
            assert found.verdict == "lost 0, stale 0, unlogged 0, left 0", found.examples
            assert all(worker.stop() < 10 for worker in hub.workers)
        console.close()
    finally:
        server.stop()


def test_a_database_that_is_away_for_a_while_is_waited_for_by_workers_jobs_and_web(
    own_database: str, tmp_path: Path, host: SiteHost, sites: list[Site], eventually: Eventually, tell: Tell
) -> None:
    started = time.monotonic()
    console = Console(own_database)
    for site in sites:
        connect_site(console, site, timeout=1)
    token = api_token(console)
    proxy = Proxy(host, int(own_database.rpartition(":")[2].split("/")[0])).start()
    with Hub(other(own_database, port=proxy.port), tmp_path, workers=2, web=1) as hub:
        eventually(lambda: hub.ready, 90)
        port = hub.web[0].port
        console.execute(PEOPLE, USERS)
        eventually(lambda: is_quiet(console), 120)
        console.execute("select sync_all_users()")
        eventually(lambda: console.value(SENT) > USERS // 3, 60, pause=0.01)
        before = console.value("select clock_timestamp()")
        proxy.go_away()
        console.execute("insert into user_profiles (user_id, email, full_name) values ('user_while_away', 'away@example.com', 'A')")
        ends = time.monotonic() + AWAY
        answers = set()
        while time.monotonic() < ends:
            answers.add(_patch(port, token, "user_9", "Refused"))
            time.sleep(0.3)
        assert answers == {503}
        assert proxy.refused > 3
        assert console.value(FINISHED) == 0
        requests = [site.requests for site in sites]
        proxy.come_back()
        back = time.monotonic()
        _let_leases_pass(console, before)
        hub.eventually(lambda: any(site.requests > n for site, n in zip(sites, requests, strict=True)), 30, "No worker came back")
        worker_back = time.monotonic() - back
        hub.eventually(lambda: _patch(port, token, "user_9", "Taken") == 200, 30, "The web did not come back")
        assert console.value("select full_name from user_profiles where user_id = 'user_9'") == "Taken"
        hub.eventually(lambda: console.value(FINISHED) == 1, 150, "The run was not finished")
        hub.eventually(lambda: _settled(console), 120, "Something is left")
        try:
            hub.eventually(lambda: console.value(JOBS) == 0, 120, "A job that the outage broke was not rescued")
        except AssertionError as error:
            raise AssertionError(f"{console.execute(HELD)}\n{error}") from None
        found = reckon(console, sites)
        tell(
            f"database away for {AWAY} s in a run over {USERS * len(sites):,} deliveries: sending again {worker_back:.1f} s after it "
            f"was back, {found.log['lost']} lost leases\n{found.verdict}; {time.monotonic() - started:.0f} s"
        )
        assert found.verdict == "lost 0, stale 0, unlogged 0, left 0", found.examples
        assert all("user_while_away" in site.users for site in sites)
        assert all(worker.stop() < 10 for worker in hub.workers)
    console.close()


def test_a_database_whose_machine_vanishes_without_a_farewell_is_given_up_within_a_minute(transactional_db: None) -> None:
    connection.ensure_connection()
    with psycopg.connect(**connector_params()) as of_the_job_queue:
        for opened in (connection.connection, of_the_job_queue):
            kept = opened.info.get_parameters()
            silence = int(kept["keepalives_idle"]) + int(kept["keepalives_interval"]) * int(kept["keepalives_count"])
            assert (silence, kept["tcp_user_timeout"]) == (60, "30000")


def _kill_and_start_again(server: embedded.Server, folder: Path) -> embedded.Server:
    """kill -9 of the postmaster and of every backend at the same moment."""
    for pid in processes.working_in(server.home.data):
        os.kill(pid, signal.SIGKILL)
    assert processes.wait_until_gone(server.home.data, 10)
    server.stop()
    return embedded.start(folder, settings=SURVIVES)


def _has_sent(console: Console, number: int) -> bool:
    return bool(console.value(SENT) >= number)


def _answers(console: Console) -> bool:
    try:
        return bool(console.value("select true"))
    except psycopg.Error:
        return False


def _let_leases_pass(console: Console, before: object) -> None:
    """Whoever held a lease when the database went has forgotten it, and it expires by itself: `make chaos` waits for that."""
    if not LONG:
        console.execute("update user_sync_lease set until = now() where started_at < %s", before)
        console.execute("update user_sync_run set lease_until = now() where lease_until is not null")


def _settled(console: Console) -> bool:
    # Only the wait of minutes after a second failed try is cut short.
    console.execute(
        "update user_sync_delivery set next_attempt_at = now() where status = 'pending' and next_attempt_at > now() + interval '6 s'"
    )
    return is_quiet(console)


def _patch(port: int, token: str, user_id: str, name: str) -> Any:
    """The API's answer to a change: its status."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        connection.request("PATCH", f"/api/users/{user_id}", json.dumps({"fullName": name}), headers)
        return connection.getresponse().status
    finally:
        connection.close()
