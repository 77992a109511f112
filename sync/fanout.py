"""Fan-out: write down what every site is owed about changed users. Set-based; safe to repeat, and to run in several processes."""

from collections.abc import Callable, Iterable, Sequence
from functools import wraps
from typing import Any, ParamSpec, TypeVar

from django.db import OperationalError, connection, transaction

CHUNK = 1000
P = ParamSpec("P")
R = TypeVar("R")

_ACKED = """d.acked_action = 'upsert' and d.attempted_action = 'upsert' and d.acked_generation >= d.wanted_generation"""
"""Of an upsert that a site took and that nothing was sent after; whether its version and address are those of now, each place says."""

OWE = """
with target as materialized (
    select t.user_id, u.id is not null as alive, u.is_active, u.role,
        coalesce(u.version, t.removal_version, nextval('user_sync_version_seq')) as version
    from (
        select user_id, max(removal_version) as removal_version
        from unnest(%(user_ids)s::text[], %(removal_versions)s::bigint[]) as given (user_id, removal_version) group by user_id
    ) t
    left join user_profiles u using (user_id)
), pair as materialized (
    -- What this statement sees of each delivery. Where another transaction changes one before this one gets at it, it stays as that one
    -- left it, and its user is looked at again.
    select t.user_id, t.alive, t.version, s.id as site_id, s.is_active as site_active, s.epoch, p.action, d.id as delivery_id,
        d.wanted_version, row(d.wanted_action, d.wanted_version, d.wanted_generation, d.attempted_version, d.status) as seen,
        d.id is not null and p.action = 'delete' and (d.attempted_version is null
            or (not t.alive and d.status = 'success' and d.acked_action = 'delete' and d.acked_epoch = s.epoch)) as forgettable,
        p.action <> d.wanted_action
            or (p.action = 'upsert' and d.wanted_version < t.version)
            or (d.status = 'success'
                and (d.acked_epoch <> s.epoch or d.acked_action <> d.wanted_action or d.acked_version < d.wanted_version))
            or (d.status = 'failed' and (%(retry_failed)s or d.attempted_epoch <> s.epoch)) as changes,
        -- Another action needs a higher version: a request of before that arrives late must not undo it.
        p.action <> d.wanted_action and t.version <= greatest(d.wanted_version, d.attempted_version) as needs_version,
        case when d.acked_epoch <> s.epoch and d.status = 'success' then 1 else 0 end as resend
    from target t cross join connected_sites s
    cross join lateral (
        select case when t.alive and user_sync_in_scope(t.is_active, t.role, s.roles) then 'upsert' else 'delete' end as action
    ) p
    left join user_sync_delivery d on d.site_id = s.id and d.user_id = t.user_id
    where %(site_ids)s::bigint[] is null or s.id = any (%(site_ids)s::bigint[])
), forgotten as (
    -- Nothing was ever sent, or the removal is acknowledged and the row is gone: nothing is left to remember.
    delete from user_sync_delivery d using pair p
    where d.id = p.delivery_id and p.forgettable
        and row(d.wanted_action, d.wanted_version, d.wanted_generation, d.attempted_version, d.status) is not distinct from p.seen
    returning d.id
), changed as (
    update user_sync_delivery d set
        wanted_action = p.action,
        wanted_version = case when p.needs_version and p.action = 'delete' then nextval('user_sync_version_seq')
            else greatest(p.version, d.wanted_version) end,
        wanted_generation = d.wanted_generation + p.resend,
        status = case
            when p.resend = 0 and p.action = 'upsert' and {acked}
                and d.acked_version >= greatest(p.version, d.wanted_version) and d.acked_epoch = p.epoch then 'success'
            else 'pending' end,
        tries = 0, next_attempt_at = now(), cause = %(cause)s, actor = %(actor)s, run_id = null
    from pair p
    where d.id = p.delivery_id and p.changes and not p.forgettable
        and row(d.wanted_action, d.wanted_version, d.wanted_generation, d.attempted_version, d.status) is not distinct from p.seen
    returning d.id
), added as (
    insert into user_sync_delivery as d (user_id, site_id, wanted_action, wanted_version, cause, actor)
    select p.user_id, p.site_id, 'upsert', p.version, %(cause)s, %(actor)s
    from pair p
    where p.action = 'upsert' and p.site_active and p.delivery_id is null
    on conflict (site_id, user_id) do update set
        wanted_action = 'upsert', wanted_version = excluded.wanted_version, next_attempt_at = now(),
        status = case
            -- Fanned out elsewhere in an older version, but sent ahead in this one.
            when {acked} and d.acked_version >= excluded.wanted_version
                and d.acked_epoch = (select s.epoch from connected_sites s where s.id = d.site_id) then 'success'
            else 'pending' end
        where d.wanted_version < excluded.wanted_version
    returning d.id
)
select
    (select count(*) from changed) + (select count(*) from added) as owed,
    -- Users below the version of their own removal: back in a site's scope, or deleted and inserted by two overlapping transactions.
    (select array_agg(distinct p.user_id) from pair p
        where p.action = 'upsert' and (p.needs_version or p.version < p.wanted_version)) as overtaken,
    (select array_agg(distinct p.user_id) from pair p
        where (p.forgettable or p.changes) and not exists (select from forgotten f where f.id = p.delivery_id)
            and not exists (select from changed c where c.id = p.delivery_id)) as again
""".replace("{acked}", _ACKED)

TAKE = """
delete from user_sync_outbox where id in (
    select id from user_sync_outbox
    where case when %(user_ids)s::text[] is null then not_before <= clock_timestamp() else user_id = any (%(user_ids)s::text[]) end
    order by id limit %(limit)s for update skip locked
) returning user_id, case when operation = 'delete' then version end
"""


def retried_on_deadlock(work: Callable[P, R]) -> Callable[P, R]:
    """Runs the work again, at most three times, when PostgreSQL ended it to resolve a deadlock with another fan-out."""

    @wraps(work)
    def wrapper(*args: P.args, **kwargs: P.kwargs) -> R:
        for _ in range(2):
            try:
                return work(*args, **kwargs)
            except OperationalError as error:
                if getattr(error.__cause__, "sqlstate", None) not in {"40P01", "40001"} or connection.in_atomic_block:
                    raise
        return work(*args, **kwargs)

    return wrapper


def owe(
    users: Iterable[tuple[str, int | None]],
    *,
    cause: str,
    actor: str = "",
    site_ids: Sequence[int] | None = None,
    retry_failed: bool = False,
) -> int:
    """Writes down what the sites (all, or those given) are owed about these users as they are now; returns how many deliveries changed.

    `users` are public ids, each with the version of its removal where one is known. Must run inside a transaction
    when the caller takes the users from the outbox. Equal or older states change nothing.
    """
    removals = sorted(users, key=lambda pair: pair[0])
    total = 0
    with connection.cursor() as cursor:
        while removals:
            parameters: dict[str, Any] = {
                "user_ids": [user_id for user_id, _ in removals],
                "removal_versions": [version for _, version in removals],
                "site_ids": None if site_ids is None else list(site_ids),
                "cause": cause,
                "actor": actor,
                "retry_failed": retry_failed,
            }
            cursor.execute(OWE, parameters)
            owed, overtaken, again = cursor.fetchone()
            total += int(owed)
            if overtaken:
                cursor.execute("update user_profiles set version = -1 where user_id = any (%s)", [overtaken])
            # Another transaction was faster. The rows are locked by now, so this ends.
            left = set(again or ())
            removals = [pair for pair in removals if pair[0] in left]
    return total


@retried_on_deadlock
def fan_out(limit: int = CHUNK, *, user_ids: Sequence[str] | None = None, cause: str = "change", actor: str = "") -> int:
    """Takes up to `limit` changes (of these users, or of any) from the outbox and writes down what the sites are owed; returns how many
    changes were taken. What another process is taking, or is about to push (unless the users are given), is left to it."""
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute(TAKE, {"user_ids": None if user_ids is None else list(user_ids), "limit": limit})
            taken = cursor.fetchall()
        if taken:
            owe(taken, cause=cause, actor=actor)
    return len(taken)
