"""Leases whose holder ended before it settled: freed, with a `lost` row in the log."""

import json
from collections.abc import Sequence

from django.db import connection, transaction
from django.utils import timezone

from sync import backoff, fanout
from sync.deliver.settle import write_log
from sync.payloads import message_id

EXPIRED = """
select d.id, d.lease_token, d.user_id, d.attempted_email, d.site_id, s.name, d.attempted_action, d.attempted_version,
    d.attempted_generation, coalesce(d.lease_cause, d.cause), coalesce(d.lease_actor, d.actor), d.lease_run_id, d.lease_started_at, d.tries
from user_sync_delivery d join connected_sites s on s.id = d.site_id
where d.status = 'in_progress' and (d.lease_until < now() or d.lease_token = any (%(tokens)s::uuid[]))
order by d.lease_until limit %(limit)s for no key update of d skip locked
"""

FREE = """
with freed as (
    update user_sync_delivery d set status = 'pending', next_attempt_at = clock_timestamp() + make_interval(secs => f.delay),
        last_error = f.error, run_id = case when d.run_id is distinct from f.of_run then d.run_id end,
        lease_token = null, lease_until = null, lease_started_at = null, lease_cause = null, lease_actor = null, lease_run_id = null,
        lease_leads = false
    from (select d.lease_run_id as of_run, f.*
        from unnest(%(ids)s::bigint[], %(delays)s::float8[], %(errors)s::text[]) as f (id, delay, error)
        join user_sync_delivery d using (id)) f
    where d.id = f.id returning f.of_run, d.site_id
)
update user_sync_run_site r set failed = r.failed + t.n
from (select of_run, site_id, count(*) as n from freed where of_run is not null group by of_run, site_id) t
where r.run_id = t.of_run and r.site_id = t.site_id
"""

LOST = "The sender ended before the answer came; the request may have arrived"


@fanout.retried_on_deadlock
@transaction.atomic
def free_lost(*, tokens: Sequence[str] = (), reason: str = LOST, at_once: bool = False, limit: int = 1000) -> int:
    """Frees expired leases, and those given (by their holder, which gives up); returns how many. They are tried again."""
    with connection.cursor() as cursor:
        cursor.execute(EXPIRED, {"tokens": list(tokens), "limit": limit})
        rows = cursor.fetchall()
        if not rows:
            return 0
        delays = [0.0 if at_once else (backoff.delay_after(row[13]) or backoff.SCHEDULE[-1]).total_seconds() for row in rows]
        cursor.execute(FREE, {"ids": [row[0] for row in rows], "delays": delays, "errors": [reason] * len(rows)})
        now = timezone.now()
        write_log(
            cursor,
            [
                (token, user_id, email or "", site_id, name, action, version, generation, json.dumps(None), "lost", "lost", None,
                 None, reason, "", message_id(delivery_id, version, generation), cause, actor, run_id, started, now)
                for delivery_id, token, user_id, email, site_id, name, action, version, generation, cause, actor, run_id, started, _ in rows
            ],
        )  # fmt: skip
    return len(rows)
