"""How long a person waits for a page: the first byte of every one, with 100,000 users at 100 sites."""

import contextlib
import os
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator

import requests

from ssodash.leash import die_with_parent
from tests.bench import seed, servers
from tests.bench.database import Database
from tests.bench.table import Row, at_most, say
from tests.bench.worker import until
from tests.e2e.pages import PAGES
from tests.ports import free_port

USERS, SITES = 100_000, 100
ATTEMPTS = 1_000_000
MOST = 300
"""Milliseconds until the first byte."""
SLOW = 50
"""Milliseconds in the database from which on a statement is named."""
ROUNDS = 5
LOGIN, PASSWORD = "bench", "correct horse battery staple"

TROUBLE = """
update user_sync_delivery set status = %s, acked_version = null, acked_action = null, tries = 3, last_error = 'HTTP 500: the site failed',
    next_attempt_at = case when %s = 'pending' then now() + interval '1 hour' end
where id %% 10000 = %s
"""
LOG = f"""
insert into user_sync_log (attempt_id, user_id, email, site_id, site_name, type, version, attributes, status, outcome, http_code,
    duration_ms, message_id, cause, started_at, completed_at)
select gen_random_uuid(), d.user_id, d.acked_email, d.site_id, s.name, 'upsert', 1, '{{"role": "user"}}',
    case when d.id % 100 = 0 then 'failed' else 'success' end, case when d.id % 100 = 0 then 'permanent' else 'delivered' end, 200, 40,
    'msg_' || d.id, 'save', now() - d.id * interval '1 second', now() - d.id * interval '1 second'
from (select * from user_sync_delivery order by id limit {ATTEMPTS}) d join connected_sites s on s.id = d.site_id
"""
KEYS = """
select (select max(id) from user_profiles), (select min(id) from user_profiles where not is_active),
    (select min(id) from connected_sites), (select min(id) + 1 from connected_sites), (select min(id) + 2 from connected_sites),
    (select min(id) from user_sync_delivery where status = 'failed'), (select max(id) from user_sync_log where status = 'success'),
    (select max(id) from user_sync_log where status = 'failed'), (select min(id) from user_sync_run), (select max(id) from user_sync_run),
    (select min(id) from api_tokens), (select min(id) from auth_user), (select min(id) from auth_group)
"""
NAMES = (
    "user", "inactive_user", "site", "quarantined_site", "paused_site", "delivery", "attempt", "failed_attempt", "run", "running_run",
    "token", "login", "group",
)  # fmt: skip


def _first_bytes(db: Database) -> list[Row]:
    keys = _fill(db)
    rows = []
    with _hub() as address:
        session = _signed_in(address)
        for name, path in PAGES.items():
            url = address + path.format_map(keys)
            answer = session.get(url, timeout=120)
            if answer.status_code != (404 if name == "nothing here" else 200):
                raise RuntimeError(f"{name} ({url}): HTTP {answer.status_code}")
            took = statistics.median(_milliseconds(session, url) for _ in range(ROUNDS))
            with db.statements() as statements:
                session.get(url, timeout=120)
            in_database = sum(duration for duration, _ in statements)
            say(f"  {name}: {took:.0f} ms, {in_database:.0f} ms of it in the database, {len(answer.content):,} bytes")
            for duration, statement in statements:
                if duration > SLOW:
                    say(f"    {duration:.0f} ms: {statement[:300]}")
            rows.append(at_most(f"6 first byte, {USERS:,} × {SITES}: {name}", took, MOST, "ms", f" (database {in_database:.0f} ms)"))
    return rows


def _milliseconds(session: requests.Session, url: str) -> float:
    with session.get(url, timeout=120, stream=True) as answer:
        return answer.elapsed.total_seconds() * 1000


def _fill(db: Database) -> dict[str, int]:
    """Returns the keys that addresses of pages need."""
    from django.contrib.auth import get_user_model
    from django.contrib.auth.models import Group

    from ssodash.models import ApiToken
    from sync.models import SyncRun

    started = time.monotonic()
    seed.empty(db)
    seed.users(db, USERS)
    seed.sites(db, [f"http://127.0.0.1:9/{number}" for number in range(SITES)])
    seed.in_sync(db)
    say(f"  {USERS * SITES:,} pairs after {time.monotonic() - started:.0f} s")
    for remainder, status in enumerate(("failed", "pending")):
        db.sql(TROUBLE, status, status, remainder)
    db.sql(LOG)
    db.sql("update user_profiles set is_active = false where user_id = 'user_000001'")
    db.sql("truncate user_sync_outbox")
    login = get_user_model().objects.create_superuser(LOGIN, password=PASSWORD)
    Group.objects.get_or_create(name="Helpdesk")
    ApiToken.issue("bench", login)
    for state in ("finished", "running"):
        run = SyncRun.objects.create(cause="sync_all", state=state)
        db.sql("insert into user_sync_run_site (run_id, site_id, total) select %s, id, 100000 from connected_sites", run.pk)
    seed.settle_down(db)
    say(f"  everything is there after {time.monotonic() - started:.0f} s")
    return dict(zip(NAMES, db.sql(KEYS)[0], strict=True))


@contextlib.contextmanager
def _hub() -> Iterator[str]:
    """gunicorn, as in production; yields its address."""
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="ssodash-bench-") as folder:
        environment = {**os.environ, "PORT": str(port), "WEB_WORKERS": "1", "STATIC_ROOT": f"{folder}/static"}
        subprocess.run(
            [sys.executable, "manage.py", "collectstatic", "--no-input", "-v0"], cwd=servers.PROJECT, env=environment, check=True
        )
        command = [sys.executable, "-m", "gunicorn", "ssodash.wsgi"]
        process = subprocess.Popen(command, cwd=servers.PROJECT, env=environment, preexec_fn=die_with_parent(signal.SIGTERM))
        try:
            address = f"http://127.0.0.1:{port}"
            until(lambda: _answers(address), 60, every=0.2)
            yield address
        finally:
            process.terminate()
            process.wait(40)


def _answers(address: str) -> bool:
    try:
        return requests.get(f"{address}/admin/login/", timeout=5).ok
    except requests.RequestException:
        return False


def _signed_in(address: str) -> requests.Session:
    session = requests.Session()
    form = session.get(f"{address}/admin/login/", timeout=30)
    token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', form.text)
    assert token
    said = {"csrfmiddlewaretoken": token[1], "username": LOGIN, "password": PASSWORD}
    session.post(f"{address}/admin/login/?next=/admin/password_change/", data=said, timeout=60).raise_for_status()
    return session


PARTS = (_first_bytes,)
