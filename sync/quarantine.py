"""Quarantine: a broken site is paused as a whole, so that its deliveries wait without using up their tries, until a probe is answered."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.db import connection

from sync import site_history
from sync.models import SiteEvent, SiteHealth
from sync.outcomes import Outcome, Verdict

FAILURES = 10
USERS = 3
TWICE = 2
CONNECTION_FAILURES = 3
SUCCESS_NOTED_EVERY = timedelta(seconds=5)
WAIT_NOTED_EVERY = timedelta(minutes=1)
"""A site that asks for a second's wait again and again fills its history with one event, not with thousands."""
PROBE_EVERY = timedelta(minutes=1)

_FAILING = frozenset({Outcome.TRANSIENT, Outcome.SITE_BROKEN})
_DELIVERED = Outcome.DELIVERED


@dataclass(slots=True)
class _Tally:
    """What a group of attempts says about one site, in order."""

    reopened: bool = False
    failures: int = 0
    connection_failures: int = 0
    users: list[str] = field(default_factory=list)
    last_error: str = ""
    throttle: float | None = None
    delivered: bool = False
    names_users: bool = False
    probed: bool = False

    def add(self, user_id: str, verdict: Verdict, probe: bool) -> None:
        # Asked of every delivery, and nearly all are delivered: that comes first, and as little as can be.
        outcome = verdict.outcome
        if probe:
            self.probed = True
        if verdict.names_user:
            self.names_users = True
        if outcome is _DELIVERED:
            self.delivered = True
        elif outcome in _FAILING:
            self.failures += 1
            self.connection_failures = self.connection_failures + 1 if verdict.connection_failed else 0
            self.last_error = verdict.error
            self.users.append(user_id)
            return
        elif outcome is Outcome.THROTTLED:
            # Answers to requests that were under way together come in any order.
            self.throttle, self.last_error = max(self.throttle or 0.0, verdict.retry_after or 0.0), verdict.error
        if self.failures or not self.reopened:
            self.reopened, self.failures, self.connection_failures, self.users = True, 0, 0, []


# Asked at every settle: compiling the same by the ORM takes longer than PostgreSQL does.
_LOOK = """
select site_id, failures_in_row > 0 or quarantined_at is not null, confirms_ids,
    last_success_at is null or statement_timestamp() - last_success_at > make_interval(secs => %s), statement_timestamp()
from user_sync_site_health where site_id = any (%s)
"""


def record(results: Iterable[tuple[int, str, Verdict, bool]]) -> None:
    """Takes in attempts as (site id, user id, verdict, was it a probe) and opens or closes quarantines, within the settle's transaction."""
    tallies: defaultdict[int, _Tally] = defaultdict(_Tally)
    for site_id, user_id, verdict, probe in results:
        tallies[site_id].add(user_id, verdict, probe)
    # By the database's clock, which every sender compares with: the machines' own may differ.
    with connection.cursor() as cursor:
        cursor.execute(_LOOK, [SUCCESS_NOTED_EVERY.total_seconds(), list(tallies)])
        known = cursor.fetchall()
    # A site that is well and stays well is not written at every settle: its row would be the one that all senders queue for.
    told = [site_id for site_id, *health, _ in known if _is_news(tallies[site_id], *health)]
    if not told:
        return
    now = known[0][-1]
    # In key order, so that two settles cannot wait for each other.
    for health in SiteHealth.objects.select_for_update(no_key=True).filter(site_id__in=told).order_by("site_id"):
        _apply(health, tallies[health.site_id], now)


def _is_news(tally: _Tally, ailing: bool, confirms_ids: bool, long_ago: bool) -> bool:
    if tally.failures or tally.throttle is not None or tally.probed or (tally.names_users and not confirms_ids):
        return True
    return ailing or (tally.delivered and long_ago)


def _apply(health: SiteHealth, tally: _Tally, now: datetime) -> None:
    before = 0 if tally.reopened else 1
    health.failures_in_row = health.failures_in_row * before + tally.failures
    unbroken = before and tally.connection_failures == tally.failures
    health.connection_failures_in_row = (health.connection_failures_in_row if unbroken else 0) + tally.connection_failures
    health.failing_users = _twice_at_most(health.failing_users if before else [], tally.users)
    health.confirms_ids = health.confirms_ids or tally.names_users
    if tally.delivered:
        health.last_success_at = now
    if tally.last_error:
        health.last_failure_at, health.last_error = now, tally.last_error
    if tally.throttle is not None:
        _wait(health, now + timedelta(seconds=tally.throttle), tally.last_error)
    if health.quarantined_at and tally.reopened:
        site_history.note(health.site_id, SiteEvent.Kind.REOPENED, reason="The site answered again: what waited is due.")
        close(health)
    elif health.quarantined_at and tally.probed:
        health.next_probe_at = _next_probe(health, now)
    elif not health.quarantined_at and _broken(health):
        health.quarantined_at, health.quarantine_reason, health.next_probe_at = now, tally.last_error, now + PROBE_EVERY
        site_history.note(health.site_id, SiteEvent.Kind.QUARANTINED, reason=tally.last_error)
    health.save()


def _wait(health: SiteHealth, until: datetime, reason: str) -> None:
    before = health.throttled_until
    if before is None or until - before > WAIT_NOTED_EVERY:
        site_history.note(health.site_id, SiteEvent.Kind.THROTTLED, reason=reason)
    health.throttled_until = until if before is None else max(before, until)


def _next_probe(health: SiteHealth, now: datetime) -> datetime:
    """A minute after the last one was due, not after it ended: a probe may hang for as long as the site's timeout."""
    began = max(health.next_probe_at or now, now - timedelta(seconds=health.site.timeout))
    return max(now, began + PROBE_EVERY)


def _twice_at_most(known: list[str], users: list[str]) -> list[str]:
    """The first three users who failed in a row, each as often as it did, up to twice."""
    failing = list(known)
    for user in users:
        if user in failing:
            if failing.count(user) < TWICE:
                failing.append(user)
        elif len(set(failing)) < USERS:
            failing.append(user)
    return failing


def _broken(health: SiteHealth) -> bool:
    """Whether the failures in a row speak of the site, and not of a user or two.

    A user's second failure, five seconds after the first, counts for more than a third user's first: few may be owed anything right now,
    and their third try is minutes away.
    """
    users = set(health.failing_users)
    failed_twice = sum(health.failing_users.count(user) == TWICE for user in users)
    connections = health.connection_failures_in_row
    if connections >= CONNECTION_FAILURES or (connections >= TWICE and failed_twice):
        return True
    if failed_twice >= USERS:
        return True
    if health.failures_in_row < FAILURES:
        return False
    return len(users) >= USERS or _owed_users(health.site_id) <= len(users)


def _owed_users(site_id: int) -> int:
    """How many users this site has, counted to three: with fewer than three of them, all failing is enough."""
    with connection.cursor() as cursor:
        cursor.execute("select count(*) from (select from user_sync_delivery where site_id = %s limit %s) d", [site_id, USERS])
        return int(cursor.fetchone()[0])


def close(health: SiteHealth) -> None:
    """Ends a quarantine: what waits is due now. The caller saves."""
    health.quarantined_at = health.next_probe_at = None
    health.quarantine_reason = ""
    health.failures_in_row = health.connection_failures_in_row = 0
    health.failing_users = []
    with connection.cursor() as cursor:
        cursor.execute(
            "update user_sync_delivery set next_attempt_at = now() where site_id = %s and status = 'pending' and next_attempt_at > now()",
            [health.site_id],
        )
