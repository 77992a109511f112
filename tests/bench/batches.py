"""Item 2: batches of 100 and 500, a log row for every user, beside a bare COPY of the same log rows."""

import time
from collections.abc import Sequence
from itertools import product

from tests.bench import reference, seed, servers
from tests.bench.database import Database
from tests.bench.rounds import delivered, position
from tests.bench.table import Row, at_least, say
from tests.bench.worker import worker

SITES, USERS, ROUNDS = 10, 2000, 4
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
        ours, bare, least = _measure(db, size)
        rows.append(Row(f"2 baseline: bare COPY in commits of {size}", f"{bare:,.0f}/s"))
        for leases, rate in least.items():
            rows.append(Row(f"2 a reference {_with(leases)}, no tries, no health ÷ bare COPY", f"{rate / bare:.2f} ({rate:,.0f}/s)"))
        rows.append(at_least(f"2 batches of {size} ÷ bare COPY", ours / bare, target, note=f" ({ours:,.0f}/s)"))
    return rows


def _measure(db: Database, size: int) -> tuple[float, float, dict[bool, float]]:
    """Deliveries a second from the first claim to the last settle, log rows a second by COPY alone, and what the reference does without
    and with leases: the best of several each."""
    seed.empty(db)
    seed.users(db, USERS)
    ours, bare, least = [], [], {False: 0.0, True: 0.0}
    with servers.sink(SITES) as urls:
        seed.sites(db, urls, batch_size=size)
        seed.in_sync(db)
        with worker():
            for _ in range(ROUNDS):
                ours.append(_ours(db))
                bare.append(_bare(db, size))
                say(f"  batches of {size}: ours {ours[-1]:,.0f}/s; bare COPY in commits of {size}: {bare[-1]:,.0f}/s")
        for leases, settlers in product(least, (1, 2, 1, 2)):
            seed.settle_down(db)
            db.sql(OWE_ALL)
            rate = reference.rate(db, urls, size=size, settlers=settlers, leases=leases)
            say(f"  batches of {size}: a reference {_with(leases)}, settled over {settlers} at a time: {rate:,.0f}/s")
            least[leases] = max(least[leases], rate)
    return max(ours), max(bare), least


def _with(leases: bool) -> str:
    return "with one lease a batch" if leases else "without leases"


def _ours(db: Database) -> float:
    since = position(db)
    seed.settle_down(db)
    db.sql(OWE_ALL)
    db.sql("notify user_sync, 'due'")
    return delivered(db, USERS * SITES, since=since).rate


def _bare(db: Database, size: int) -> float:
    """Copies the newest of the log's rows into a table like the log, indexes and all, in commits of so many."""
    db.sql("drop table if exists bench_log")
    db.sql("create table bench_log (like user_sync_log including all)")
    blocks = _blocks(db, size)
    started = time.perf_counter()
    for block in blocks:
        with db.connection.cursor().copy(f"copy bench_log ({COLUMNS}) from stdin") as copy:
            copy.write(block)
    return size * len(blocks) / (time.perf_counter() - started)


def _blocks(db: Database, size: int) -> Sequence[bytes]:
    query = f"copy (select {COLUMNS} from user_sync_log order by id desc limit {USERS * SITES}) to stdout"
    with db.connection.cursor().copy(query) as copy:
        lines = b"".join(bytes(piece) for piece in copy).splitlines(keepends=True)
    return [b"".join(lines[start : start + size]) for start in range(0, len(lines), size)]


PARTS = (run,)
