"""Leases: which deliveries are under way. One a request; `claim` makes them, and whoever ends one ends it here."""

from collections.abc import Iterable

from django.db import connection

from sync.deliver import kept

END = """
delete from user_sync_lease where id = any (array(
    -- Lease by lease, however few the planner takes them for: read in the other order, those would be read that ended long ago.
    select l.id from unnest(%(ids)s::bigint[], %(deliveries)s::text[]) as g (id, deliveries)
    cross join lateral (
        select l.id from user_sync_lease l where l.id = g.id and l.delivery_ids = g.deliveries::bigint[] offset 0
    ) l
)) returning id
"""

HELD = "select id, delivery_ids from user_sync_lease where id = any (%s) order by id for update"

SHORTEN = """
update user_sync_lease l
set (delivery_ids, tokens, versions, generations, causes, actors, run_ids) = (
    select array_agg(t.delivery_id order by t.n), array_agg(t.token order by t.n), array_agg(t.version order by t.n),
        array_agg(t.generation order by t.n), array_agg(t.cause order by t.n), array_agg(t.actor order by t.n),
        array_agg(t.run_id order by t.n)
    from unnest(l.delivery_ids, l.tokens, l.versions, l.generations, l.causes, l.actors, l.run_ids) with ordinality
        as t (delivery_id, token, version, generation, cause, actor, run_id, n)
    where t.delivery_id <> all (g.deliveries::bigint[])
)
from unnest(%(ids)s::bigint[], %(deliveries)s::text[]) as g (id, deliveries) where l.id = g.id
"""


def end(pairs: Iterable[tuple[int, int]], *, keep_plan: bool = False) -> set[tuple[int, int]]:
    """Takes these deliveries out of their leases, each given as (lease, delivery); returns those that were still in theirs. A lease
    that nothing is left of is gone. Must run inside a transaction. `keep_plan`: see `kept.fetch`."""
    given: dict[int, list[int]] = {}
    for lease, delivery_id in pairs:
        given.setdefault(lease, []).append(delivery_id)
    if not given:
        return set()
    ended = kept.fetch(END, _parameters(given), keep_plan=keep_plan)
    held = {(lease, delivery_id) for (lease,) in ended for delivery_id in given.pop(lease)}
    return held | _some_of(given) if given else held


def _some_of(given: dict[int, list[int]]) -> set[tuple[int, int]]:
    """Of leases of which only some deliveries are given, or which were freed meanwhile."""
    with connection.cursor() as cursor:
        cursor.execute(HELD, [list(given)])
        left = dict(cursor.fetchall())
        # In the order that the lease has them: it is compared as a whole.
        ended = {lease: list(filter(set(given[lease]).__contains__, left[lease])) for lease in left}
        cursor.execute(SHORTEN, _parameters({lease: found for lease, found in ended.items() if found and len(found) < len(left[lease])}))
        cursor.execute(END, _parameters({lease: found for lease, found in ended.items() if len(found) == len(left[lease])}))
    return {(lease, delivery_id) for lease, found in ended.items() for delivery_id in found}


def _parameters(given: dict[int, list[int]]) -> dict[str, str]:
    return {"ids": kept.array(given), "deliveries": kept.array([f'"{kept.array(each)}"' for each in given.values()])}
