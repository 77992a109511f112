"""Forced resends: send again although nothing changed, by raising the generation."""

from collections.abc import Sequence

from django.db import connection, transaction

from sync import fanout

OWE_AGAIN = """
upserts as (
    insert into user_sync_delivery as d (user_id, site_id, wanted_action, wanted_version, cause, actor, run_id)
    select user_id, site_id, 'upsert', version, %(cause)s, %(actor)s, run_id from pair where belongs
    on conflict (site_id, user_id) do update set
        wanted_action = 'upsert', wanted_version = greatest(d.wanted_version, excluded.wanted_version),
        wanted_generation = d.wanted_generation + 1, tries = 0, next_attempt_at = now(),
        cause = excluded.cause, actor = excluded.actor, run_id = excluded.run_id,
        status = 'pending'
        -- Back in scope, not fanned out yet: the fan-out gives a version above the removal's.
        where d.wanted_action = 'upsert' or greatest(d.wanted_version, d.attempted_version) < excluded.wanted_version
    returning d.id
), removals as (
    update user_sync_delivery d set
        wanted_action = 'delete', wanted_generation = d.wanted_generation + 1,
        -- Another action needs a higher version: a request of before that arrives late must not undo it.
        wanted_version = case when d.wanted_action = 'delete' then greatest(d.wanted_version, p.version)
            else nextval('user_sync_version_seq') end,
        tries = 0, next_attempt_at = now(), cause = %(cause)s, actor = %(actor)s, run_id = p.run_id,
        status = 'pending'
    from pair p
    where not p.belongs and d.site_id = p.site_id and d.user_id = p.user_id and d.attempted_version is not null
    returning d.id
), owed as (
    select (select count(*) from upserts) + (select count(*) from removals) as n
)
"""
"""Owes each row of `pair` (user_id, site_id, version, belongs, run_id) once more. To those who do not belong, the removal, unless nothing
was ever sent. Ends with `owed`, the number of deliveries."""

RESEND = f"""
with pair as materialized (
    select g.user_id, g.site_id, u.version, coalesce(user_sync_in_scope(u.is_active, u.role, s.roles), false) as belongs,
        null::bigint as run_id
    from unnest(%(user_ids)s::text[], %(site_ids)s::bigint[]) as g (user_id, site_id)
    join connected_sites s on s.id = g.site_id and s.is_active
    left join user_profiles u on u.user_id = g.user_id
), {OWE_AGAIN} select n from owed
"""  # noqa: S608


@fanout.retried_on_deadlock
def resend(pairs: Sequence[tuple[str, int]], *, cause: str, actor: str) -> int:
    """Owes each (public user id, site key) once more; returns how many deliveries are owed by that.

    A user who does not belong to the site (inactive, gone, out of scope) gets the removal again, unless nothing was ever sent.
    Inactive sites are left out.
    """
    user_ids = sorted({user_id for user_id, _ in pairs})
    with transaction.atomic():
        fanout.fan_out(len(user_ids) * 10 + 100, user_ids=user_ids)
        # A site's change may not have been reconciled yet.
        fanout.owe([(user_id, None) for user_id in user_ids], cause=cause, actor=actor, site_ids=sorted({site_id for _, site_id in pairs}))
        with connection.cursor() as cursor:
            cursor.execute(
                RESEND,
                {"user_ids": [u for u, _ in pairs], "site_ids": [s for _, s in pairs], "cause": cause, "actor": actor},
            )
            return int(cursor.fetchone()[0])
