"""Claim what is due: leases and the content to send, in one statement, committed before any request leaves."""

import math
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import OperationalError, connection, transaction

from sync import fanout
from sync.connectors.target import Target
from sync.deliver import kept
from sync.deliver.targets import OPEN, Place, Slot
from sync.payloads import Message, message_id

LEASE_GRACE = 30.0
"""Seconds that a lease lasts beyond the request's total deadline."""

WAITS_AT_MOST = 1.0
"""Seconds that each of the two statements of `claim` takes, the wait for other claimers and the claim itself."""
SHORTEST = 0.05
"""Seconds that it may take in any case."""
_IN_VAIN = frozenset({"57014", "55P03"})
"""What PostgreSQL raises when the time is up (query_canceled), or for a lock when the server has a `lock_timeout` of its own."""

LOCKS = 7_301_951
"""The class of the advisory locks under which a site's requests are counted and claimed: one claimer a site at a time."""

LOCK = """
select pg_advisory_xact_lock(%(locks)s, site_id::int), site_id, clock_timestamp()
from unnest(%(sites)s::bigint[]) with ordinality as t (site_id, n) order by n
"""

MOST_REQUESTS = 4096
"""More than are claimed for a site at a time: so far apart are the leases' numbers of one site and those of the next."""

TRY_LOCK = """
select site_id, clock_timestamp() from unnest(%(sites)s::bigint[]) as t (site_id)
where pg_try_advisory_xact_lock(%(locks)s, site_id::int)
"""

CLAIM = """
with slot as (
    select *
    from unnest(%(sites)s::bigint[], %(epochs)s::bigint[], %(requests)s::int[], %(owns)s::int[], %(aheads)s::int[], %(batches)s::int[],
        %(probes)s::boolean[], %(after_times)s::timestamptz[], %(after_ids)s::bigint[])
        with ordinality as t (site_id, epoch, requests, own, ahead, batch, probe, after_time, after_id, number)
), due as materialized (
    -- All of it as the statement began: nobody else claims at these sites, and what changes meanwhile, the settle finds changed.
    select r.*, %(first)s::bigint + r.slot * {most} + (r.place - 1) / r.batch as lease_id,
        -- As unique as the salt, at a fifth of the cost of a random one.
        md5(%(salt)s || r.id)::uuid as token,
        -- A probe is the hub's own doing, whoever it was that changed the user.
        case when r.probe then 'probe' when r.tries = 0 then r.cause else 'retry' end as why,
        case when r.probe then '' else r.actor end as who,
        -- What a fan-out would not expect of a delivery that is owed this: that anything was sent at all, another action, version, address.
        r.attempted_version is null or r.attempted_action <> r.action or r.next_version > greatest(r.wanted_version, r.attempted_version)
            or r.attempted_email is distinct from r.next_email as tells
    from (
        select d.*, s.id as site_id, s.epoch, s.timeout, slot.number as slot, slot.batch, slot.probe, leased.allowed, room.n as room,
            u.full_name, u.role, u.is_active, u.updated_at, a.action,
            a.action = d.wanted_action and (a.action = 'delete' or u.version >= d.wanted_version) as fits,
            -- Sent ahead of its fan-out, a version may be above what is wanted: nothing below it follows.
            greatest(d.wanted_version, d.attempted_version, case when a.action = 'upsert' then u.version end) as next_version,
            case when a.action = 'upsert' then u.email else coalesce(d.acked_email, d.attempted_email, u.email, '') end as next_email
        from slot
        join connected_sites s on s.id = slot.site_id and s.epoch = slot.epoch and s.is_active
        left join user_sync_site_health h on h.site_id = s.id
        -- What others hold is counted under the site's lock, in a statement that began after the lock was had. Nobody has more under way
        -- than it holds, nor begins while the others' and its own reach the limit: so the limit holds over all processes. By whose they
        -- are: how many are its own the claimer knows only as they were before its last settle.
        cross join lateral (
            select s.max_in_flight - count(*) filter (where (l.holder = %(holder)s::bigint) is not true) as allowed,
                count(*) = 0 as nobody
            from user_sync_lease l where l.site_id = slot.site_id and l.until > now()
        ) leased
        cross join lateral (
            select case
                -- It was open when the slots were looked at; a pause counts from the moment it is committed.
                when not ({open} and (slot.probe or h.quarantined_at is null)) then 0
                when slot.probe then case when leased.nobody then 1 else 0 end
                when leased.allowed <= 0 then 0
                else least(slot.requests, leased.allowed + slot.ahead - slot.own) * slot.batch end as n
        ) room
        cross join lateral (
            select d.id, d.user_id, d.wanted_action, d.wanted_version, d.wanted_generation, d.attempted_action, d.attempted_version,
                d.attempted_email, d.acked_email, d.tries, d.cause, d.actor, d.run_id,
                d.next_attempt_at, row_number() over (order by d.next_attempt_at, d.id) as place
            from user_sync_delivery d
            where d.site_id = slot.site_id and d.status = 'pending'
                and (d.next_attempt_at, d.id) > (slot.after_time, slot.after_id)
                and d.next_attempt_at <= case when slot.probe then 'infinity' else now() end
                and (%(user_ids)s::text[] is null or d.user_id = any (%(user_ids)s::text[]))
                and (%(run_id)s::bigint is null or d.run_id = %(run_id)s::bigint)
                -- Read once into a hash table: what is leased at the site lies before what is due there.
                and d.id not in (select unnest(l.delivery_ids) from user_sync_lease l where l.site_id = any (%(sites)s::bigint[]))
            order by d.next_attempt_at, d.id limit greatest(room.n, 0)
        ) d
        left join user_profiles u on u.user_id = d.user_id
        cross join lateral (
            select case when u.id is not null and user_sync_in_scope(u.is_active, u.role, s.roles) then 'upsert' else 'delete' end as action
        ) a
    ) r
), told as materialized (
    -- It is written into the delivery, and is as the lock finds it: where a fan-out is at work, the next claim takes it.
    select r.id from due r join user_sync_delivery d on d.id = r.id
    where r.fits and r.tells
        and row(d.wanted_action, d.wanted_version, d.wanted_generation, d.attempted_version, d.status)
            is not distinct from row(r.wanted_action, r.wanted_version, r.wanted_generation, r.attempted_version, 'pending')
    for no key update of d skip locked
), stale as materialized (
    -- A site's roles, or a user, changed, and the fan-out has not caught up. Where it is just at it, it need not be done once more.
    select r.user_id from due r join user_sync_delivery d on d.id = r.id where not r.fits for no key update of d skip locked
), taken as not materialized (
    -- Read where it is needed: to write these wide rows down once more takes longer than to ask of them twice what is taken.
    select r.* from due r where r.fits and (not r.tells or r.id in (select t.id from told t))
), written as (
    update user_sync_delivery d set attempted_action = t.action, attempted_version = t.next_version,
        attempted_generation = t.wanted_generation, attempted_epoch = t.epoch, attempted_email = t.next_email
    from taken t where t.tells and d.id = t.id
), leased as (
    insert into user_sync_lease (id, site_id, epoch, probe, holder, started_at, until, delivery_ids, tokens, versions, generations,
        causes, actors, run_ids)
    select lease_id, min(site_id), min(epoch), bool_or(probe), %(holder)s::bigint, %(started_at)s::timestamptz,
        (select clock_timestamp()) + make_interval(secs => min(timeout) + %(grace)s),
        array_agg(id), array_agg(token), array_agg(next_version), array_agg(wanted_generation), array_agg(why), array_agg(who),
        array_agg(run_id)
    from taken group by lease_id
)
select id, lease_id, token::text, site_id, user_id, action, next_version, wanted_generation, next_email, tries, why, who, run_id,
    coalesce(full_name, ''), coalesce(role, ''), coalesce(is_active, false), updated_at, coalesce(acked_email, attempted_email), allowed,
    case when place = room and not probe then next_attempt_at::text end
from taken
union all
select null, null, null, null, user_id, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null from stale
""".replace("{open}", OPEN).replace("{most}", str(MOST_REQUESTS))


@dataclass(slots=True)  # not frozen, which takes six times as long to make; nothing changes it
class Claim:
    """One delivery under lease, with the content to send."""

    delivery_id: int
    lease: int
    """Shared by those that travel in one request."""
    token: str
    """The attempt's id."""
    started_at: datetime
    target: Target
    message: Message
    generation: int
    tries: int
    cause: str
    actor: str
    run_id: int | None
    probe: bool


@dataclass(frozen=True, slots=True)
class Taken:
    """What a claim took."""

    claims: list[Claim]
    limits: dict[int, int]
    """By site, how many requests the claimer may have under way there from now on."""
    places: dict[int, Place]
    """By site, how far its due deliveries were claimed: where there was no room for more, so that more may follow."""
    contended: bool
    """Something was left out that is worth another look soon."""


def claim(
    slots: Sequence[Slot], *, user_ids: Sequence[str] | None = None, run_id: int | None = None, within: float = WAITS_AT_MOST
) -> list[Claim]:
    """Takes what is due at these sites (of these users or this run only, where given) and leases it to the caller.

    Waits for others that claim at the same sites, mostly some milliseconds; takes nothing when that would be longer than `within`
    seconds. Never takes a version below one that was claimed before, nor more than a site's `max_in_flight` allows to all processes
    together. Raises RuntimeError inside a transaction: a lease that may
    yet be rolled back would let a request leave unknown, with the transaction open.
    """
    try:
        return _take(slots, user_ids, run_id, within=max(SHORTEST, min(within, WAITS_AT_MOST))).claims
    except OperationalError as error:
        # A claimer that was stopped in its tracks must not stop everybody: what is due is left to the worker then.
        if getattr(error.__cause__, "sqlstate", None) not in _IN_VAIN:
            raise
        return []


def claim_uncontended(
    slots: Sequence[Slot],
    *,
    user_ids: Sequence[str] | None = None,
    run_id: int | None = None,
    holder: int | None = None,
    keep_plan: bool = False,
) -> Taken:
    """As `claim`, but leaves out sites at which another process claims at this moment.

    `holder` is the claimer's own number, drawn at random: what it holds under it already is not counted as another's. None: all is.
    `keep_plan`: see `kept.fetch`.
    """
    return _take(slots, user_ids, run_id, within=None, holder=holder, keep_plan=keep_plan)


def _take(
    slots: Sequence[Slot],
    user_ids: Sequence[str] | None,
    run_id: int | None,
    *,
    within: float | None,
    holder: int | None = None,
    keep_plan: bool = False,
) -> Taken:
    """With `within`, waits for the sites' locks; neither that nor the claim takes more than so many seconds. Without it, waits for none."""
    if not slots:
        return Taken([], {}, {}, False)
    # In one order, so that two that wait cannot wait for each other.
    slots = sorted(slots, key=lambda slot: slot.target.site_id)
    with transaction.atomic(durable=True):
        locked = _lock([slot.target.site_id for slot in slots], within)
        contended = len(locked) < len(slots)
        slots = [slot for slot in slots if slot.target.site_id in locked]
        if not slots:
            return Taken([], {}, {}, contended)
        started_at = max(locked.values())
        parameters: dict[str, Any] = {
            "sites": [slot.target.site_id for slot in slots],
            "epochs": [slot.target.epoch for slot in slots],
            "requests": [slot.free for slot in slots],
            "owns": [slot.own for slot in slots],
            "aheads": [slot.ahead for slot in slots],
            "batches": [slot.batch for slot in slots],
            "probes": [slot.probe for slot in slots],
            "after_times": [slot.after[0] if slot.after else "-infinity" for slot in slots],
            "after_ids": [slot.after[1] if slot.after else 0 for slot in slots],
            "user_ids": None if user_ids is None else list(user_ids),
            "run_id": run_id,
            "grace": LEASE_GRACE,
            "first": secrets.randbits(38) << 24,
            "salt": secrets.token_hex(16),
            "holder": holder,
            "started_at": started_at,
        }
        rows = kept.fetch(CLAIM, parameters, keep_plan=keep_plan)
    # A site's roles, or a user, changed and the fan-out has not caught up: bring what is owed up to date; the next claim takes it.
    stale = [(row[4], None) for row in rows if row[0] is None]
    if stale:
        _bring_up_to_date(stale)
    by_site = {slot.target.site_id: slot for slot in slots}
    taken = [row for row in rows if row[0] is not None]
    return Taken(
        [_claim(row, by_site[row[3]], started_at) for row in taken],
        {row[3]: row[18] for row in taken},
        {row[3]: (row[19], row[0]) for row in taken if row[19] is not None},
        contended or bool(stale),
    )


def _lock(site_ids: list[int], within: float | None) -> dict[int, datetime]:
    """The sites whose lock was had, and when."""
    with connection.cursor() as cursor:
        if within is None:
            cursor.execute(TRY_LOCK, {"locks": LOCKS, "sites": site_ids})
        else:
            # Of the one statement that takes all locks; a `lock_timeout` would count for each anew.
            cursor.execute("select set_config('statement_timeout', %s, true)", [str(math.ceil(within * 1000))])
            cursor.execute(LOCK, {"locks": LOCKS, "sites": site_ids})
        return {site_id: at for *_, site_id, at in cursor.fetchall()}


@fanout.retried_on_deadlock
@transaction.atomic
def _bring_up_to_date(stale: Sequence[tuple[str, int | None]]) -> None:
    fanout.owe(stale, cause="change")


def _claim(row: tuple[Any, ...], slot: Slot, started_at: datetime) -> Claim:
    delivery_id, lease, token, _, user_id, action, version, generation, email, tries, cause, actor, run_id = row[:13]
    full_name, role, is_active, updated_at, known_email = row[13:18]
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
    tries += 0 if slot.probe else 1
    return Claim(delivery_id, lease, token, started_at, slot.target, message, generation, tries, cause, actor, run_id, slot.probe)
