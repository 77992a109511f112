"""Item 1: one user a request, through one worker, beside a bare pycurl loop on the same sink."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from tests.bench import bare, seed, servers
from tests.bench.database import Database
from tests.bench.rounds import delivered, position
from tests.bench.table import Row, at_least, at_most, say
from tests.bench.worker import Worker, worker

SITES, EACH, USERS = 10, 8, 1000
ROUNDS, MOST_ROUNDS = 5, 8
DELAY = 0.02
FAIR_SHARE = 0.15
"""Of what wrk gets out of the sink; a baseline below it was disturbed."""


@dataclass(frozen=True)
class Ours:
    """One round of 10,000 deliveries, all logged and settled."""

    rate: float
    """A second, from the commit of the change to the last settle: fan-out included."""
    sending: float
    """A second, from the first claim to the last settle."""
    cpu: float
    """Milliseconds of the worker's CPU for each."""


def _fast(db: Database) -> list[Row]:
    with servers.nginx(SITES) as urls, _hub(db, urls, USERS) as process:
        rounds: list[tuple[float, bare.Measured, Ours]] = []
        for number in range(MOST_ROUNDS):
            wrk = servers.wrk(urls[0], connections=SITES * EACH, seconds=2)
            baseline = bare.loop(urls, each=EACH, requests=USERS * SITES)
            ours = one_round(db, process, number, USERS, SITES)
            kept = baseline.rate >= FAIR_SHARE * wrk
            say(
                f"  wrk {wrk:,.0f}/s; bare pycurl {baseline.rate:,.0f}/s, {baseline.cpu:.3f} ms; ours {ours.rate:,.0f}/s"
                f" ({ours.sending:,.0f}/s from first claim to last settle), {ours.cpu:.3f} ms" + ("" if kept else "; thrown away")
            )
            if kept:
                rounds.append((wrk, baseline, ours))
            if len(rounds) == ROUNDS:
                break
    if not rounds:
        return [Row("1 single-user requests", "no baseline reached its share of wrk", f"≥ {FAIR_SHARE} × wrk", False)]
    reached = max(baseline.rate for _, baseline, _ in rounds)
    best = max(ours.sending for _, _, ours in rounds)
    return [
        Row("1 sink: wrk", f"{max(wrk for wrk, _, _ in rounds):,.0f}/s"),
        Row("1 baseline: bare pycurl, 10 sites × 8", f"{reached:,.0f}/s, {min(b.cpu for _, b, _ in rounds):.3f} ms each"),
        at_least("1 ours ÷ baseline, first claim to last settle", best / reached, 0.30, note=f" ({best:,.0f}/s)"),
        Row("1 ours from the commit on, fan-out included", f"{max(ours.rate for _, _, ours in rounds):,.0f}/s"),
        at_most("1 the worker's CPU for each", min(ours.cpu for _, _, ours in rounds), 0.3, "ms"),
    ]


def _slow(db: Database) -> list[Row]:
    possible = SITES * EACH / 0.022
    with servers.sink(SITES, delay=DELAY) as urls, _hub(db, urls, USERS) as process:
        able = servers.wrk(urls[0], connections=400, seconds=2)
        alike = servers.wrk(urls[0], connections=SITES * EACH, seconds=2)
        rounds = []
        for number in range(3):
            ours = one_round(db, process, number, USERS, SITES)
            say(f"  sites that take 20 ms: ours {ours.rate:,.0f}/s ({ours.sending:,.0f}/s from first claim to last settle)")
            rounds.append(ours)
    say(f"  sites that take 20 ms: wrk {alike:,.0f}/s with 80 in flight; the sink can do {able:,.0f}/s")
    best = max(ours.sending for ours in rounds)
    return [
        Row("1 sites that take 20 ms: wrk, 80 in flight", f"{alike:,.0f}/s (the sink can do {able:,.0f}/s)"),
        at_least("1 ours ÷ (80 ÷ 22 ms)", best / possible, 0.6, note=f" ({best:,.0f}/s)"),
    ]


@contextmanager
def _hub(db: Database, urls: Sequence[str], count: int) -> Iterator[Worker]:
    """So many users in sync with these sites, and a worker that has nothing to do."""
    seed.empty(db)
    seed.users(db, count)
    seed.sites(db, urls, max_in_flight=EACH)
    seed.in_sync(db)
    with worker() as process:
        yield process


def one_round(db: Database, process: Worker, number: int, users: int, sites: int) -> Ours:
    """Changes every user in one statement and waits until every site has acknowledged it."""
    since, cpu = position(db), process.cpu()
    ((committed,),) = db.sql("update user_profiles set full_name = %s || id::text returning clock_timestamp()", f"Round {number} of ")[-1:]
    done = delivered(db, users * sites, since=since)
    cpu = process.cpu() - cpu
    return Ours(done.count / (done.last - committed).total_seconds(), done.rate, cpu / done.count * 1000)


PARTS = (_fast, _slow)
