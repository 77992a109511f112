"""Claim what is due: a lease, the attempted state and the content to send, in one statement, committed before any request leaves."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import connection, transaction

from sync import fanout
from sync.connectors.target import Target
from sync.deliver.targets import Slot
from sync.payloads import Message, message_id

LEASE_GRACE = 30.0
"""Seconds that a lease lasts beyond the request's total deadline."""

CLAIM = """
with slot as (
    select *
    from unnest(%(sites)s::bigint[], %(epochs)s::bigint[], %(limits)s::int[], %(probes)s::boolean[]) as t (site_id, epoch, n, probe)
), ready as materialized (
    select due.id, due.user_id, s.epoch, s.timeout, s.max_in_flight, slot.probe, u.version, u.email, u.full_name, u.role, u.is_active,
        u.updated_at, due.attempted_email as last_email, due.acked_email as known_email,
        case when u.id is not null and user_sync_in_scope(u.is_active, u.role, s.roles) then 'upsert' else 'delete' end as action
    from slot
    join connected_sites s on s.id = slot.site_id and s.epoch = slot.epoch and s.is_active
    cross join lateral (
        select d.id, d.user_id, d.attempted_email, d.acked_email from user_sync_delivery d
        where d.site_id = slot.site_id and d.status = 'pending' and (d.next_attempt_at <= now() or slot.probe)
            and (%(user_ids)s::text[] is null or d.user_id = any (%(user_ids)s::text[]))
            and (%(run_id)s::bigint is null or d.run_id = %(run_id)s::bigint)
        order by d.next_attempt_at limit slot.n for no key update skip locked
    ) due
    left join user_profiles u on u.user_id = due.user_id
), claimed as (
    update user_sync_delivery d set
        status = 'in_progress',
        lease_token = gen_random_uuid(),
        lease_started_at = clock_timestamp(),
        lease_until = clock_timestamp() + make_interval(secs => r.timeout + %(grace)s),
        attempted_action = r.action,
        attempted_version = case when r.action = 'upsert' then greatest(d.wanted_version, r.version) else d.wanted_version end,
        attempted_generation = d.wanted_generation,
        attempted_epoch = r.epoch,
        attempted_email = case when r.action = 'upsert' then r.email else coalesce(r.known_email, r.last_email, r.email, '') end,
        tries = d.tries + case when r.probe then 0 else 1 end
    from ready r
    where d.id = r.id and r.action = d.wanted_action
    returning d.id, d.lease_token, d.lease_started_at, d.site_id, d.user_id, d.attempted_action, d.attempted_version,
        d.attempted_generation, d.attempted_email, d.tries, d.cause, d.actor, d.run_id,
        coalesce(r.full_name, ''), coalesce(r.role, ''), coalesce(r.is_active, false), r.updated_at,
        coalesce(r.known_email, r.last_email), r.probe
)
select r.user_id, c.* from ready r left join claimed c on c.id = r.id
"""


@dataclass(frozen=True, slots=True)
class Claim:
    """One delivery under lease, with the content to send."""

    delivery_id: int
    token: UUID
    started_at: datetime
    target: Target
    message: Message
    generation: int
    tries: int
    cause: str
    actor: str
    run_id: int | None
    probe: bool


@transaction.atomic(durable=True)
def claim(slots: Sequence[Slot], *, user_ids: Sequence[str] | None = None, run_id: int | None = None) -> list[Claim]:
    """Takes what is due at these sites (of these users or this run only, where given) and leases it to the caller.

    Never waits for another claimer, and never takes a version below one that was claimed before. Raises RuntimeError inside a
    transaction: a lease that may yet be rolled back would let a request leave unknown, with the transaction open.
    """
    if not slots:
        return []
    wanted = [slot.free * slot.target.batch_size if not slot.probe else 1 for slot in slots]
    parameters: dict[str, Any] = {
        "sites": [slot.target.site_id for slot in slots],
        "epochs": [slot.target.epoch for slot in slots],
        "limits": wanted,
        "probes": [slot.probe for slot in slots],
        "user_ids": None if user_ids is None else list(user_ids),
        "run_id": run_id,
        "grace": LEASE_GRACE,
    }
    targets = {slot.target.site_id: slot.target for slot in slots}
    with connection.cursor() as cursor:
        cursor.execute(CLAIM, parameters)
        rows = cursor.fetchall()
    # A site's roles, or a user, changed and the fan-out has not caught up: bring what is owed up to date; the next claim takes it.
    stale = [(row[0], None) for row in rows if row[1] is None]
    if stale:
        fanout.owe(stale, cause="change")
    return [_claim(row[1:], targets) for row in rows if row[1] is not None]


def _claim(row: tuple[Any, ...], targets: dict[int, Target]) -> Claim:
    (delivery_id, token, started_at, site_id, user_id, action, version, generation, email, tries, cause, actor, run_id) = row[:13]
    full_name, role, is_active, updated_at, known_email, probe = row[13:]
    message = Message(
        message_id=message_id(delivery_id, version, generation),
        user_id=user_id,
        email=email,
        full_name=full_name,
        role=role,
        is_active=is_active and action == "upsert",
        action=action,
        version=version,
        updated_at=updated_at,
        previous_email=known_email if action == "upsert" and known_email and known_email != email else None,
    )
    return Claim(delivery_id, token, started_at, targets[site_id], message, generation, tries, cause, actor, run_id, probe)
