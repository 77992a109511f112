"""Users and sites, put there in a few statements."""

import base64
from collections.abc import Sequence

from tests.bench.bare import KEY
from tests.bench.database import Database

TABLES = (
    "user_sync_log, user_sync_delivery, user_sync_lease, user_sync_outbox, user_sync_run_site, user_sync_run, user_sync_site_health,"
    " site_credentials, connected_sites, user_profiles"
)


def users(db: Database, count: int, *, captured: bool = False) -> None:
    """So many users, `user_000001` onwards. The outbox hears of them only where asked to."""
    db.sql(
        "insert into user_profiles (user_id, email, full_name, role) select name, name || '@example.com', 'Person ' || n, 'user'"
        f" from (select n, 'user_' || lpad(n::text, 6, '0') as name from generate_series(1, {count}) n) t"
    )
    if not captured:
        db.sql("truncate user_sync_outbox")


def sites(db: Database, urls: Sequence[str], *, batch_size: int = 1, max_in_flight: int = 8, timeout: float = 10) -> None:
    """One site a URL, with a secret, and reconciled: nothing is owed yet."""
    secret = "whsec_" + base64.b64encode(KEY).decode()
    for number, url in enumerate(urls, 1):
        db.sql(
            "with s as (insert into connected_sites (name, display_name, url, batch_size, max_in_flight, timeout)"
            " values (%s, %s, %s, %s, %s, %s) returning id)"
            " insert into site_credentials (site_id, kind, secret) select id, 'signing', %s from s",
            f"site-{number}", f"Site {number}", url, batch_size, max_in_flight, timeout, secret,
        )  # fmt: skip
    reconciled(db)


def reconciled(db: Database) -> None:
    """Has no site wait for its reconcile."""
    db.sql("update user_sync_site_health set reconcile_done = reconcile_wanted, reconciled_at = now()")


def in_sync(db: Database) -> None:
    """Has every site acknowledge every user, as if all had been delivered."""
    db.sql(
        "insert into user_sync_delivery (user_id, site_id, wanted_action, wanted_version, attempted_action, attempted_version,"
        " attempted_generation, attempted_epoch, attempted_email, acked_action, acked_version, acked_generation, acked_epoch, acked_email,"
        " acked_digest, status, tries, next_attempt_at, last_synced_at)"
        " select u.user_id, s.id, 'upsert', u.version, 'upsert', u.version, 0, s.epoch, u.email, 'upsert', u.version, 0, s.epoch, u.email,"
        " md5(u.email), 'success', 1, null, now() from user_profiles u cross join connected_sites s"
    )
    settle_down(db)


def settle_down(db: Database) -> None:
    """Statistics and a clean slate, as autovacuum leaves them."""
    db.sql("vacuum (analyze) user_profiles, connected_sites, user_sync_delivery, user_sync_lease, user_sync_outbox, user_sync_log")


def empty(db: Database) -> None:
    """No users, no sites, nothing owed."""
    db.sql(f"truncate {TABLES} restart identity")
    db.sql("truncate user_sync_outbox")
