"""Databases beside the test's own, and the hub's commands on them."""

import os
import secrets
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import psycopg
from psycopg import sql

from tests.processes import PROJECT

SUPABASE = ("anon", "authenticated", "service_role")
"""The roles that are granted whatever is made, as on Supabase."""


def server() -> str:
    return os.environ["DATABASE_URL"]


def address(name: str, user: str = "", password: str = "") -> str:
    """The test server's address with another database, and maybe another role."""
    parts = urlsplit(server())
    host = parts.netloc.rpartition("@")[2]
    return urlunsplit(parts._replace(path=f"/{name}", netloc=f"{user}:{password}@{host}" if user else parts.netloc))


@contextmanager
def database(granted_to: Sequence[str] = SUPABASE) -> Iterator[str]:
    """An empty database. New objects in it are granted to these roles: Supabase's, as they are there."""
    name = f"test_schema_{secrets.token_hex(4)}"
    with psycopg.connect(server(), autocommit=True) as admin:
        admin.execute(sql.SQL("create database {}").format(sql.Identifier(name)))
        try:
            with psycopg.connect(address(name)) as connection:
                for kind in ("tables", "sequences", "functions") if granted_to else ():
                    connection.execute(f"alter default privileges in schema public grant all on {kind} to {', '.join(granted_to)}")
            yield address(name)
        finally:
            admin.execute(sql.SQL("drop database {} with (force)").format(sql.Identifier(name)))


def manage(url: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "manage.py", *arguments],
        cwd=PROJECT, env={**os.environ, **environment, "DATABASE_URL": url}, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip


def done(result: subprocess.CompletedProcess[str]) -> str:
    assert result.returncode == 0, result.stderr
    return result.stdout


@contextmanager
def acting_as(role: str, url: str) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f"set role {role}")
        yield connection


def load_wsgi(url: str) -> subprocess.CompletedProcess[str]:
    """What every WSGI server does first."""
    return subprocess.run(
        [sys.executable, "-c", "import ssodash.wsgi"],
        cwd=PROJECT, env={**os.environ, "DATABASE_URL": url}, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
