"""Which PostgreSQL the hub uses: the one `DATABASE_URL` names, or the embedded one that `make run` starts."""

import os
from typing import Any

import environ
from django.core.exceptions import ImproperlyConfigured

from ssodash.env import choice

REMEDY = (
    "Set DATABASE_URL, for example postgresql://user:password@db.example.com:5432/ssodash?sslmode=require "
    "(on Supabase: the direct or session-pooler address, port 5432), or use `make run`, which starts an embedded PostgreSQL."
)

NOTICED_WITHIN_A_MINUTE = {"keepalives_idle": 30, "keepalives_interval": 10, "keepalives_count": 3, "tcp_user_timeout": 30_000}
"""libpq's options: seconds of silence before it asks, between questions, how many; milliseconds that data may stay unconfirmed."""


def from_environment() -> dict[str, Any]:
    """Django's settings for the database. Raises ImproperlyConfigured, naming the remedy, when none can be had."""
    url = os.environ.get("DATABASE_URL", "").strip()
    if not url:
        raise ImproperlyConfigured(f"DATABASE_URL is not set. {REMEDY}")
    try:
        config: dict[str, Any] = dict(environ.Env.db_url_config(url))
    except ValueError:  # without its text: it may quote the password
        raise ImproperlyConfigured(
            f"DATABASE_URL cannot be read: is its port a number, and are special characters in user and password "
            f"percent-encoded (%40 for @, %3A for :, %2F for /)? {REMEDY}"
        ) from None
    if config.get("ENGINE") != "django.db.backends.postgresql":
        scheme = url.split(":", 1)[0]
        raise ImproperlyConfigured(f"DATABASE_URL names a {scheme!r} database; the hub needs PostgreSQL 15 or newer. {REMEDY}")
    if not config.get("NAME"):
        raise ImproperlyConfigured(f"DATABASE_URL names no database: what follows the last / is missing. {REMEDY}")
    config.setdefault("OPTIONS", {})
    config["OPTIONS"].setdefault("connect_timeout", 10)
    # A server that vanishes (failover, a dead machine) says no farewell. Without these, whoever waits for it does so for hours.
    for option, value in NOTICED_WITHIN_A_MINUTE.items():
        config["OPTIONS"].setdefault(option, value)
    # The triggers read it: a change by a process that pushes what it saves is left to that process for a moment.
    config["OPTIONS"]["application_name"] = "ssodash-push" if choice("SYNC_ON_SAVE", "push", ["push", "queue"]) == "push" else "ssodash"
    config["CONN_MAX_AGE"] = 60
    config["CONN_HEALTH_CHECKS"] = True
    # Port 6543 is Supabase's transaction pooler, where a server-side cursor loses its session between fetches.
    config["DISABLE_SERVER_SIDE_CURSORS"] = str(config.get("PORT") or "") == "6543"
    return config
