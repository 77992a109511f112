"""Row level security on every table: on Supabase, tables in `public` are otherwise readable with a public key."""

import logging
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.db import OperationalError, connections

logger = logging.getLogger(__name__)

ENABLE = """
do $$
declare
    -- Everybody (0), and Supabase's roles behind its public key, to which default privileges give everything that is created.
    everybody constant oid := 0;
    outsiders constant oid[] := everybody || array(select oid from pg_roles where rolname in ('anon', 'authenticated'));
    -- A column default and the view call these with the rights of whoever inserts or reads. They tell nothing and change nothing.
    harmless constant name[] := array['new_user_id', 'user_sync_in_scope'];
    item record;
begin
    for item in
        select c.oid::regclass as name, c.relkind in ('r', 'p') and not c.relrowsecurity as unguarded,
            case when c.relkind = 'S' then 'sequence' else 'table' end as kind,
            array(select distinct a.grantee from aclexplode(c.relacl) a where a.grantee = any (outsiders)) as grantees
        from pg_class c
        where c.relnamespace = current_schema()::regnamespace and c.relkind in ('r', 'p', 'v', 'm', 'f', 'S')
            and pg_has_role(c.relowner, 'usage')
            and not exists (select from pg_depend d where d.classid = 'pg_class'::regclass and d.objid = c.oid and d.deptype = 'e')
    loop
        if item.unguarded then
            execute format('alter table %s enable row level security', item.name);
        end if;
        for i in 1..cardinality(item.grantees) loop
            execute format('revoke all on %s %s from %s', item.kind, item.name,
                case when item.grantees[i] = everybody then 'public' else item.grantees[i]::regrole::text end);
        end loop;
    end loop;
    -- PostgreSQL itself lets everybody execute a new function.
    for item in
        select distinct p.oid::regprocedure as name, a.grantee
        from pg_proc p cross join aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) a
        where p.pronamespace = current_schema()::regnamespace and pg_has_role(p.proowner, 'usage')
            and a.grantee = any (outsiders) and not (a.grantee = everybody and p.proname = any (harmless))
            and not exists (select from pg_depend d where d.classid = 'pg_proc'::regclass and d.objid = p.oid and d.deptype = 'e')
    loop
        execute format('revoke all on routine %s from %s', item.name,
            case when item.grantee = everybody then 'public' else item.grantee::regrole::text end);
    end loop;
end
$$
"""
"""Leaves alone what belongs to other roles or to an extension."""


def enable(using: str = "default", **_: Any) -> None:
    """Turns row level security on for every table of the hub's schema, third-party ones included, and takes back what default privileges
    gave to everybody, `anon` and `authenticated`. Runs after every migrate."""
    with connections[using].cursor() as cursor:
        cursor.execute(ENABLE)


def require_owner(using: str = "default") -> None:
    """Raises ImproperlyConfigured when row level security applies to the hub itself: it would see empty tables and say all is well."""
    with connections[using].cursor() as cursor:
        cursor.execute(
            "select current_user, exists (select 1 from pg_class where oid = to_regclass('user_profiles')"
            " and row_security_active(oid)), (select rolname from pg_class c join pg_roles r on r.oid = c.relowner"
            " where c.oid = to_regclass('user_profiles'))"
        )
        user, active, owner = cursor.fetchone()
    if active:
        raise ImproperlyConfigured(
            f"The database role {user!r} does not own the hub's tables, so row level security hides every row from it. "
            f"Connect as their owner ({owner!r}; on Supabase: postgres) in DATABASE_URL."
        )


def check_at_start() -> None:
    """`require_owner` for a web process, which may well be up before its database: without one it warns, and leaves no connection behind
    for a child to inherit."""
    try:
        require_owner()
    except OperationalError as error:
        logger.warning("the database cannot be reached yet, so its row level security is not checked: %s", " ".join(str(error).split()))
    finally:
        connections.close_all()
