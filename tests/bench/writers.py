"""Item 3: what our triggers cost whoever changes users, and that nobody waits for the fan-out."""

import statistics
import threading
import time

import psycopg

from tests.bench import seed
from tests.bench.database import Database
from tests.bench.table import Row, at_most, say
from tests.bench.worker import until

USERS, SITES, ROUNDS = 10_000, 100, 7


def run(db: Database) -> list[Row]:
    """The rows of item 3."""
    seed.empty(db)
    seed.users(db, USERS)
    seed.sites(db, [f"http://127.0.0.1:9/{number}" for number in range(SITES)])
    ours, plain = [], []
    for number in range(ROUNDS):
        ours.append(_update(db, f"with {number} "))
        db.sql("alter table user_profiles disable trigger user")
        plain.append(_update(db, f"without {number} "))
        db.sql("alter table user_profiles enable trigger user")
        say(f"  one UPDATE over {USERS:,} users: {ours[-1] * 1000:.0f} ms; with our triggers disabled {plain[-1] * 1000:.0f} ms")
    cost, bare = statistics.median(ours), statistics.median(plain)
    meanwhile, waited = _during_fan_out(db)
    say(f"  the same while a fan-out was under way: {meanwhile * 1000:.0f} ms")
    return [
        Row("3 one UPDATE over 10,000 users, our triggers disabled", f"{bare * 1000:.0f} ms"),
        at_most("3 with our triggers and 100 sites ÷ that", cost / bare, 3.0, note=f" ({cost * 1000:.0f} ms)"),
        Row("3 the same while a fan-out is under way", f"{meanwhile * 1000:.0f} ms"),
        at_most("3 moments in which the writer waited for a lock", waited, 0),
    ]


def _update(db: Database, name: str) -> float:
    """Seconds that one statement over all users takes, with its commit."""
    db.sql("truncate user_sync_outbox")
    db.sql("vacuum (analyze) user_profiles")
    started = time.perf_counter()
    db.sql("update user_profiles set full_name = %s || id", name)
    return time.perf_counter() - started


def _during_fan_out(db: Database) -> tuple[float, int]:
    """Seconds that the UPDATE takes while another process's fan-out has its transaction open, and how often it was seen to wait."""
    from django.db import connection, transaction

    from sync.fanout import fan_out

    _update(db, "to be fanned out ")
    fanned_out, over, waits = threading.Event(), threading.Event(), [0]

    def fan_out_and_hold() -> None:
        with transaction.atomic():
            fan_out()
            fanned_out.set()
            over.wait(60)
        connection.close()

    def watch(writer: int) -> None:
        with psycopg.connect(db.connection.info.dsn, password=db.connection.info.password, autocommit=True) as own:
            while not over.wait(0.002):
                waits[0] += bool(own.execute("select cardinality(pg_blocking_pids(%s))", [writer]).fetchall()[0][0])

    threads = [threading.Thread(target=fan_out_and_hold), threading.Thread(target=watch, args=[db.connection.info.backend_pid])]
    for thread in threads:
        thread.start()
    try:
        until(fanned_out.is_set, 60)
        started = time.perf_counter()
        db.sql("update user_profiles set full_name = 'meanwhile ' || id")
        return time.perf_counter() - started, waits[0]
    finally:
        over.set()
        for thread in threads:
            thread.join()


PARTS = (run,)
