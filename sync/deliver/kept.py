"""Statements whose plan is kept: a worker runs the same few all the time, and to plan one can cost as much as to run it."""

from collections.abc import Iterable
from typing import Any

import psycopg
from django.db import connection
from psycopg import adapters
from psycopg.pq import Format

_FAST_MOMENTS: Any = adapters.get_loader(adapters.types["timestamptz"].oid, Format.TEXT)

# The plan is made once, perhaps while the tables are empty, and must serve when they are large: rows are looked up one by one, by index.
PLANS = "select " + ", ".join(
    f"set_config('{name}', '{value}', true)"
    for name, value in (
        ("plan_cache_mode", "force_generic_plan"),
        ("enable_seqscan", "off"),
        ("enable_bitmapscan", "off"),
        ("enable_hashjoin", "off"),
        ("enable_mergejoin", "off"),
    )
)


def fetch(query: str, parameters: dict[str, Any], *, keep_plan: bool) -> list[tuple[Any, ...]]:
    """The rows of a statement, within a transaction. With `keep_plan` the connection prepares it once: only where the session is the
    caller's own, as a worker's is, and not a pooler's that gives another one to each transaction (docs/operations.md). What follows in that
    transaction is planned to look up rows by index as well."""
    with _cursor(keep_plan) as cursor:
        # Django's own loader for moments in time is in Python: ten times as slow, for two of them a claim.
        cursor.adapters.register_loader("timestamptz", _FAST_MOMENTS)
        if keep_plan:
            cursor.execute(PLANS)
        cursor.execute(query, parameters)
        rows: list[tuple[Any, ...]] = cursor.fetchall()
        return rows


def array(values: Iterable[int | str]) -> str:
    """An array as PostgreSQL reads it, of what needs no more quotes: to write the values one by one takes ten times as long."""
    return "{" + ",".join(map(str, values)) + "}"


def _cursor(keep_plan: bool) -> Any:
    if not keep_plan:
        return connection.cursor()
    connection.ensure_connection()
    # Django's cursors put the values into the text themselves, and so prepare nothing, whatever this says.
    connection.connection.prepare_threshold = 0
    cursor: Any = psycopg.Cursor(connection.connection)
    return connection.make_debug_cursor(cursor) if connection.queries_logged else connection.make_cursor(cursor)
