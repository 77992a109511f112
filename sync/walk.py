"""A run's walk over the users of a site, in key order: whom it owes next, and how many it will owe.

A run over everyone reads the users. One over only what is out of date reads what is known not to be in sync: deliveries that are
pending or failed (each state by its index) and users not fanned out yet. Whatever else could be out of date
(a new, moved, re-scoped or re-activated site) has its site marked for reconcile: such a site, and one with very many open deliveries,
is walked user by user.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from django.db import connection

from sync.models import UNDER_WAY
from sync.resend import OWE_AGAIN

FEW = 5000
"""Open deliveries of a site (and changed users) up to which they are looked through at every step, instead of walking all users once."""

OUT_OF_DATE = """(case
    when user_sync_in_scope(u.is_active, u.role, s.roles) then d.id is null or d.status <> 'success' or d.wanted_action <> 'upsert'
        or d.wanted_version < u.version or d.acked_epoch is distinct from s.epoch
    else d.attempted_version is not null
        and (d.status <> 'success' or d.wanted_action <> 'delete' or d.acked_epoch is distinct from s.epoch) end)"""
"""Whether a user `u` is out of date at a site `s`, given their delivery `d` (or none): what the view `user_sync_status` does not call
success."""

CHOSEN = "(%(user_ids)s::text[] is null or u.user_id = any (%(user_ids)s::text[]))"

CANDIDATES = """(
    select e.user_id from user_sync_delivery e where e.site_id = %(site)s and e.status = 'pending' and e.user_id > %(cursor)s
    union select e.user_id from user_sync_delivery e where e.site_id = %(site)s and e.status = 'failed' and e.user_id > %(cursor)s
    union select o.user_id from user_sync_outbox o where o.user_id > %(cursor)s
)"""

EVERYONE = f"user_profiles u where u.user_id > %(cursor)s and {CHOSEN}"
WALKED = (
    "user_profiles u cross join site s left join user_sync_delivery d on d.site_id = s.id and d.user_id = u.user_id"
    f" where u.user_id > %(cursor)s and {CHOSEN} and {OUT_OF_DATE}"
)
KNOWN = f"{WALKED} and u.user_id = any (array{CANDIDATES})"

SITE = "site as (select s.id, s.roles, s.epoch from connected_sites s where s.id = %(site)s)"

FEED = f"""
with {SITE}, chunk as materialized (
    select u.user_id, u.version, u.is_active, u.role from {{people}} order by u.user_id limit %(limit)s
), pair as materialized (
    select c.user_id, s.id as site_id, c.version, user_sync_in_scope(c.is_active, c.role, s.roles) as belongs,
        -- What the worker delivers when it can is not waited for.
        case when h.quarantined_at is null and h.paused_at is null then %(run)s::bigint end as run_id
    from chunk c cross join site s left join user_sync_site_health h on h.site_id = s.id
), {OWE_AGAIN}
select (select count(*) from chunk), (select max(user_id) from chunk), n from owed
"""  # noqa: S608
COUNT = f"with {SITE} select count(*) from {{people}}"  # noqa: S608

GONE = f"""
select e.id from (
    select id, user_id from user_sync_delivery
    where site_id = %(site)s and status = 'pending' and wanted_action = 'delete' and attempted_version is not null
    union all
    select id, user_id from user_sync_delivery
    where site_id = %(site)s and status = 'failed' and wanted_action = 'delete' and attempted_version is not null
) e
where (%(user_ids)s::text[] is null or e.user_id = any (%(user_ids)s::text[]))
    and not exists (select from user_profiles u where u.user_id = e.user_id) and e.id not in {UNDER_WAY}
"""  # noqa: S608
FEED_GONE = f"""
update user_sync_delivery d set wanted_generation = wanted_generation + 1, tries = 0, next_attempt_at = now(), cause = %(cause)s,
    actor = %(actor)s, status = 'pending',
    run_id = (select case when h.quarantined_at is null and h.paused_at is null then %(run)s::bigint end
        from user_sync_site_health h where h.site_id = d.site_id)
where d.id in (
    select id from user_sync_delivery e where e.id = any (array({GONE})) and e.status in ('pending', 'failed')
    order by e.id for no key update skip locked
)
"""  # noqa: S608
COUNT_GONE = f"select count(*) from ({GONE}) g"  # noqa: S608

STATE = """
select h.reconcile_wanted is distinct from h.reconcile_done,
    h.reconcile_wanted is distinct from h.reconcile_done and h.reconcile_reason not in ('daily', 'asked for'),
    (select count(*) from (select from user_sync_delivery where site_id = %(site)s and status = 'pending' limit %(few)s) p)
    + (select count(*) from (select from user_sync_delivery where site_id = %(site)s and status = 'failed' limit %(few)s) f)
    + (select count(*) from (select from user_sync_outbox limit %(few)s) o) >= %(few)s
from connected_sites s left join user_sync_site_health h on h.site_id = s.id where s.id = %(site)s
"""

OPEN = """
select (select count(*) from user_sync_delivery where site_id = %(site)s and status = 'pending')
    + (select count(*) from user_sync_delivery where site_id = %(site)s and status = 'failed')
"""

SIZE = f"select count(*) from (select from user_profiles limit {FEW}) u"  # noqa: S608

BELONGING = f"""
select s.id, coalesce(sum(g.n), 0) from connected_sites s
left join (select u.is_active, u.role, count(*) as n from user_profiles u where {CHOSEN} group by u.is_active, u.role) g
    on user_sync_in_scope(g.is_active, g.role, s.roles)
group by s.id
"""  # noqa: S608


@dataclass(frozen=True)
class Walk:
    """Whom a run walks at each of its sites. `user_ids` are the chosen users, None for everyone."""

    user_ids: Sequence[str] | None
    only_outdated: bool

    def owe_next(self, site_id: int, cursor: str, limit: int, *, run_id: int, cause: str, actor: str) -> tuple[int, str | None]:
        """Owes the next `limit` users after the cursor once more, and at the end those who are gone; returns the number of deliveries, and
        the cursor behind them, None at the end. In the caller's transaction."""
        parameters = self._parameters(site_id, cursor=cursor, limit=limit, run=run_id, cause=cause, actor=actor)
        with connection.cursor() as at:
            at.execute(FEED.format(people=self._people(site_id)), parameters)
            count, last, owed = at.fetchone()
            if count == limit:
                return owed, last
            at.execute(FEED_GONE, parameters)
            return owed + at.rowcount, None

    def expected(self, site_ids: Sequence[int]) -> dict[int, "Expected"]:
        """How many deliveries the walk will owe at each of these sites, at the cost of one look at the users.

        Exact for what is out of date, where that is known and not very much, or the directory small. An estimate otherwise: the users who
        belong there.
        """
        if not self.only_outdated:
            belonging = self._belonging()
            return {site_id: Expected(belonging.get(site_id, 0), False) for site_id in site_ids}
        states = {site_id: self._state(site_id) for site_id in site_ids}
        if self.user_ids is not None or (any(state.unknown or state.many for state in states.values()) and self._is_small()):
            return {site_id: self._counted(WALKED, site_id) for site_id in site_ids}
        belonging = self._belonging() if any(state.differs for state in states.values()) else {}
        return {site_id: self._guessed(site_id, state, belonging) for site_id, state in states.items()}

    def _people(self, site_id: int) -> str:
        if not self.only_outdated:
            return EVERYONE
        if self.user_ids is not None:
            return WALKED
        state = self._state(site_id)
        return WALKED if state.unknown or state.many else KNOWN

    def _guessed(self, site_id: int, state: "_State", belonging: dict[int, int]) -> "Expected":
        if state.differs:
            return Expected(belonging.get(site_id, 0), False)
        if state.many:
            return Expected(self._number(OPEN, site_id), False)
        return Expected(self._counted(KNOWN, site_id).number, not state.unknown)

    def _counted(self, people: str, site_id: int) -> "Expected":
        return Expected(self._number(COUNT.format(people=people), site_id) + self._number(COUNT_GONE, site_id), True)

    def _is_small(self) -> bool:
        """Whether the directory's users can be looked at one by one."""
        return self._number(SIZE, 0) < FEW

    def _belonging(self) -> dict[int, int]:
        with connection.cursor() as cursor:
            cursor.execute(BELONGING, self._parameters(0))
            return {site_id: int(number) for site_id, number in cursor.fetchall()}

    def _state(self, site_id: int) -> "_State":
        with connection.cursor() as cursor:
            cursor.execute(STATE, {"site": site_id, "few": FEW})
            return _State(*cursor.fetchone() or (False, False, False))

    def _number(self, query: str, site_id: int) -> int:
        with connection.cursor() as cursor:
            cursor.execute(query, self._parameters(site_id, cursor=""))
            return int(cursor.fetchone()[0])

    def _parameters(self, site_id: int, **more: Any) -> dict[str, Any]:
        return {"site": site_id, "user_ids": None if self.user_ids is None else list(self.user_ids), **more}


class Expected(NamedTuple):
    """A number of deliveries, and whether it is certain."""

    number: int
    exact: bool


class _State(NamedTuple):
    """What is known of a site: whether it waits for its reconcile, whether that will certainly find something, and whether much is open."""

    unknown: bool
    differs: bool
    many: bool
