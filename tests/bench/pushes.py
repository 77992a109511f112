"""Item 4: what a save costs, pushed at once or left to the worker, and how soon the worker's first request leaves."""

import contextlib
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from typing import Any

import requests

from tests.bench import seed, servers
from tests.bench.arrivals import Arrivals
from tests.bench.database import Database
from tests.bench.table import Row, at_most, say
from tests.bench.worker import until, worker

SITES, DELAY, ROUNDS, SAVES = 100, 0.02, 10, 60
_numbers = count(1)


def _pushed(db: Database) -> list[Row]:
    ours, bare = [], []
    with servers.sink(SITES, delay=DELAY) as urls, _Loop(urls) as loop:
        _hub(db, urls, users=1000)
        for _ in range(ROUNDS):
            bare.append(loop.run())
            ours.append(_timed(_save))
            if not db.value(
                "select bool_and(status = 'success') and count(*) = %s from user_sync_delivery where user_id = 'user_000001'", SITES
            ):
                raise RuntimeError("the save did not reach every site")
    say(f"  a save with {SITES} sites: {_milliseconds(ours)}; bare requests loop {_milliseconds(bare)}")
    return [
        Row(f"4 baseline: bare requests loop to {SITES} sites", f"{min(bare) * 1000:.0f} ms (median {statistics.median(bare) * 1000:.0f})"),
        at_most("4 a save pushed ÷ that", min(ours) / min(bare), 2.0, note=f" ({min(ours) * 1000:.0f} ms)"),
    ]


def _one_hangs(db: Database) -> list[Row]:
    from django.conf import settings

    deadline = float(settings.SYNC_PUSH_DEADLINE)
    took, others = [], []
    with servers.sink(SITES, delay=DELAY, hanging=1) as urls:
        for _ in range(2):
            _hub(db, urls)
            took.append(_timed(_save))
            others.append(
                float(
                    db.value(
                        "select extract(epoch from max(completed_at) - min(started_at)) from user_sync_log where outcome = 'delivered'"
                    )
                )
            )
            done = db.value("select count(*) from user_sync_delivery where status = 'success' and user_id = 'user_000001'")
            if done != SITES - 1:
                raise RuntimeError(f"only {done} sites have it")
    say(f"  one of {SITES} hangs: {_milliseconds(took)}; the others had it after {_milliseconds(others)}")
    return [
        at_most("4 a save while one site hangs, beyond the deadline", min(took) - deadline, 0.2, "s"),
        Row("4 by when the other 99 had it", f"{min(others):.2f} s"),
    ]


def _queued(db: Database) -> list[Row]:
    rows = []
    for sites in (1, 10, 100):
        _hub(db, [f"http://127.0.0.1:9/{number}" for number in range(sites)])
        ours: list[float] = []
        plain: list[float] = []
        with _queue():
            for _ in range(8):
                ours += [_timed(_save) for _ in range(SAVES)]
                with _bare_saves(db):
                    plain += [_timed(_save) for _ in range(SAVES)]
        cost, bare = statistics.median(ours), statistics.median(plain)
        say(f"  a queued save, {sites} sites: {cost * 1000:.2f} ms; without us {bare * 1000:.2f} ms")
        note = f" ({cost * 1000:.2f} ms, plain {bare * 1000:.2f})"
        rows.append(at_most(f"4 a queued save ÷ a plain one, {sites} {'site' if sites == 1 else 'sites'}", cost / bare, 1.5, note=note))
    return rows


def _first_request(db: Database) -> list[Row]:
    took = []
    with Arrivals() as site:
        _hub(db, [site.url])
        with worker(SYNC_ON_SAVE="queue"), _queue():
            for _ in range(20):
                site.forget()
                _save()
                saved = time.time()
                until(lambda: site.first is not None, 10, every=0.001)
                assert site.first
                took.append(site.first - saved)
                until(lambda: not db.value("select exists (select from user_sync_delivery where status <> 'success')"), 10)
                time.sleep(0.05)  # the worker waits for NOTIFY again
    say(f"  first request after a queued save: {_milliseconds(took)}, at the worst {max(took) * 1000:.0f} ms")
    worst = f" (at the worst {max(took) * 1000:.0f})"
    return [at_most("4 first request after a queued save, median", statistics.median(took) * 1000, 100, "ms", note=worst)]


class _Loop:
    """What one would write by hand: a session a site, as many threads as the push has, or as sites; whichever is faster counts."""

    def __init__(self, urls: Sequence[str]) -> None:
        from django.conf import settings

        self._pools = [ThreadPoolExecutor(size) for size in (settings.SYNC_PUSH_THREADS, len(urls))]
        self._calls: list[tuple[requests.Session, str]] = [(requests.Session(), f"{url}/api/users/sync") for url in urls]

    def run(self) -> float:
        """Seconds for one request to every site."""
        return min(_timed(lambda pool=pool: list(pool.map(self._send, self._calls))) for pool in self._pools)  # type: ignore[misc]

    def _send(self, call: tuple[requests.Session, str]) -> None:
        session, url = call
        body = {"id": "user_000001", "email": "user_000001@example.com", "full_name": "Name", "role": "user", "version": 1}
        session.post(url, json=body, timeout=10).raise_for_status()

    def __enter__(self) -> "_Loop":
        self.run()  # connections are made once
        return self

    def __exit__(self, *_: object) -> None:
        for pool in self._pools:
            pool.shutdown()
        for session, _url in self._calls:
            session.close()


def _hub(db: Database, urls: Sequence[str], *, users: int = 100) -> None:
    seed.empty(db)
    seed.users(db, users)
    seed.sites(db, urls)
    seed.in_sync(db)


def _save() -> None:
    """One changed user saved, as a page or the API does it."""
    from users.models import UserProfile

    user = UserProfile.objects.get(user_id="user_000001")
    user.full_name = f"Saved {next(_numbers)}"
    started = time.perf_counter()
    user.save()
    _save.took = time.perf_counter() - started  # type: ignore[attr-defined]


def _timed(what: Callable[[], Any]) -> float:
    started = time.perf_counter()
    what()
    took = time.perf_counter() - started
    return float(_save.took) if what is _save else took  # type: ignore[attr-defined]


@contextlib.contextmanager
def _queue() -> Iterator[None]:
    """SYNC_ON_SAVE=queue, for this process."""
    from django.conf import settings
    from django.db import connection

    before = settings.SYNC_ON_SAVE
    settings.SYNC_ON_SAVE = "queue"
    with connection.cursor() as cursor:
        cursor.execute("set application_name = 'ssodash'")
    try:
        yield
    finally:
        settings.SYNC_ON_SAVE = before
        with connection.cursor() as cursor:
            cursor.execute("set application_name = 'ssodash-push'")


@contextlib.contextmanager
def _bare_saves(db: Database) -> Iterator[None]:
    """Neither our triggers nor our receivers."""
    from django.db.models.signals import post_save

    from sync.signals import remember
    from users.models import UserProfile

    db.sql("alter table user_profiles disable trigger user")
    post_save.disconnect(sender=UserProfile, dispatch_uid="sync-push")
    try:
        yield
    finally:
        post_save.connect(remember, sender=UserProfile, dispatch_uid="sync-push")
        db.sql("alter table user_profiles enable trigger user")


def _milliseconds(seconds: Sequence[float]) -> str:
    return f"{min(seconds) * 1000:.0f} ms at best, {statistics.median(seconds) * 1000:.0f} ms median"


PARTS = (_pushed, _one_hangs, _queued, _first_request)
