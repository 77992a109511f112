"""The reckoning after a storm: the directory, the hub's log and what arrived at the sites, compared."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from tests.chaos.storm.database import Console
from tests.chaos.storm.sites import Site

LEFT = """
select (select count(*) from user_sync_outbox)
    + (select count(*) from user_sync_delivery where status <> 'success')
    + (select count(*) from user_sync_status where sync_status <> 'success')
    + (select count(*) from user_sync_run where state in ('queued', 'running'))
"""
FELL = """
select count(*) from (
    select version, max(version) over (partition by user_id, site_name order by started_at, id rows unbounded preceding) as highest
    from user_sync_log
) l where version < highest
"""


def is_quiet(console: Console) -> bool:
    """Whether nothing is left to do: no change to fan out, no delivery that is not acknowledged, no run under way."""
    return bool(console.value(LEFT) == 0)


@dataclass
class Reckoning:
    """What is wrong, each with a few examples. All empty is what the hub promises."""

    lost: list[str] = field(default_factory=list)
    """Users whom a site holds otherwise than the directory."""
    stale: list[str] = field(default_factory=list)
    """A lower version claimed, arrived or applied after a higher one."""
    unlogged: list[str] = field(default_factory=list)
    """Message ids that a site received and the log does not know."""
    left: int = 0
    """Changes, deliveries and runs that are not settled."""
    requests: int = 0
    twice: int = 0
    """Messages that arrived more than once."""
    log: Counter[str] = field(default_factory=Counter)

    @property
    def verdict(self) -> str:
        return f"lost {len(self.lost)}, stale {len(self.stale)}, unlogged {len(self.unlogged)}, left {self.left}"

    @property
    def examples(self) -> str:
        return "\n".join([*self.lost[:10], *self.stale[:10], *self.unlogged[:10]])


def reckon(console: Console, sites: Sequence[Site]) -> Reckoning:
    """Compares everything with everything. Call it when nothing is under way."""
    result = Reckoning(left=console.value(LEFT), requests=sum(site.requests for site in sites))
    result.log = Counter(dict(console.execute("select outcome, count(*) from user_sync_log group by outcome")))
    fell = console.value(FELL)
    result.stale += [f"the log: a lower version claimed after a higher one, {fell} times"] * fell
    logged = {row[0] for row in console.execute("select distinct message_id from user_sync_log")}
    lost_rows = set(console.execute("select site_name, user_id, version from user_sync_log where outcome = 'lost'"))
    for site in sites:
        _compare_content(console, site, result)
        _look_for_falls(site, result)
        _look_into_log(site, logged, lost_rows, result)
        assert not site.forged, f"{site.name}: {site.forged} wrong signatures"
    return result


def _compare_content(console: Console, site: Site, result: Reckoning) -> None:
    directory = {
        user_id: tuple(rest)
        for user_id, *rest in console.execute(
            "select user_id, email, full_name, role from user_profiles where is_active and (%s::text[] = '{}' or role = any (%s))",
            site.roles, site.roles,
        )
    }  # fmt: skip
    for user_id in sorted(directory.keys() | site.users.keys()):
        if directory.get(user_id) != site.users.get(user_id):
            result.lost.append(f"{site.name}: {user_id} is {directory.get(user_id)}, the site holds {site.users.get(user_id)}")
            result.lost[-1] += _story(console, site, user_id) if len(result.lost) <= 3 else ""


def _story(console: Console, site: Site, user_id: str) -> str:
    """What the hub and the site say about this user, for whoever looks for the cause."""
    delivery = console.execute(
        "select to_jsonb(d) from user_sync_delivery d join connected_sites s on s.id = site_id where s.name = %s and user_id = %s",
        site.name, user_id,
    )  # fmt: skip
    log = console.execute(
        "select id, type, version, generation, outcome, message_id, cause, started_at, completed_at, error from user_sync_log"
        " where site_name = %s and user_id = %s order by started_at, id",
        site.name, user_id,
    )  # fmt: skip
    user = console.execute("select to_jsonb(u) from user_profiles u where user_id = %s", user_id)
    arrivals = [arrival for arrival in site.arrivals if arrival.user_id == user_id]
    return "".join(f"\n    {line}" for line in [*user, *delivery, *log, *arrivals])


def _look_for_falls(site: Site, result: Reckoning) -> None:
    arrived: dict[str, int] = {}
    applied: dict[str, int] = {}
    for arrival in site.arrivals:
        user_id, version = arrival.user_id, arrival.version
        if version < arrived.get(user_id, 0):
            result.stale.append(f"{site.name}: {user_id} version {version} arrived after {arrived[user_id]}")
        if arrival.applied and site.careful and version < applied.get(user_id, 0):
            result.stale.append(f"{site.name}: {user_id} version {version} applied after {applied[user_id]}")
        arrived[user_id] = max(version, arrived.get(user_id, 0))
        if arrival.applied:
            applied[user_id] = version


def _look_into_log(site: Site, logged: set[str], lost_rows: set[tuple[object, ...]], result: Reckoning) -> None:
    received: dict[str, set[int]] = {}
    for arrival in site.arrivals:
        received.setdefault(arrival.message_id, set()).add(arrival.batch)
        if arrival.message_id in logged:
            continue
        # Of a batch whose sender was killed, the log knows each member by itself.
        if not (site.batch_size > 1 and (site.name, arrival.user_id, arrival.version) in lost_rows):
            result.unlogged.append(f"{site.name}: {arrival.message_id} ({arrival.user_id} version {arrival.version})")
    result.twice += sum(len(requests) > 1 for requests in received.values())
