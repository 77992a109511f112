"""What a database is made of, by its own catalogue: two databases with the same answer have the same schema."""

from typing import Any

import psycopg

QUESTIONS = {
    "relations": """
        select c.relname, c.relkind, c.relrowsecurity, c.relforcerowsecurity, c.reloptions, c.relpersistence, a.amname
        from pg_class c left join pg_am a on a.oid = c.relam where c.relnamespace = 'public'::regnamespace""",
    "columns": """
        select c.relname, a.attname, a.attnum - (select count(*) from pg_attribute g
                where g.attrelid = a.attrelid and g.attisdropped and g.attnum between 1 and a.attnum),
            format_type(a.atttypid, a.atttypmod), a.attnotnull, a.attidentity, a.attgenerated, a.attcollation::regcollation::text,
            pg_get_expr(d.adbin, d.adrelid)
        from pg_class c join pg_attribute a on a.attrelid = c.oid left join pg_attrdef d on d.adrelid = c.oid and d.adnum = a.attnum
        where c.relnamespace = 'public'::regnamespace and a.attnum > 0 and not a.attisdropped""",
    "constraints": """
        select conrelid::regclass::text, conname, contype, condeferrable, condeferred, convalidated, pg_get_constraintdef(oid)
        from pg_constraint where connamespace = 'public'::regnamespace""",
    "indexes": """
        select c.relname, pg_get_indexdef(i.indexrelid), i.indisunique, i.indisvalid
        from pg_index i join pg_class c on c.oid = i.indexrelid where c.relnamespace = 'public'::regnamespace""",
    "triggers": "select tgrelid::regclass::text, tgname, pg_get_triggerdef(oid), tgenabled from pg_trigger where not tgisinternal",
    "functions": """
        select oid::regprocedure::text, pg_get_functiondef(oid) from pg_proc
        where pronamespace = 'public'::regnamespace and prokind in ('f', 'p')""",
    "views": "select viewname, definition from pg_views where schemaname = 'public'",
    "sequences": """
        select s.seqrelid::regclass::text, format_type(s.seqtypid, null), s.seqstart, s.seqincrement, s.seqmax, s.seqmin, s.seqcache,
            s.seqcycle, d.refobjid::regclass::text, d.deptype
        from pg_sequence s
        left join pg_depend d on d.objid = s.seqrelid and d.classid = 'pg_class'::regclass and d.deptype in ('a', 'i')""",
    "labels": "select enumtypid::regtype::text, enumlabel, rank() over (partition by enumtypid order by enumsortorder) from pg_enum",
    "policies": "select tablename, policyname from pg_policies",
    "privileges": """
        select 'relation', c.oid::regclass::text, a.grantee::regrole::text, a.privilege_type
        from pg_class c
        cross join aclexplode(coalesce(c.relacl, acldefault(case c.relkind when 'S' then 's' else 'r' end::"char", c.relowner))) a
        where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p', 'v', 'm', 'f', 'S')
        union all
        select 'function', p.oid::regprocedure::text, a.grantee::regrole::text, a.privilege_type
        from pg_proc p cross join aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) a
        where p.pronamespace = 'public'::regnamespace""",
    "migrations": "select app, name from django_migrations",
}
"""Everybody is the grantee `-`."""


def catalog(url: str) -> dict[str, list[tuple[Any, ...]]]:
    """The answers, sorted."""
    with psycopg.connect(url) as connection:
        return {about: sorted(connection.execute(question).fetchall(), key=repr) for about, question in QUESTIONS.items()}
