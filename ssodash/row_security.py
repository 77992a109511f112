"""Row level security on every table: on Supabase, tables in `public` are otherwise readable with a public key."""

from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.db import connections

ENABLE = """
do $$
declare
    item record;
begin
    for item in
        select c.oid::regclass as name from pg_class c join pg_namespace n on n.oid = c.relnamespace
        where n.nspname = current_schema() and c.relkind in ('r', 'p') and not c.relrowsecurity
            and pg_has_role(c.relowner, 'usage')
    loop
        execute format('alter table %s enable row level security', item.name);
    end loop;
    for item in select rolname from pg_roles where rolname in ('anon', 'authenticated') loop
        execute format('revoke all on all tables in schema %I from %I', current_schema(), item.rolname);
        execute format('revoke all on all sequences in schema %I from %I', current_schema(), item.rolname);
        execute format('revoke execute on all functions in schema %I from %I', current_schema(), item.rolname);
    end loop;
end
$$
"""


def enable(using: str = "default", **_: Any) -> None:
    """Turns row level security on for every table of the hub's schema, third-party ones included. Runs after every migrate."""
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
