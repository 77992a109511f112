"""Leases whose holder ended before it settled: freed, with a `lost` row in the log."""

from collections.abc import Sequence
from datetime import datetime
from itertools import repeat, starmap
from typing import NamedTuple
from uuid import UUID

from django.db import connection, transaction
from django.utils import timezone

from sync import backoff, fanout
from sync.deliver import log
from sync.payloads import message_id

CHUNK = 20
"""Requests that are freed in one transaction: each may hold hundreds of deliveries."""
MOST = 1000
"""Expired requests that are freed at a time."""

EXPIRED = """
delete from user_sync_lease where id in (
    select l.id from user_sync_lease l
    where case when %(leases)s::bigint[] is null then l.until < now() else l.id = any (%(leases)s::bigint[]) end
    order by l.until limit %(limit)s for update skip locked
) returning epoch, probe, started_at, delivery_ids, tokens, versions, generations, causes, actors, run_ids
"""

OF = """
select d.id, d.user_id, coalesce(d.attempted_email, ''), d.site_id, s.name, d.attempted_action, d.tries
from user_sync_delivery d join connected_sites s on s.id = d.site_id where d.id = any (%(ids)s) order by d.id for no key update of d
"""

FREE = """
with freed as (
    update user_sync_delivery d set status = 'pending', next_attempt_at = clock_timestamp() + make_interval(secs => f.delay),
        last_error = %(error)s, tries = f.tries, attempted_version = f.version, attempted_generation = f.generation,
        attempted_epoch = f.epoch,
        -- What another run owes meanwhile stays that run's.
        run_id = case when d.run_id is distinct from f.run_id then d.run_id end
    from unnest(%(ids)s::bigint[], %(versions)s::bigint[], %(generations)s::int[], %(run_ids)s::bigint[], %(tries)s::int[],
        %(epochs)s::bigint[], %(delays)s::float8[]) as f (id, version, generation, run_id, tries, epoch, delay)
    where d.id = f.id returning f.run_id, d.site_id
)
update user_sync_run_site r set failed = r.failed + t.n
from (select run_id, site_id, count(*) as n from freed where run_id is not null group by run_id, site_id) t
where r.run_id = t.run_id and r.site_id = t.site_id
"""

LOST = "The sender ended before the answer came; the request may have arrived"
STOPPED = "The sender was stopped before the answer came; the request may have arrived"


def free_lost() -> int:
    """Frees expired leases; returns of how many deliveries. They are tried again."""
    freed = 0
    for _ in range(0, MOST, CHUNK):
        requests, deliveries = _free(None, LOST, at_once=False)
        freed += deliveries
        if requests < CHUNK:
            break
    return freed


def give_up(leases: Sequence[int]) -> None:
    """Frees these leases of the caller's, of requests that it had no answer to. They are tried again at once."""
    for start in range(0, len(leases), CHUNK):
        _free(leases[start : start + CHUNK], STOPPED, at_once=True)


class _Held(NamedTuple):
    """What a lease says of one of its deliveries."""

    epoch: int
    probe: bool
    started_at: datetime
    delivery_id: int
    token: UUID
    version: int
    generation: int
    cause: str
    actor: str
    run_id: int | None


@fanout.retried_on_deadlock
@transaction.atomic
def _free(leases: Sequence[int] | None, reason: str, *, at_once: bool) -> tuple[int, int]:
    """At most CHUNK leases; returns how many they were, and how many deliveries."""
    with connection.cursor() as cursor:
        cursor.execute(EXPIRED, {"leases": None if leases is None else list(leases), "limit": CHUNK})
        gone = cursor.fetchall()
        held = {item.delivery_id: item for lease in gone for item in starmap(_Held, zip(*map(repeat, lease[:3]), *lease[3:], strict=False))}
        cursor.execute(OF, {"ids": list(held)})
        # Each of them its own lease's still: nobody claims what is leased.
        freed = [(held[row[0]], *row[1:]) for row in cursor.fetchall()]
        if not freed:
            return len(gone), 0
        tries = [row[-1] + (0 if row[0].probe else 1) for row in freed]
        cursor.execute(
            FREE,
            {
                "ids": [item.delivery_id for item, *_ in freed],
                "versions": [item.version for item, *_ in freed],
                "generations": [item.generation for item, *_ in freed],
                "epochs": [item.epoch for item, *_ in freed],
                "run_ids": [item.run_id for item, *_ in freed],
                "tries": tries,
                "delays": [0.0 if at_once else (backoff.delay_after(n) or backoff.SCHEDULE[-1]).total_seconds() for n in tries],
                "error": reason,
            },
        )
        now = log.moment(timezone.now())
        log.write(
            cursor,
            [
                (item.token.bytes, user_id, email, site_id, name, action, item.version, item.generation, log.document(b"null"), "lost",
                 "lost", None, None, reason, "", message_id(item.delivery_id, item.version, item.generation), item.cause, item.actor,
                 item.run_id, log.moment(item.started_at), now)
                for item, user_id, email, site_id, name, action, _ in freed
            ],
        )  # fmt: skip
    return len(gone), len(freed)
