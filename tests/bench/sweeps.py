"""Item 5: what nothing to do costs, and what a full Sync All of a million pairs does."""

import time
from collections import Counter

from tests.bench import seed, servers
from tests.bench.database import Database
from tests.bench.table import Row, at_most, say
from tests.bench.worker import until, worker

USERS, SITES = 10_000, 100
WATCHED = 60.0
"""Seconds of an idle worker that are looked at: what is done once a minute is in it once."""
EXPECTED_RATE = 2_000
"""Deliveries a second below which the full Sync All is given up."""


def _nothing_due(db: Database) -> list[Row]:
    from django.conf import settings

    with servers.sink(SITES) as urls:
        seed.empty(db)
        seed.users(db, USERS)
        seed.sites(db, urls, batch_size=500)
        seed.in_sync(db)
        with worker():
            time.sleep(1)  # what a worker does once, when it starts, is over
            with db.statements() as statements:
                time.sleep(WATCHED)  # this long it does nothing but look
    sent = db.value("select count(*) from user_sync_log")
    each = sum(took for took, _ in statements) / (WATCHED / settings.SYNC_SWEEP_SECONDS)
    for query, took in _dearest(statements):
        say(f"  {took / (WATCHED / settings.SYNC_SWEEP_SECONDS):6.2f} ms a sweep: {query}")
    return [
        at_most(f"5 database time of a sweep, nothing due, {USERS * SITES:,} pairs", each, 10, "ms"),
        at_most("5 requests it sent", sent, 0),
    ]


def _dearest(statements: list[tuple[float, str]]) -> list[tuple[str, float]]:
    totals: Counter[str] = Counter()
    for took, query in statements:
        totals[query.partition(": ")[2][:90]] += took  # type: ignore[assignment]
    return [(query, float(took)) for query, took in totals.most_common(6)]


def _sync_all(db: Database) -> list[Row]:
    """Goes on with the million pairs of `_nothing_due`."""
    pairs = USERS * SITES
    with servers.sink(SITES) as urls:
        for number, url in enumerate(urls, 1):
            db.sql("update connected_sites set url = %s where name = %s", url, f"site-{number}")
        seed.reconciled(db)
        with worker() as process, process.memory_samples(0.5) as memory:
            time.sleep(2)  # it has loaded all that it ever loads
            memory.clear()
            started = time.monotonic()
            run_id = db.value("select sync_all_users()")
            until(
                lambda: db.value("select state = 'finished' from user_sync_run where public_id = %s", run_id),
                pairs / EXPECTED_RATE,
                every=0.5,
            )
            took = time.monotonic() - started
    delivered, in_sync = db.value("select count(*) from user_sync_log where outcome = 'delivered'"), _in_sync(db)
    if delivered < pairs or in_sync < pairs:
        raise RuntimeError(f"{delivered:,} of {pairs:,} were delivered, {in_sync:,} are in sync")
    half = len(memory) // 2
    early, late = max(memory[: max(1, half)]), max(memory[half:])
    say(f"  Sync All of {pairs:,} pairs in batches of 500: {took:.0f} s, the worker holds {early:.0f} MB, then {late:.0f} MB")
    return [
        Row(f"5 Sync All, {pairs:,} pairs, batches of 500", f"{pairs / took:,.0f}/s ({took:.0f} s)"),
        at_most("5 the worker's memory, second half ÷ first", late / early, 1.1, note=f" ({late:.0f} MB at most)"),
    ]


def _in_sync(db: Database) -> int:
    return int(db.value("select count(*) from user_sync_delivery where status = 'success'"))


def _nothing_outdated(db: Database) -> list[Row]:
    took: dict[int, float] = {}
    for users in (1_000, 100_000):
        seed.empty(db)
        seed.users(db, users)
        seed.sites(db, [f"http://127.0.0.1:9/{number}" for number in range(10)])
        seed.in_sync(db)
        took[users] = min(_run_over_nothing() for _ in range(7))
    requests = db.value("select (select count(*) from user_sync_log) + (select count(*) from user_sync_delivery where status <> 'success')")
    shown = ", ".join(f"{users:,} users {seconds * 1000:.1f} ms" for users, seconds in took.items())
    say(f"  Sync All of only what is out of date, with nothing out of date: {shown}")
    note = f" ({took[1_000] * 1000:.0f} ms, {took[100_000] * 1000:.0f} ms)"
    return [
        at_most("5 Sync All of what is out of date, nothing is: 100,000 × 10 ÷ 1,000 × 10", took[100_000] / took[1_000], 3.0, note=note),
        at_most("5 deliveries it owed or sent", requests, 0),
    ]


def _run_over_nothing() -> float:
    """Seconds that such a run takes from its start to its end."""
    from sync import runs
    from sync.models import SyncRun

    started = time.perf_counter()
    run, _ = runs.start(cause="bench", scope=SyncRun.Scope.PENDING)
    feeder = runs.Feeder(run)
    while not feeder.step():
        continue
    took = time.perf_counter() - started
    run.refresh_from_db()
    if run.state != SyncRun.State.FINISHED:
        raise RuntimeError(f"the run is {run.state}")
    return took


PARTS = (_nothing_due, _sync_all, _nothing_outdated)
