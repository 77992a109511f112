"""A database of the storm's own, and what people do in its SQL console."""

import base64
import hashlib
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import psycopg
from psycopg import sql

from tests.chaos.storm.sites import Site


def other(url: str, *, name: str | None = None, port: int | None = None) -> str:
    """The same address with another database, or another port."""
    parts = urlsplit(url)
    netloc = parts.netloc if port is None else f"{parts.netloc.rpartition('@')[0]}@127.0.0.1:{port}"
    return urlunsplit(parts._replace(netloc=netloc, path=parts.path if name is None else f"/{name}"))


@contextmanager
def copy_of(name: str) -> Iterator[str]:
    """A new database like this (migrated, empty) one on the tests' server. Nobody may be connected to that one."""
    server, copy = os.environ["DATABASE_URL"], f"chaos_{secrets.token_hex(4)}"
    with psycopg.connect(server, autocommit=True) as admin:
        admin.execute("select pg_terminate_backend(pid) from pg_stat_activity where datname = %s", [name])
        admin.execute(sql.SQL("create database {} template {}").format(sql.Identifier(copy), sql.Identifier(name)))
        try:
            yield other(server, name=copy)
        finally:
            admin.execute(sql.SQL("drop database {} with (force)").format(sql.Identifier(copy)))


class Console:
    """One connection, committing each statement. It connects again by itself when the database was away."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._connection: psycopg.Connection[Any] | None = None

    def execute(self, statement: str, *parameters: Any) -> list[tuple[Any, ...]]:
        """The rows, or none. Raises psycopg.Error; after that the next call connects anew."""
        if self._connection is None or self._connection.closed:
            self._connection = psycopg.connect(self._url, autocommit=True, connect_timeout=5)
        cursor = self._connection.execute(statement, parameters or None)
        return cursor.fetchall() if cursor.description else []

    def value(self, statement: str, *parameters: Any) -> Any:
        return self.execute(statement, *parameters)[0][0]

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()


def new_secret() -> str:
    return "whsec_" + base64.b64encode(secrets.token_bytes(32)).decode()


def connect_site(console: Console, site: Site, *, timeout: float = 1, max_in_flight: int = 8) -> int:
    """Adds the site as its people would in a SQL console; returns its key."""
    key: int = console.value(
        "insert into connected_sites (name, display_name, url, batch_size, roles, timeout, max_in_flight)"
        " values (%s, %s, %s, %s, %s, %s, %s) returning id",
        site.name, site.name.upper(), site.url, site.batch_size, site.roles, timeout, max_in_flight,
    )  # fmt: skip
    console.execute("insert into site_credentials (site_id, kind, secret) values (%s, 'signing', %s)", key, site.secret)
    return key


def api_token(console: Console) -> str:
    """A token for the hub's API."""
    token = secrets.token_urlsafe(32)
    console.execute(
        "insert into api_tokens (name, token_hash) values (%s, %s)", f"storm {token[:6]}", hashlib.sha256(token.encode()).hexdigest()
    )
    return token
