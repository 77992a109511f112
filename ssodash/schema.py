"""`user-sync-schema.sql`: the statements that the migrations execute, recorded while they run on a scratch database."""

import re
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.migrations.executor import MigrationExecutor
from django.db.migrations.migration import Migration
from psycopg import sql

from ssodash.row_security import ENABLE

ALIAS = "schema_scratch"

HEADER = """\
-- The database of SSO Dashboard. Generated from the migrations by `make schema`: do not edit.
--
-- Paste it whole into the SQL console of an empty PostgreSQL 15 or newer (on Supabase: SQL Editor, New query, Run), or
--     psql "$DATABASE_URL" -v ON_ERROR_STOP=1 -f user-sync-schema.sql
-- It is one transaction: all of it is done, or nothing. Afterwards `manage.py migrate` finds nothing to apply; run it all the same, here
-- and after every upgrade, as it also fills in the permissions of staff. docs/sql.md tells what the tables hold.

begin;
set local search_path = public;
set local client_min_messages = warning;

do $$
begin
    if current_setting('server_version_num')::int < 150000 then
        raise exception 'SSO Dashboard needs PostgreSQL 15 or newer; this is %.', current_setting('server_version');
    end if;
    if to_regclass('public.django_migrations') is not null or to_regclass('public.user_profiles') is not null then
        raise exception 'This database has tables of SSO Dashboard already. Run `manage.py migrate` instead: it brings them up to date.';
    end if;
end
$$;
"""

SECURITY_HEADER = """\
-- Row level security on every table, with no policies: only the tables' owner, and roles with BYPASSRLS, see their rows.
-- Nothing is granted to everybody, anon or authenticated."""

LABELS = """
select t.typname, string_agg(quote_literal(e.enumlabel), ', ' order by e.enumsortorder)
from pg_enum e join pg_type t on t.oid = e.enumtypid group by t.typname
"""

_COMMENTS = re.compile(r"\A(\s+|--[^\n]*(\n|\Z)|/\*.*?\*/)*", re.DOTALL)
_NOT_SCHEMA = re.compile(r'(select|savepoint|release savepoint|insert into "?django_migrations"?)\b', re.IGNORECASE)
"""What migrations do besides changing the schema: look, mark where to roll back to, and note that they were applied."""
_CREATE_ENUM = re.compile(r"(create type (\w+) as enum) \(.*?\);", re.IGNORECASE | re.DOTALL)
_ADD_LABEL = re.compile(r"alter type (\w+) add value [^;]*;", re.IGNORECASE)


def generate() -> str:
    """The whole file. The same migrations give the same text on every server.

    Makes a scratch database on the server of the default connection and drops it again. Raises psycopg.errors.InsufficientPrivilege
    where the role may not create databases.
    """
    with _scratch_database() as connection:
        recorded: list[str] = []
        applied: list[tuple[str, str]] = []

        def progress(action: str, migration: Migration | None = None, fake: bool | None = None, /) -> None:
            if migration is None:
                return
            if action == "apply_start":
                recorded.append(f"-- {migration.app_label}.{migration.name}")
            elif action == "apply_success":
                applied.append((migration.app_label, migration.name))

        executor = MigrationExecutor(connection, progress)
        with connection.execute_wrapper(_recorder(connection, recorded)):
            executor.migrate(executor.loader.graph.leaf_nodes())
        with connection.cursor() as cursor:
            cursor.execute(LABELS)
            labels = dict(cursor.fetchall())
    rows = ",\n".join(f"    ('{app}', '{name}', now())" for app, name in applied)
    return "\n\n".join(
        [
            HEADER.rstrip(),
            *(_with_final_labels(text, labels) for text in recorded),
            f"-- All of these are applied.\ninsert into django_migrations (app, name, applied) values\n{rows};",
            f"{SECURITY_HEADER}\n{_ended(ENABLE)}",
            "commit;\n",
        ]
    )


def _recorder(connection: BaseDatabaseWrapper, recorded: list[str]) -> Callable[..., Any]:
    def record(execute: Callable[..., Any], statement: str, params: Any, many: bool, context: dict[str, Any]) -> Any:
        if not _NOT_SCHEMA.match(_COMMENTS.sub("", statement)):
            every = params if many else [params]
            recorded.extend(_ended(_with_values(connection, statement, values)) for values in every)
        return execute(statement, params, many, context)

    return record


def _with_values(connection: BaseDatabaseWrapper, statement: str, values: Any) -> str:
    return psycopg.ClientCursor(connection.connection).mogrify(statement, values) if values else statement


def _ended(statement: str) -> str:
    """The statement as people write it: no space around it, a semicolon behind it, though not within a comment."""
    text = "\n".join(line.rstrip() for line in statement.strip().splitlines())
    if text.endswith(";"):
        return text
    return text + ("\n;" if "--" in text.splitlines()[-1] else ";")


def _with_final_labels(text: str, labels: dict[str, str]) -> str:
    """Enum types get all their labels at once: before PostgreSQL 17, one added later cannot be used in the same transaction."""
    text = _CREATE_ENUM.sub(lambda found: f"{found[1]} ({labels[found[2]]});" if found[2] in labels else found[0], text)
    return _ADD_LABEL.sub(lambda found: f"-- (left out: {' '.join(found[0].split())} It was made with all its labels.)", text)


@contextmanager
def _scratch_database() -> Iterator[BaseDatabaseWrapper]:
    """A connection to an empty database of the same server, dropped at the end."""
    name = f"ssodash_schema_{secrets.token_hex(6)}"
    parameters = connections["default"].get_connection_params()
    known = {key: parameters[key] for key in parameters if key not in {"cursor_factory", "context"}}
    with psycopg.connect(**known, autocommit=True) as server:
        server.execute(sql.SQL("create database {} template template0").format(sql.Identifier(name)))
        connections.databases[ALIAS] = {**connections.databases["default"], "NAME": name, "CONN_MAX_AGE": 0}
        try:
            yield connections[ALIAS]
        finally:
            connections[ALIAS].close()
            del connections[ALIAS]
            del connections.databases[ALIAS]
            server.execute(sql.SQL("drop database if exists {} with (force)").format(sql.Identifier(name)))
