"""What batches could reach: the least that still reads who is due, sends, updates each delivery once and logs each user.

No tries, outcomes, quarantine, runs or redaction; one process, requests by pycurl, settled over connections of their own. Without leases
a crash would lose what is under way; with them each batch leaves the least that could tell what was, one row. It says how much of bare
COPY is left when nothing is done but what cannot be left out.
"""

import hashlib
import hmac
import io
import queue
import threading
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import orjson
import psycopg
import pycurl

from tests.bench.bare import KEY
from tests.bench.database import Database

DUE = """
select d.id, d.user_id, d.wanted_version, u.email, u.full_name, u.role, u.is_active, u.updated_at::text
from user_sync_delivery d join user_profiles u on u.user_id = d.user_id
where d.site_id = %s and d.status = 'pending' and d.next_attempt_at <= now() and not d.id = any (%s)
order by d.next_attempt_at limit %s
"""
LEASES = "create table if not exists bench_lease (token uuid primary key, ids bigint[] not null, expires timestamptz not null)"
LEASED = f"""
with due as ({DUE} for no key update of d skip locked), leased as (
    insert into bench_lease select gen_random_uuid(), array_agg(id), now() + interval '40 s' from due having count(*) > 0 returning token
)
select due.*, leased.token from due, leased
"""
FREED = "delete from bench_lease where token = %s"
SETTLE = """
update user_sync_delivery d set status = 'success', next_attempt_at = null, acked_version = wanted_version,
    attempted_version = wanted_version, acked_generation = wanted_generation, attempted_generation = wanted_generation,
    last_synced_at = clock_timestamp()
from unnest(%s::bigint[]) g (id) where d.id = g.id
"""
LOG = """
copy user_sync_log (attempt_id, user_id, email, site_id, site_name, type, version, generation, attributes, status, outcome, http_code,
    duration_ms, error, response, message_id, cause, actor, run_id, started_at, completed_at) from stdin
"""
_Batch = tuple[int, list[tuple[Any, ...]], str]


def rate(db: Database, urls: Sequence[str], *, size: int, settlers: int, leases: bool) -> float:
    """Deliveries a second until all that is due at these sites (in the order of their keys) is sent and settled."""
    db.sql(LEASES)
    sites = dict(zip((row[0] for row in db.sql("select id from connected_sites order by id")), urls, strict=True))
    done: queue.SimpleQueue[_Batch | None] = queue.SimpleQueue()
    threads = [threading.Thread(target=_settle, args=(db.url, done)) for _ in range(settlers)]
    started = time.perf_counter()
    for thread in threads:
        thread.start()
    try:
        sent = _send(db, sites, size, done, LEASED if leases else DUE)
    finally:
        for _ in threads:
            done.put(None)
        for thread in threads:
            thread.join()
    took = time.perf_counter() - started
    if left := db.value("select (select count(*) from user_sync_delivery where status <> 'success') + (select count(*) from bench_lease)"):
        raise RuntimeError(f"the reference left {left:,} deliveries")
    return sent / took


def _send(db: Database, sites: dict[int, str], size: int, done: "queue.SimpleQueue[_Batch | None]", due: str) -> int:
    multi, sent = pycurl.CurlMulti(), 0
    taken: dict[int, list[int]] = {site_id: [] for site_id in sites}
    under_way: dict[Any, tuple[int, list[tuple[Any, ...]], io.BytesIO, str]] = {}

    def start(site_id: int) -> None:
        rows = db.sql(due, site_id, taken[site_id], size)
        if not rows:
            return
        taken[site_id] += [row[0] for row in rows]
        handle, answer = _request(sites[site_id], rows)
        under_way[handle] = site_id, rows, answer, datetime.now(UTC).isoformat()
        multi.add_handle(handle)

    for site_id in sites:
        start(site_id)
    while under_way:
        multi.perform()
        multi.select(0.05)
        for handle in multi.info_read()[1]:
            site_id, rows, answer, since = under_way.pop(handle)
            multi.remove_handle(handle)
            if len(orjson.loads(answer.getvalue())["results"]) != len(rows):
                raise RuntimeError("the sink did not answer for everybody")
            sent += len(rows)
            done.put((site_id, rows, since))
            start(site_id)
    return sent


def _request(url: str, rows: list[tuple[Any, ...]]) -> tuple[Any, io.BytesIO]:
    body, answer, handle = orjson.dumps({"users": [_attributes(row) for row in rows]}), io.BytesIO(), pycurl.Curl()
    handle.setopt(pycurl.URL, f"{url}/api/users/sync/batch")
    handle.setopt(pycurl.POSTFIELDS, body)
    signature = hmac.new(KEY, body, hashlib.sha256).hexdigest()
    handle.setopt(pycurl.HTTPHEADER, ["Content-Type: application/json", f"webhook-signature: v1,{signature}"])
    handle.setopt(pycurl.WRITEDATA, answer)
    handle.setopt(pycurl.TIMEOUT_MS, 10_000)
    return handle, answer


def _attributes(row: tuple[Any, ...]) -> dict[str, Any]:
    return dict(zip(("id", "version", "email", "full_name", "role", "is_active", "updated_at"), row[1:8], strict=True))


def _settle(url: str, done: "queue.SimpleQueue[_Batch | None]") -> None:
    with psycopg.connect(url) as connection:
        connection.execute("set synchronous_commit = off")
        cursor = connection.cursor()
        while (batch := done.get()) is not None:
            site_id, rows, since = batch
            cursor.execute(SETTLE, [[row[0] for row in rows]])
            if len(rows[0]) > 8:
                cursor.execute(FREED, [rows[0][8]])
            with cursor.copy(LOG) as copy:
                copy.write("".join(_log_row(site_id, row, since) for row in rows))
            connection.commit()


def _log_row(site_id: int, row: tuple[Any, ...], since: str) -> str:
    attempt = hashlib.md5(f"{row[0]} {since}".encode(), usedforsecurity=False).hexdigest()
    answer = f'{{"id":"{row[1]}","success":true}}'
    fields = (
        attempt, row[1], row[3], site_id, f"site-{site_id}", "upsert", row[2], 0, orjson.dumps(_attributes(row)).decode(), "success",
        "delivered", 200, 3, "", answer, f"msg_{attempt}", "change", "", r"\N", since, since,
    )  # fmt: skip
    return "\t".join(map(str, fields)) + "\n"
