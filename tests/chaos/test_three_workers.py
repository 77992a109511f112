"""Scale-out: three worker processes on one database."""

import random
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.chaos.storm.database import Console, connect_site, new_secret
from tests.chaos.storm.form import LONG, SEED
from tests.chaos.storm.hub import Hub
from tests.chaos.storm.reckoning import is_quiet, reckon
from tests.chaos.storm.sites import Site, SiteHost, hanging, well
from tests.chaos.storm.weather import slow

Eventually = Callable[..., object]
Tell = Callable[[str], None]
USERS = 1000 if LONG else 150
EDITS = 300 if LONG else 60
SITES = 12
MAX_IN_FLIGHT = 5
PEOPLE = "insert into user_profiles (user_id, email, full_name) select 'user_' || n, n || '@example.com', 'U' from generate_series(1, %s) n"
WHO_LOGS = """
create table logged_by (program text primary key);
create function note_program() returns trigger language plpgsql as $$
begin
    insert into logged_by values (current_setting('chaos.program')) on conflict do nothing;
    return null;
end
$$;
create trigger note_program after insert on user_sync_log for each statement execute function note_program();
"""


@pytest.fixture
def sites(host: SiteHost) -> list[Site]:
    chance = random.Random(f"{SEED} sites")
    return [host.open(Site(f"site{n}", new_secret(), behaviour=slow(chance, 0.04))) for n in range(SITES)]


def test_three_workers_share_the_work_and_send_everything_once(
    own_database: str, tmp_path: Path, sites: list[Site], eventually: Eventually, tell: Tell
) -> None:
    console = Console(own_database)
    console.execute(WHO_LOGS)
    for site in sites:
        connect_site(console, site, timeout=20, max_in_flight=MAX_IN_FLIGHT)
    chance = random.Random(f"{SEED} edits")
    # No one of them can have all requests under way that the sites take: SITES * MAX_IN_FLIGHT.
    with Hub(own_database, tmp_path, workers=3, SYNC_WORKER_IN_FLIGHT=str(SITES * MAX_IN_FLIGHT // 3)) as hub:
        eventually(lambda: hub.ready, 90)
        started = time.monotonic()
        console.execute(PEOPLE, USERS)
        console.execute("select sync_all_users()")
        for n in range(EDITS):
            console.execute("update user_profiles set full_name = %s where user_id = %s", f"U{n}", f"user_{chance.randint(1, USERS)}")
        eventually(lambda: is_quiet(console), 240)
        seconds = time.monotonic() - started
        found = reckon(console, sites)
        took_part = sorted(row[0] for row in console.execute("select program from logged_by"))
        peaks = [site.peak for site in sites]
        tell(
            f"three workers: {found.requests:,} requests in {seconds:.1f} s, {found.twice} sent twice, by {len(took_part)} workers, "
            f"at most {max(peaks)} under way at a site that takes {MAX_IN_FLIGHT}\n{found.verdict}"
        )
        assert (found.verdict, found.twice) == ("lost 0, stale 0, unlogged 0, left 0", 0), found.examples
        assert took_part == ["worker1", "worker2", "worker3"]
        assert max(peaks) <= MAX_IN_FLIGHT, peaks
        assert console.value("select count(*) from user_sync_run where state <> 'finished'") == 0
        assert found.log.total() == found.requests
    console.close()


def test_a_worker_that_is_told_to_stop_gives_back_what_it_holds_and_the_others_send_it(
    own_database: str, tmp_path: Path, sites: list[Site], eventually: Eventually
) -> None:
    console = Console(own_database)
    for site in sites:
        site.behaviour = hanging
        connect_site(console, site, timeout=60, max_in_flight=MAX_IN_FLIGHT)
    under_way = "select coalesce(sum(cardinality(delivery_ids)), 0) from user_sync_lease"
    full = SITES * MAX_IN_FLIGHT
    with Hub(own_database, tmp_path, workers=3) as hub:
        first, *others = hub.workers
        for other in others:
            other.kill()
        eventually(lambda: first.ready, 90)
        console.execute(PEOPLE, MAX_IN_FLIGHT)
        eventually(lambda: sum(site.under_way for site in sites) == full, 60)
        for other in others:
            other.start()
        eventually(lambda: all(other.ready for other in others), 90)
        for site in sites:
            site.behaviour = well
        assert console.value(under_way) == full, "the others took what the first one holds"
        assert first.stop(within=12) < 10
        assert first.process is not None
        assert first.process.returncode == 0
        eventually(lambda: is_quiet(console), 60)
    found = reckon(console, sites)
    assert found.verdict == "lost 0, stale 0, unlogged 0, left 0", found.examples
    stopped = console.value(
        "select count(*) from user_sync_log where outcome = 'lost' and error like '%%was stopped before the answer came%%'"
    )
    assert (stopped, found.log["delivered"], found.requests) == (full, full, 2 * full)
    console.close()
