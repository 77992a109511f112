"""Count the log by the hour: attempts a site, an hour and an outcome, so that no page has to read the log to draw a chart.

Every attempt is counted once, whatever ends where and however many workers count:

- **Nothing is counted twice.** The cursor (the id in the log up to which all is counted) and the counts change in one transaction, and
  whoever counts holds the cursor's row. An end at any moment leaves both or neither.
- **Nothing is lost.** Ids come from a sequence, and a transaction may commit a lower id after a higher one is there for all to see. So
  the cursor never moves to what was just seen. First the newest id seen is noted; then those transactions that hold the lock which every
  writer of the log takes before it draws its first id; then all of these are waited for. Whatever has an id up to the noted one was drawn
  by a transaction that is over by then: it is visible to the next statement, or was rolled back for good. Who does not end within
  `PATIENCE` (a console that forgot to commit) has the counting wait for the next time, and the tail that is not counted grows.
- **A log that was emptied or restored** to before the cursor, so that it ends below it, takes the cursor back to its end. No id between
  the two can be uncommitted, so nothing is counted again.

What is pruned from the log before it is counted is not counted: `retention.prune` counts first.
"""

import time
from datetime import datetime, timedelta

from django.conf import settings
from django.db import connection, transaction
from django.utils import timezone

CHUNK = 10_000
"""Attempts that are counted in one transaction."""
CHUNKS = 100
"""How often in one go. What is left is counted the next time."""
PATIENCE = 5.0
"""Seconds to wait for transactions that may still commit what is to be counted."""
LOOK = 0.05
PRUNED = 5000

NEWEST = "select coalesce(max(id), 0) from user_sync_log"
WRITERS = """
select virtualtransaction from pg_locks
where locktype = 'relation' and relation = 'user_sync_log'::regclass and mode = 'RowExclusiveLock' and granted
    and database = (select oid from pg_database where datname = current_database()) and pid is distinct from pg_backend_pid()
"""
"""A transaction holds this lock from before it draws an id from the log's sequence until after its commit can be seen."""

COUNT = """
with reached as materialized (
    select id, site_id, outcome, completed_at from user_sync_log
    where id > %(after)s and id <= %(settled)s order by id limit %(chunk)s
), counted as (
    insert into user_sync_hour as h (hour, site_id, outcome, count)
    select date_trunc('hour', completed_at, 'UTC'), site_id, outcome, count(*) from reached group by 1, 2, 3
    on conflict (hour, site_id, outcome) do update set count = h.count + excluded.count
)
update user_sync_hour_cursor set last_id = (select max(id) from reached) where id = 1 and exists (select from reached)
returning last_id, (select count(*) from reached)
"""

PRUNE = (
    "delete from user_sync_hour where id in (select id from user_sync_hour where hour < %s order by hour limit %s for update skip locked)"
)


def roll_up(chunk: int = CHUNK, patience: float = PATIENCE) -> int:
    """Counts what is new in the log, at most `CHUNKS` chunks; returns how many attempts. 0 also where another worker is at it."""
    settled = _settled(patience)
    if settled is None:
        return 0
    total = 0
    for _ in range(CHUNKS):
        counted = _count(settled, chunk)
        total += counted
        if counted < chunk:
            break
    return total


def _settled(patience: float) -> int | None:
    """An id up to which no attempt can appear in the log any more; None when that did not come true in time."""
    ends = time.monotonic() + patience
    with connection.cursor() as cursor:
        cursor.execute(NEWEST)
        newest = int(cursor.fetchone()[0])
        cursor.execute(WRITERS)
        writers = {row[0] for row in cursor.fetchall()}
        while writers:
            if time.monotonic() > ends:
                return None
            time.sleep(LOOK)
            cursor.execute(WRITERS)
            writers &= {row[0] for row in cursor.fetchall()}
    return newest


@transaction.atomic
def _count(settled: int, chunk: int) -> int:
    with connection.cursor() as cursor:
        cursor.execute("insert into user_sync_hour_cursor (id) values (1) on conflict do nothing")
        cursor.execute("select last_id from user_sync_hour_cursor where id = 1 for update skip locked")
        found = cursor.fetchone()
        if found is None:
            return 0
        after = int(found[0])
        if after > settled and _ends_below(after):
            cursor.execute("update user_sync_hour_cursor set last_id = %s where id = 1", [settled])
            return 0
        cursor.execute(COUNT, {"after": after, "settled": settled, "chunk": chunk})
        counted = cursor.fetchone()
        return int(counted[1]) if counted else 0


def _ends_below(cursor_id: int) -> bool:
    """Whether the log ends before the cursor. Another worker that counted further in the meantime is no reason to go back."""
    with connection.cursor() as cursor:
        cursor.execute(NEWEST)
        return bool(cursor.fetchone()[0] < cursor_id)


def prune() -> int:
    """Deletes hours older than `SYNC_LOG_DAYS`, in chunks; returns how many rows."""
    total = 0
    while True:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(PRUNE, [_oldest(), PRUNED])
            deleted: int = cursor.rowcount
        total += deleted
        if deleted < PRUNED:
            return total


def _oldest() -> datetime:
    return timezone.now() - timedelta(days=settings.SYNC_LOG_DAYS)
