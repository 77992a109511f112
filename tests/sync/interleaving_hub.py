"""The hub as a simulation drives it: the functions under test, and what it looks up. A changed signature is one edit here."""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

from django.db import connection, transaction

from sites.models import ConnectedSite
from sync import fanout, reconcile, resend, runs, site_control
from sync.deliver import claim, lost, release, settle, targets
from sync.deliver.claim import Claim
from sync.models import RunSite, SyncRun
from sync.outcomes import Outcome, Verdict

Slots = Sequence[targets.Slot]

ANEW = """
set session_replication_role = replica;
{empty}
set session_replication_role = origin;
insert into connected_sites (name, display_name, url, timeout, max_in_flight, batch_size)
    values ('one', 'One', 'http://127.0.0.1:9', 10, 2, 1), ('many', 'Many', 'http://127.0.0.1:9', 10, 1, 3);
"""
TABLES = (
    "user_profiles",
    "user_sync_outbox",
    "user_sync_delivery",
    "user_sync_lease",
    "user_sync_log",
    "user_sync_run_site",
    "user_sync_run",
    "user_sync_site_health",
    "site_credentials",
    "connected_sites",
)
_examples = 0


@fanout.retried_on_deadlock
def run(statement: str, *parameters: Any) -> list[tuple[Any, ...]]:
    """One statement in a transaction of its own, and its rows. As all that the hub itself does, it goes again after a deadlock: one that
    touches many deliveries at a time, beside senders that do the same, can lose."""
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters or None)
        return cursor.fetchall() if cursor.description else []


def anew() -> list[int]:
    """An empty hub with two sites; returns their keys."""
    global _examples
    _examples += 1
    # Emptying by delete is the faster way, but leaves dead rows.
    if _examples % 100 == 1:
        run(ANEW.format(empty=f"truncate {', '.join(TABLES)} cascade;"))
    else:
        run(ANEW.format(empty="".join(f"delete from {table};" for table in TABLES)))
    return [key for (key,) in run("select id from connected_sites order by id")]


def look() -> Slots:
    return targets.open_slots()


def take(slots: Slots, *, user_ids: Sequence[str] | None = None, run_id: int | None = None, waits: bool = True) -> list[Claim]:
    if waits:
        return claim.claim(slots, user_ids=user_ids, run_id=run_id)
    return claim.claim_uncontended(slots, user_ids=user_ids, run_id=run_id, keep_plan=True).claims


def answer(answers: Sequence[tuple[Claim, str]]) -> set[str]:
    """Settles what came of these claims; returns the leases that were still held."""
    attempts = [
        settle.Attempt(item, _verdict(how), item.message.message_id, 200 if how == "delivered" else None, 0.01) for item, how in answers
    ]
    return set(settle.settle(attempts, keep_plan=len(attempts) > 1))


def _verdict(how: str) -> Verdict:
    if how == "no connection":
        return Verdict(Outcome.TRANSIENT, "no connection", connection_failed=True)
    if how == "throttled":
        return Verdict(Outcome.THROTTLED, "wait", retry_after=60.0)
    return Verdict(Outcome(how), "" if how == "delivered" else how)


def give_back(claims: Sequence[Claim]) -> None:
    release.release(claims)


def free() -> int:
    return lost.free_lost()


def give_up(token: str) -> set[str]:
    """A sender has no answer to the request that this attempt is part of; returns all attempts of that request."""
    found = run("select id, tokens::text[] from user_sync_lease where %s::uuid = any (tokens)", token)
    lost.give_up([lease for lease, _ in found])
    return {each for _, tokens in found for each in tokens}


def fan_out(limit: int) -> int:
    return fanout.fan_out(limit)


def walk(limit: int) -> bool:
    """One chunk of reconcile."""
    return reconcile.step(limit)


def compare_all() -> None:
    """What happens every day: all sites are marked for reconcile."""
    reconcile.request_all("daily")


def send_again(user_ids: Sequence[str], site_ids: Sequence[int]) -> None:
    resend.resend([(user_id, site_id) for user_id in user_ids for site_id in site_ids], cause="api", actor="ann")


def start_run(scope: str, user_ids: Sequence[str] | None) -> SyncRun:
    return runs.start(cause="sync_all", scope=scope, user_ids=user_ids)[0]


def open_runs() -> list[SyncRun]:
    return list(SyncRun.objects.filter(state__in=["queued", "running"]).order_by("id"))


def feed(item: SyncRun) -> bool:
    """A step of a process that feeds this run and then ends without a word; returns whether the run is over."""
    return runs.Feeder(item).step()


def cancel(item: SyncRun) -> None:
    runs.cancel(item)


def parts() -> list[RunSite]:
    return list(RunSite.objects.select_related("run"))


def pause(site_id: int) -> None:
    """A person has the site wait."""
    site_control.pause_site(ConnectedSite.objects.get(pk=site_id))


def resume(site_id: int) -> None:
    """A person ends the site's pause, quarantine or wait."""
    site_control.resume_site(ConnectedSite.objects.get(pk=site_id))


def leased() -> set[str]:
    return {token for (token,) in run("select unnest(tokens)::text from user_sync_lease")}


def expired() -> set[str]:
    return {token for (token,) in run("select unnest(tokens)::text from user_sync_lease where until < now()")}


def expire(tokens: Sequence[str]) -> None:
    """Whole requests, with whatever else travels in them."""
    run("update user_sync_lease set until = now() - interval '1 second' where tokens && %s::uuid[]", list(tokens))


LATER = (
    "update user_sync_delivery set next_attempt_at = now() - interval '1 second' where status = 'pending' and next_attempt_at > now()",
    "update user_sync_outbox set not_before = now() - interval '1 second' where not_before > now()",
    "update user_sync_run set lease_until = now() - interval '1 second' where lease_until > now()",
    "update user_sync_site_health set throttled_until = least(throttled_until, now() - interval '1 second'),"
    " next_probe_at = least(next_probe_at, now() - interval '1 second') where throttled_until > now() or next_probe_at > now()",
)


def pass_time(*, at_once: bool = True) -> None:
    """The clock jumps over every wait, but not over a lease of a delivery."""
    for statement in [";".join(LATER)] if at_once else LATER:
        run(statement)


@contextmanager
def together() -> Iterator[None]:
    """What is run within is one transaction."""
    with transaction.atomic():
        yield


class Shown(NamedTuple):
    """A row of the view, with what the directory says of the user."""

    user_id: str
    site_id: int
    epoch: int
    status: str
    in_scope: bool
    content: tuple[str, str, str]


SHOWN = """
select v.user_id, v.site_id, s.epoch, v.sync_status, v.in_scope, u.email, u.full_name, u.role
from user_sync_status v join connected_sites s on s.id = v.site_id left join user_profiles u on u.user_id = v.user_id
"""


def shown() -> list[Shown]:
    return [Shown(*row[:5], content=row[5:]) for row in run(SHOWN)]


def state() -> list[tuple[Any, ...]]:
    """All deliveries, leases, and the progress of all runs."""
    return run(
        "select to_jsonb(d) from user_sync_delivery d union all select to_jsonb(l) from user_sync_lease l"
        " union all select to_jsonb(r) from user_sync_run_site r order by 1"
    )


def log() -> dict[str, list[tuple[Any, ...]]]:
    """The rows of the log by attempt."""
    found: dict[str, list[tuple[Any, ...]]] = {}
    for token, *row in run("select attempt_id::text, message_id, version, type, cause, actor, run_id from user_sync_log"):
        found.setdefault(token, []).append(tuple(row))
    return found


class Left(NamedTuple):
    """What is left to do besides sending."""

    changes: int
    marked: int
    runs: int
    failed: list[tuple[str, int]]


LEFT = """
select (select count(*) from user_sync_outbox),
    (select count(*) from user_sync_site_health where reconcile_wanted <> reconcile_done),
    (select count(*) from user_sync_run where state in ('queued', 'running')),
    (select coalesce(json_agg(json_build_array(user_id, site_id)), '[]') from user_sync_delivery where status = 'failed')
"""


def left() -> Left:
    changes, marked, runs_open, failed = run(LEFT)[0]
    return Left(changes, marked, runs_open, json.loads(failed) if isinstance(failed, str) else failed)
