"""Item 2: batches of 100 and 500, a log row for every user, beside a bare COPY of the same log rows onto a log as full."""

import contextlib
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import product

from tests.bench import reference, seed, servers
from tests.bench.database import Database
from tests.bench.rounds import delivered, position
from tests.bench.table import Row, at_least, say
from tests.bench.worker import worker

SITES, USERS, ROUNDS = 10, 2000, 4
OLD = 300_000
"""Rows in the log before: a hub writes onto what it has logged so far, and so must COPY. Into an empty table it has less to do."""
TARGETS = {100: 0.3, 500: 0.4}
COLUMNS = (
    "attempt_id, user_id, email, site_id, site_name, type, version, generation, attributes, status, outcome, http_code, duration_ms, error,"
    " response, message_id, cause, actor, run_id, started_at, completed_at"
)
OWE_ALL = """
update user_sync_delivery set wanted_generation = wanted_generation + 1, status = 'pending', next_attempt_at = now(), tries = 0
"""


def run(db: Database) -> list[Row]:
    """The rows of item 2."""
    rows = []
    for size, target in TARGETS.items():
        found = _measure(db, size)
        rows.append(Row(f"2 baseline: bare COPY onto a log as full, in commits of {size}", f"{found.bare:,.0f}/s"))
        for leases, rate in found.least.items():
            rows.append(Row(f"2 a reference {_with(leases)}, no tries, no health ÷ bare COPY", f"{rate / found.bare:.2f} ({rate:,.0f}/s)"))
        best = max(found.ours.values())
        for workers, rate in found.ours.items():
            rows.append(Row(f"2 batches of {size} ÷ bare COPY, {_counted(workers)}", f"{rate / found.bare:.2f} ({rate:,.0f}/s)"))
        rows.append(at_least(f"2 batches of {size} ÷ bare COPY, the better of these", best / found.bare, target))
        easy = f"{best / found.into_empty:.2f} (of {found.into_empty:,.0f}/s)"
        rows.append(Row(f"2 the same ÷ bare COPY into a new table each time, commits of {size}", easy))
    return rows


@dataclass
class _Found:
    """The best of several rounds each, a second."""

    ours: dict[int, float] = field(default_factory=lambda: {1: 0.0, 2: 0.0})
    """Deliveries, from the first claim to the last settle, by the number of workers."""
    bare: float = 0.0
    """Log rows by COPY alone, onto a table that is as full as the log is."""
    into_empty: float = 0.0
    """And into a new one."""
    least: dict[bool, float] = field(default_factory=lambda: {False: 0.0, True: 0.0})
    """What the reference does without and with leases."""


def _measure(db: Database, size: int) -> _Found:
    seed.empty(db)
    seed.users(db, USERS)
    found = _Found()
    with servers.sink(SITES) as urls:
        seed.sites(db, urls, batch_size=size)
        seed.in_sync(db)
        with worker():
            _ours(db)
        _grow_old(db)
        for workers in found.ours:
            with contextlib.ExitStack() as stack:
                for _ in range(workers):
                    stack.enter_context(worker())
                for _ in range(ROUNDS):
                    _round(db, size, workers, found)
        for leases, settlers in product(found.least, (1, 2, 1, 2)):
            seed.settle_down(db)
            db.sql(OWE_ALL)
            rate = reference.rate(db, urls, size=size, settlers=settlers, leases=leases)
            say(f"  batches of {size}: a reference {_with(leases)}, settled over {settlers} at a time: {rate:,.0f}/s")
            found.least[leases] = max(found.least[leases], rate)
    db.sql("drop table bench_log, bench_empty_log")
    return found


def _round(db: Database, size: int, workers: int, found: _Found) -> None:
    ours, blocks = _ours(db), _blocks(db, size)
    bare = _copied(db, "bench_log", blocks, size)
    _like_the_log(db, "bench_empty_log")
    into_empty = _copied(db, "bench_empty_log", blocks, size)
    say(f"  batches of {size}: {_counted(workers)} {ours:,.0f}/s; bare COPY {bare:,.0f}/s, into a new table {into_empty:,.0f}/s")
    found.ours[workers] = max(ours, found.ours[workers])
    found.bare, found.into_empty = max(bare, found.bare), max(into_empty, found.into_empty)


def _counted(workers: int) -> str:
    return "one worker" if workers == 1 else f"{workers} workers"


def _with(leases: bool) -> str:
    return "with one lease a batch" if leases else "without leases"


def _ours(db: Database) -> float:
    since = position(db)
    seed.settle_down(db)
    db.sql(OWE_ALL)
    db.sql("notify user_sync, 'due'")
    return delivered(db, USERS * SITES, since=since).rate


def _grow_old(db: Database) -> None:
    """Fills the log with copies of what is in it, and a table like it with the same: more than PostgreSQL holds in its memory."""
    times = OLD // int(db.value("select count(*) from user_sync_log"))
    db.sql(f"insert into user_sync_log ({COLUMNS}) select {COLUMNS} from user_sync_log, generate_series(1, {times})")
    _like_the_log(db, "bench_log")
    db.sql(f"insert into bench_log ({COLUMNS}) select {COLUMNS} from user_sync_log order by id")
    db.sql("vacuum (analyze) user_sync_log, bench_log")
    db.sql("checkpoint")


def _like_the_log(db: Database, name: str) -> None:
    db.sql(f"drop table if exists {name}")
    db.sql(f"create table {name} (like user_sync_log including all)")


def _copied(db: Database, name: str, blocks: Sequence[bytes], size: int) -> float:
    """Rows a second by COPY, in commits of so many."""
    started = time.perf_counter()
    for block in blocks:
        with db.connection.cursor().copy(f"copy {name} ({COLUMNS}) from stdin") as copy:
            copy.write(block)
    return size * len(blocks) / (time.perf_counter() - started)


def _blocks(db: Database, size: int) -> Sequence[bytes]:
    """The newest of the log's rows, so many at a time, as COPY takes them in."""
    query = f"copy (select {COLUMNS} from user_sync_log order by id desc limit {USERS * SITES}) to stdout"
    with db.connection.cursor().copy(query) as copy:
        lines = b"".join(bytes(piece) for piece in copy).splitlines(keepends=True)
    return [b"".join(lines[start : start + size]) for start in range(0, len(lines), size)]


PARTS = (run,)
