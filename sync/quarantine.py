"""Quarantine: a broken site is paused as a whole, so that its deliveries wait without using up their tries, until a probe is answered."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.db import connection
from django.utils import timezone

from sync.models import SiteHealth
from sync.outcomes import Outcome, Verdict

FAILURES = 10
USERS = 3
CONNECTION_FAILURES = 3
SUCCESS_NOTED_EVERY = timedelta(seconds=5)
PROBE_EVERY = timedelta(minutes=1)

_FAILING = frozenset({Outcome.TRANSIENT, Outcome.SITE_BROKEN})


@dataclass
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
        self.probed = self.probed or probe
        self.names_users = self.names_users or verdict.names_user
        if verdict.outcome in _FAILING:
            self.failures += 1
            self.connection_failures = self.connection_failures + 1 if verdict.connection_failed else 0
            self.last_error = verdict.error
            if user_id not in self.users:
                self.users.append(user_id)
            return
        self.reopened, self.failures, self.connection_failures, self.users = True, 0, 0, []
        self.delivered = self.delivered or verdict.outcome is Outcome.DELIVERED
        if verdict.outcome is Outcome.THROTTLED:
            self.throttle, self.last_error = verdict.retry_after, verdict.error


def record(results: Iterable[tuple[int, str, Verdict, bool]]) -> None:
    """Takes in attempts as (site id, user id, verdict, was it a probe) and opens or closes quarantines, within the settle's transaction."""
    tallies: dict[int, _Tally] = {}
    for site_id, user_id, verdict, probe in results:
        tallies.setdefault(site_id, _Tally()).add(user_id, verdict, probe)
    now = timezone.now()
    # A site that is well and stays well is not written at every settle: its row would be the one that all senders queue for.
    told = [h.site_id for h in SiteHealth.objects.filter(site_id__in=tallies) if _is_news(h, tallies[h.site_id], now)]
    # In key order, so that two settles cannot wait for each other.
    for health in SiteHealth.objects.select_for_update(no_key=True).filter(site_id__in=told).order_by("site_id"):
        _apply(health, tallies[health.site_id], now)


def _is_news(health: SiteHealth, tally: _Tally, now: datetime) -> bool:
    if tally.failures or tally.throttle is not None or tally.probed or (tally.names_users and not health.confirms_ids):
        return True
    if health.failures_in_row or health.quarantined_at:
        return True
    return tally.delivered and (health.last_success_at is None or now - health.last_success_at > SUCCESS_NOTED_EVERY)


def _apply(health: SiteHealth, tally: _Tally, now: datetime) -> None:
    before = 0 if tally.reopened else 1
    health.failures_in_row = health.failures_in_row * before + tally.failures
    unbroken = before and tally.connection_failures == tally.failures
    health.connection_failures_in_row = (health.connection_failures_in_row if unbroken else 0) + tally.connection_failures
    known = health.failing_users if before else []
    health.failing_users = [*known, *(user for user in tally.users if user not in known)][:USERS]
    health.confirms_ids = health.confirms_ids or tally.names_users
    if tally.delivered:
        health.last_success_at = now
    if tally.last_error:
        health.last_failure_at, health.last_error = now, tally.last_error
    if tally.throttle is not None:
        health.throttled_until = now + timedelta(seconds=tally.throttle)
    if health.quarantined_at and tally.reopened:
        close(health)
    elif health.quarantined_at and tally.probed:
        health.next_probe_at = now + PROBE_EVERY
    elif not health.quarantined_at and _broken(health):
        health.quarantined_at, health.quarantine_reason, health.next_probe_at = now, tally.last_error, now + PROBE_EVERY
    health.save()


def _broken(health: SiteHealth) -> bool:
    if health.connection_failures_in_row >= CONNECTION_FAILURES:
        return True
    if health.failures_in_row < FAILURES:
        return False
    return len(health.failing_users) >= USERS or _owed_users(health.site_id) <= len(health.failing_users)


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
