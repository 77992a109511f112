"""Settle: what an answer meant becomes the delivery's state, the attempt's log row, the site's health and the run's progress, together."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import orjson
from django.db import connection, transaction

from sync import backoff, fanout, payloads, quarantine, redact
from sync.deliver import kept, leases, log
from sync.deliver.claim import Claim
from sync.outcomes import Outcome, Verdict

_CHANGED = """(d.wanted_version > g.version or d.wanted_generation > g.generation or d.wanted_action <> d.attempted_action
            or s.epoch <> g.epoch)"""
"""Of the row that is updated, never of one read beside it: where a fan-out held the row, only this one is as the fan-out left it."""

SETTLE = """
with in_its_own_time as materialized (
    -- Should the server fall over before it has written this down, the lease expires and the delivery is tried again: no need to wait.
    select set_config('synchronous_commit', 'off', true)
), given as materialized (
    select n as ordinal, delivery_id, version, generation, epoch, run_id, true as ok, digest, null as remote_id, null as error,
        null::float8 as delay, false as keep_try, false as spent
    from in_its_own_time, unnest(%(ids)s::bigint[], %(versions)s::bigint[], %(generations)s::int[], %(epochs)s::bigint[],
        %(run_ids)s::bigint[], %(digests)s::text[]) with ordinality as t (delivery_id, version, generation, epoch, run_id, digest, n)
    union all
    select g.* from in_its_own_time, jsonb_to_recordset(%(others)s::jsonb) as g (
        ordinal bigint, delivery_id bigint, version bigint, generation int, epoch bigint, run_id bigint, ok boolean, digest text,
        remote_id text, error text, delay float8, keep_try boolean, spent boolean
    )
), settled as (
    update user_sync_delivery d set
        acked_action = case when g.ok then d.attempted_action else d.acked_action end,
        acked_version = case when g.ok then g.version else d.acked_version end,
        acked_generation = case when g.ok then g.generation else d.acked_generation end,
        acked_epoch = case when g.ok then g.epoch else d.acked_epoch end,
        attempted_version = g.version, attempted_generation = g.generation, attempted_epoch = g.epoch,
        -- After an acknowledged removal the site knows the user under no email.
        acked_email = case when g.ok and d.attempted_action = 'delete' then null when g.ok then d.attempted_email else d.acked_email end,
        attempted_email = case when g.ok and d.attempted_action = 'delete' then null else d.attempted_email end,
        acked_digest = case when g.ok then g.digest else d.acked_digest end,
        remote_id = coalesce(g.remote_id, d.remote_id),
        last_synced_at = case when g.ok then clock_timestamp() else d.last_synced_at end,
        last_error = coalesce(g.error, ''),
        status = case when {changed} then 'pending' when g.ok then 'success' when g.spent then 'failed' else 'pending' end,
        -- Changed while under way and accepted: send the newer state now. Otherwise the wait that the outcome asks for.
        next_attempt_at = case when {changed} and (g.ok or g.spent) then clock_timestamp()
            when g.ok or g.spent then null else clock_timestamp() + make_interval(secs => coalesce(g.delay, 0)) end,
        tries = case when {changed} then 0 when g.keep_try then d.tries else d.tries + 1 end,
        -- What another run owes meanwhile stays that run's.
        run_id = case when d.run_id is distinct from g.run_id then d.run_id end
    from given g, connected_sites s
    where d.id = g.delivery_id and s.id = d.site_id
    returning g.ordinal, d.status, d.site_id, g.ok, g.run_id
), progress as (
    update user_sync_run_site r set succeeded = r.succeeded + t.good, failed = r.failed + t.bad
    from (
        select run_id, site_id, count(*) filter (where ok) as good, count(*) filter (where not ok) as bad
        from settled where run_id is not null group by run_id, site_id
    ) t
    where r.run_id = t.run_id and r.site_id = t.site_id
)
select status, array_agg(ordinal) from settled group by status
""".replace("{changed}", _CHANGED)

AFTER_REMOVAL = """
with removed as (
    select * from unnest(%(sites)s::bigint[], %(emails)s::text[], %(user_ids)s::text[]) as t (site_id, email, user_id)
)
update user_sync_delivery d set
    wanted_generation = d.wanted_generation + 1, tries = 0, next_attempt_at = clock_timestamp(), cause = 'removal', status = 'pending'
from removed r
join user_profiles u on lower(u.email) = lower(r.email) and u.user_id <> r.user_id
where d.site_id = r.site_id and d.user_id = u.user_id and d.wanted_action = 'upsert' and d.attempted_version is not null
"""

FORGET = """
delete from user_sync_delivery d where d.id = any (%(ids)s) and d.status = 'success' and d.acked_action = 'delete'
    and not exists (select from user_profiles u where u.user_id = d.user_id)
"""


@dataclass(slots=True)  # not frozen, which takes six times as long to make; nothing changes it
class Attempt:
    """A claim that was sent (or could not be), and what came of it. `duration` is seconds."""

    claim: Claim
    verdict: Verdict
    message_id: str
    http_code: int | None = None
    duration: float | None = None
    response: bytes = b""


@fanout.retried_on_deadlock
@transaction.atomic(durable=True)
def settle(attempts: Sequence[Attempt], *, keep_plan: bool = False) -> dict[str, str]:
    """Writes down what came of these attempts, all in one transaction and in a fixed number of statements.

    A delivery whose lease is no longer ours keeps its state; only the log gains a row. Returns the new status by lease token.
    `keep_plan`: see `kept.fetch`.
    """
    if not attempts:
        return {}
    held = leases.end([(attempt.claim.lease, attempt.claim.delivery_id) for attempt in attempts], keep_plan=keep_plan)
    # Of those that are simply delivered there is little to say, so that is said the cheapest way; they are numbered first.
    plain: list[Attempt] = []
    others: list[Attempt] = []
    for attempt in attempts:
        if (attempt.claim.lease, attempt.claim.delivery_id) in held:
            (plain if _is_plain(attempt) else others).append(attempt)
    ordered = [*plain, *others]
    parameters = _of_plain(plain) | {"others": orjson.dumps([_given(n, a) for n, a in enumerate(others, len(plain) + 1)]).decode()}
    settled = [(ordered[n - 1], status) for status, found in kept.fetch(SETTLE, parameters, keep_plan=keep_plan) for n in found]
    with connection.cursor() as cursor:
        statuses = {attempt.claim.token: status for attempt, status in settled}
        removed = [a.claim for a, status in settled if status == "success" and a.claim.message.action == "delete"]
        if removed:
            cursor.execute(
                AFTER_REMOVAL,
                {
                    "sites": [claim.target.site_id for claim in removed],
                    "emails": [claim.message.email for claim in removed],
                    "user_ids": [claim.message.user_id for claim in removed],
                },
            )
            cursor.execute(FORGET, {"ids": [claim.delivery_id for claim in removed]})
        now = log.moment(datetime.now(UTC))
        answers = redact.response_texts([attempt.response for attempt in attempts])
        log.write(cursor, [_log_row(a, statuses.get(a.claim.token), answer, now) for a, answer in zip(attempts, answers, strict=True)])
    quarantine.record(
        (attempt.claim.target.site_id, attempt.claim.message.user_id, attempt.verdict, attempt.claim.probe)
        for attempt in attempts
        if attempt.claim.token in statuses
    )
    return statuses


def already_logged(attempts: Sequence[Attempt]) -> set[str]:
    """The lease tokens of those of these attempts that are in the log already."""
    with connection.cursor() as cursor:
        cursor.execute(
            "select attempt_id::text from user_sync_log where message_id = any (%s) and attempt_id = any (%s::uuid[])",
            [[attempt.message_id for attempt in attempts], [attempt.claim.token for attempt in attempts]],
        )
        return {row[0] for row in cursor.fetchall()}


def _is_plain(attempt: Attempt) -> bool:
    claim, verdict = attempt.claim, attempt.verdict
    return verdict.outcome is Outcome.DELIVERED and verdict.remote_id is None and not claim.probe and claim.message.previous_email is None


def _of_plain(attempts: Sequence[Attempt]) -> dict[str, str]:
    claims = [attempt.claim for attempt in attempts]
    return {
        "ids": kept.array([claim.delivery_id for claim in claims]),
        "versions": kept.array([claim.message.version for claim in claims]),
        "generations": kept.array([claim.generation for claim in claims]),
        "epochs": kept.array([claim.target.epoch for claim in claims]),
        "run_ids": kept.array(["null" if claim.run_id is None else claim.run_id for claim in claims]),
        "digests": kept.array([payloads.digest(claim.message) for claim in claims]),
    }


def _given(ordinal: int, attempt: Attempt) -> dict[str, Any]:
    claim, verdict = attempt.claim, attempt.verdict
    given: dict[str, Any] = {
        "ordinal": ordinal,
        "delivery_id": claim.delivery_id,
        "version": claim.message.version,
        "generation": claim.generation,
        "epoch": claim.target.epoch,
        "ok": verdict.outcome is Outcome.DELIVERED,
    }
    if claim.run_id is not None:
        given["run_id"] = claim.run_id
    if verdict.remote_id is not None:
        given["remote_id"] = verdict.remote_id
    # A throttled request spends no try, nor does a probe.
    given["keep_try"] = keep_try = verdict.outcome is Outcome.THROTTLED or claim.probe
    if verdict.outcome is Outcome.DELIVERED:
        given["digest"] = payloads.digest(claim.message)
        if claim.message.previous_email:
            given["error"] = _note(attempt)
        return given
    wait = backoff.delay_after(claim.tries)
    given["error"] = verdict.error
    given["spent"] = verdict.outcome is Outcome.PERMANENT or (wait is None and not keep_try)
    if claim.probe:
        # Behind all others, so that the next probe takes the one probed longest ago. When the site reopens, all are due at once.
        wait = backoff.SCHEDULE[-1]
    given["delay"] = verdict.retry_after if verdict.retry_after is not None else (wait.total_seconds() if wait else 0.0)
    return given


def _note(attempt: Attempt) -> str:
    """What stays to be said although the site accepted."""
    message = attempt.claim.message
    confirmed = attempt.verdict.names_user or attempt.claim.target.confirms_ids
    if message.previous_email and not confirmed:
        return f"The email changed from {message.previous_email}; this site never confirmed ids, so the old account may remain there"
    return ""


def _log_row(attempt: Attempt, status: str | None, answer: str, now: int) -> tuple[Any, ...]:
    claim, verdict, message = attempt.claim, attempt.verdict, attempt.claim.message
    result = (
        "success"
        if verdict.outcome is Outcome.DELIVERED
        else "failed"
        if status == "failed" or verdict.outcome is Outcome.PERMANENT
        else "pending"
    )
    return (
        bytes.fromhex(claim.token.replace("-", "")),
        message.user_id,
        message.email,
        claim.target.site_id,
        claim.target.name,
        message.action,
        message.version,
        claim.generation,
        log.document(message.encoded),
        result,
        verdict.outcome,
        attempt.http_code,
        None if attempt.duration is None else round(attempt.duration * 1000),
        verdict.error,
        answer,
        attempt.message_id,
        claim.cause,
        claim.actor,
        claim.run_id,
        log.moment(claim.started_at),
        now,
    )
