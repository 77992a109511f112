"""user-sync-schema.sql: one paste gives the database that the migrations give, closed to everybody but its owner."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg
import pytest
from psycopg import errors

from tests.processes import PROJECT
from tests.receivers import SampleSiteProcess
from tests.ssodash.catalog import catalog
from tests.ssodash.databases import SUPABASE, acting_as, address, database, done, load_wsgi, manage, server

FILE = PROJECT / "user-sync-schema.sql"
TEXT = FILE.read_text()
HARMLESS = {"new_user_id()", "user_sync_in_scope(boolean,text,text[])"}


@pytest.fixture(scope="module", autouse=True)
def roles() -> Iterator[None]:
    """Supabase's roles, and one that may do everything with the tables but does not own them."""
    with psycopg.connect(server(), autocommit=True) as admin:
        known = {name for (name,) in admin.execute("select rolname from pg_roles").fetchall()}
        made = [name for name in (*SUPABASE, "editor") if name not in known]
        for name in made:
            extra = {"service_role": "bypassrls", "editor": "login password 'editor'"}.get(name, "")
            admin.execute(f"create role {name} {extra}")
        try:
            yield
        finally:
            for name in made:
                admin.execute(f"drop role {name}")


@pytest.fixture(scope="module")
def pasted() -> Iterator[str]:
    """A database that the file was pasted into, whole."""
    with database() as url:
        with psycopg.connect(url, autocommit=True) as console:
            console.execute(TEXT)
        yield url


@pytest.fixture(scope="module")
def migrated() -> Iterator[str]:
    """A database that `manage.py migrate` made."""
    with database() as url:
        done(manage(url, "migrate"))
        yield url


def test_the_file_is_what_the_migrations_make_in_every_process(tmp_path: Path) -> None:
    for seed in ("1", "2"):
        done(manage(server(), "export_schema", "--output", str(tmp_path / seed), PYTHONHASHSEED=seed))
    assert (tmp_path / "1").read_text() == (tmp_path / "2").read_text() == TEXT


def test_a_file_that_is_out_of_date_or_missing_fails_the_check_and_names_the_remedy(tmp_path: Path) -> None:
    stale = tmp_path / "stale.sql"
    stale.write_text(TEXT.replace("user_profiles_stamp", "user_profiles_stomp"))
    for path, reason in ((stale, "does not match the migrations"), (tmp_path / "none.sql", "is not there")):
        result = manage(server(), "export_schema", "--check", "--output", str(path))
        assert result.returncode == 1
        assert f"{reason}: run `make schema`." in result.stderr
    assert "stomp" in stale.read_text()
    assert not (tmp_path / "none.sql").exists()


def test_a_folder_as_output_is_wrong_usage(tmp_path: Path) -> None:
    result = manage(server(), "export_schema", "--output", str(tmp_path))
    assert result.returncode == 2
    assert "Name another file with --output" in result.stderr


def test_a_role_that_may_not_create_databases_is_told_what_to_do() -> None:
    result = manage(address(urlsplit(server()).path.strip("/"), "editor", "editor"), "export_schema", "--check")
    assert result.returncode == 1
    assert "may not create databases" in result.stderr
    assert "make schema" in result.stderr


def test_no_scratch_database_is_left_behind() -> None:
    with psycopg.connect(server()) as admin:
        assert admin.execute("select datname from pg_database where datname like 'ssodash_schema_%'").fetchall() == []


def test_it_is_one_transaction_and_uses_no_label_added_within_it() -> None:
    code = [line for line in TEXT.splitlines() if not line.startswith("--")]
    assert [line for line in code if line in {"begin;", "commit;"}] == ["begin;", "commit;"]
    assert not [line for line in code if "add value" in line.lower()]


def test_pasted_and_migrated_are_the_same(pasted: str, migrated: str) -> None:
    one, other = catalog(pasted), catalog(migrated)
    for about in other:
        assert one[about] == other[about], about
    assert {len(other[about]) > 10 for about in ("relations", "columns", "constraints", "indexes", "triggers", "functions")} == {True}


def test_migrate_after_the_paste_has_nothing_to_do(pasted: str) -> None:
    before = catalog(pasted)
    assert "No migrations to apply." in done(manage(pasted, "migrate"))
    assert catalog(pasted) == before


def test_psql_takes_the_file_too(migrated: str) -> None:
    with database() as url:
        psql = [sys.executable, "-m", "ssodash.embedded", "psql", "-v", "ON_ERROR_STOP=1", "-q", "-1", "-f", str(FILE)]
        result = subprocess.run(
            psql, cwd=PROJECT, env={**os.environ, "DATABASE_URL": url}, capture_output=True, text=True, timeout=60, check=False
        )
        assert result.returncode == 0, result.stderr
        assert catalog(url) == catalog(migrated)


def test_a_second_paste_is_refused_and_changes_nothing(pasted: str) -> None:
    before = catalog(pasted)
    with psycopg.connect(pasted, autocommit=True) as console, pytest.raises(errors.RaiseException, match="Run `manage.py migrate` instead"):
        console.execute(TEXT)
    assert catalog(pasted) == before


@pytest.mark.parametrize("arguments", [["sync_status"], ["sync_users"], ["add_site", "hrms", "--url=http://127.0.0.1:9"]])
def test_a_command_on_an_empty_database_says_what_to_do(arguments: list[str]) -> None:
    with database() as url:
        result = manage(url, *arguments)
    assert result.returncode == 1
    assert result.stderr.startswith("The database does not fit this version of the hub: relation ")
    assert result.stderr.endswith("does not exist. Run `manage.py migrate`, then try again.\n")


@pytest.mark.parametrize("made_by", ["pasted", "migrated"])
def test_every_table_has_row_level_security_and_nobody_is_let_in(made_by: str, request: pytest.FixtureRequest) -> None:
    seen = catalog(request.getfixturevalue(made_by))
    assert {(kind, guarded) for _, kind, guarded, *_ in seen["relations"] if kind in {"r", "p"}} == {("r", True)}
    assert seen["policies"] == []
    strangers = [row for row in seen["privileges"] if row[2] in {"-", "anon", "authenticated"}]
    assert {(kind, name, who) for kind, name, who, _ in strangers} == {("function", name, "-") for name in HARMLESS}


def test_the_view_reads_with_the_rights_of_whoever_asks(pasted: str) -> None:
    options = {name: reloptions for name, kind, *_, reloptions, _, _ in catalog(pasted)["relations"] if kind == "v"}
    assert options == {"user_sync_status": ["security_invoker=true"]}


@pytest.mark.parametrize("role", ["anon", "authenticated"])
@pytest.mark.parametrize(
    "statement",
    [
        "select * from user_profiles",
        "select * from site_credentials",
        "select * from user_sync_status",
        "insert into user_profiles (email, full_name) values ('x@example.com', 'X')",
        "select sync_user('user_1')",
        "select sync_all_users()",
        "select user_sync_summary()",
        "select nextval('user_sync_version_seq')",
        "select procrastinate_register_worker_v1()",
        "truncate user_profiles",
    ],
)
def test_the_public_key_opens_nothing(pasted: str, role: str, statement: str) -> None:
    with acting_as(role, pasted) as connection, pytest.raises(errors.InsufficientPrivilege):
        connection.execute(statement)


def test_a_table_made_later_is_closed_by_the_next_migrate() -> None:
    with database() as url:
        done(manage(url, "migrate"))
        with psycopg.connect(url) as owner:
            owner.execute("create table later (id int); create view later_view as select * from later; create sequence later_seq")
            owner.execute("create function later_function() returns int language sql return 1")
        with acting_as("anon", url) as anybody:
            assert anybody.execute("select count(*) from later").fetchone() == (0,)
        done(manage(url, "migrate"))
        seen = catalog(url)
        assert [row for row in seen["privileges"] if "later" in row[1] and row[2] in {"-", "anon", "authenticated"}] == []
        assert ("later", "r", True) in {row[:3] for row in seen["relations"]}


def test_supabase_service_role_edits_users_and_syncs_them(pasted: str) -> None:
    with acting_as("service_role", pasted) as connection:
        [(user_id,)] = connection.execute(
            "insert into user_profiles (email, full_name) values ('s@example.com', 'S') returning user_id"
        ).fetchall()
        assert connection.execute("select count(*) from user_profiles").fetchone() == (1,)
        assert connection.execute("select sync_user(%s)", [user_id]).fetchone() == (0,)
        assert connection.execute("select * from user_sync_summary()").fetchall() == []
        connection.execute("delete from user_profiles")


def test_the_hub_runs_on_a_pasted_database(tmp_path: Path) -> None:
    with database() as url:
        with psycopg.connect(url, autocommit=True) as console:
            console.execute(TEXT)
        done(manage(url, "migrate"))
        done(manage(url, "createsuperuser", "--noinput", "--username=admin", "--email=", DJANGO_SUPERUSER_PASSWORD="a-long-one-1"))
        with SampleSiteProcess("hrms", tmp_path, None) as site:
            added = json.loads(done(manage(url, "add_site", "hrms", f"--url={site.url}", "--json")))
            site.set_secret(added["signingSecret"])
            save = "from users.models import UserProfile; UserProfile.objects.create(email='ann@example.com', full_name='Ann')"
            done(manage(url, "shell", "-c", save))
            assert site.emails() == {"ann@example.com"}
        assert "Everything is in sync." in done(manage(url, "sync_status"))


class TestARoleThatDoesNotOwnTheTables:
    """Row level security hides every row from it, so the hub would see an empty directory and call all of it in sync."""

    REMEDY = "Connect as their owner"

    @pytest.fixture
    def hidden(self, pasted: str) -> Iterator[str]:
        with psycopg.connect(pasted, autocommit=True) as owner:
            owner.execute("grant all on all tables in schema public to editor; grant all on all sequences in schema public to editor")
            yield address(urlsplit(pasted).path.strip("/"), "editor", "editor")
            owner.execute("revoke all on all tables in schema public from editor; revoke all on all sequences in schema public from editor")

    def test_it_sees_no_row(self, pasted: str, hidden: str) -> None:
        with psycopg.connect(hidden) as connection:
            assert connection.execute("select count(*) from django_migrations").fetchone() == (0,)

    def test_the_worker_refuses_to_start(self, hidden: str) -> None:
        result = manage(hidden, "sync_worker")
        assert result.returncode == 2
        assert self.REMEDY in result.stderr
        assert "Traceback" not in result.stderr

    def test_the_web_process_refuses_to_start(self, hidden: str) -> None:
        result = load_wsgi(hidden)
        assert result.returncode != 0
        assert self.REMEDY in result.stderr

    def test_the_web_process_starts_without_a_database_and_says_that_nothing_was_checked(self) -> None:
        result = load_wsgi("postgresql://nobody:x@127.0.0.1:1/none")
        assert result.returncode == 0, result.stderr
        assert "cannot be reached yet" in result.stderr


class TestOtherRoles:
    """What docs/sql.md says they need."""

    @pytest.fixture
    def as_editor(self) -> Iterator[psycopg.Connection[Any]]:
        """A role with no rights yet, in a database with a site that is sent nothing. The owner's connection is `.owner`."""
        with database() as url:
            done(manage(url, "migrate"))
            done(manage(url, "add_site", "hrms", "--url=http://127.0.0.1:9"))
            with psycopg.connect(url, autocommit=True) as owner, acting_as("editor", url) as editor:
                editor.owner = owner  # type: ignore[attr-defined]
                yield editor
                owner.execute("drop owned by editor")

    def test_grants_alone_show_nothing_and_take_nothing(self, as_editor: Any) -> None:
        as_editor.owner.execute("insert into user_profiles (email, full_name) values ('ann@example.com', 'Ann')")
        as_editor.owner.execute("grant select, insert, update, delete on user_profiles to editor")
        assert as_editor.execute("select count(*) from user_profiles").fetchone() == (0,)
        with pytest.raises(errors.InsufficientPrivilege, match="row-level security"):
            as_editor.execute("insert into user_profiles (email, full_name) values ('bob@example.com', 'Bob')")

    def test_a_policy_lets_a_role_edit_users_and_what_it_does_is_captured(self, as_editor: Any) -> None:
        as_editor.owner.execute("grant select, insert, update, delete on user_profiles to editor")
        as_editor.owner.execute("create policy directory_editor on user_profiles to editor using (true) with check (true)")
        as_editor.execute("insert into user_profiles (email, full_name) values ('ann@example.com', 'Ann')")
        as_editor.execute("update user_profiles set role = 'lead'")
        as_editor.execute("delete from user_profiles")
        captured = as_editor.owner.execute("select operation from user_sync_outbox order by id").fetchall()
        assert captured == [("upsert",), ("upsert",), ("delete",)]

    def test_a_role_with_bypassrls_reads_the_view_and_calls_the_functions_with_the_grants_that_the_page_names(self, as_editor: Any) -> None:
        as_editor.owner.execute("insert into user_profiles (user_id, email, full_name) values ('user_1', 'ann@example.com', 'Ann')")
        page = (PROJECT / "docs" / "sql.md").read_text()
        for line in (line for line in page.splitlines() if line.startswith("grant ") and line.endswith("to reporter;")):
            as_editor.owner.execute(line.replace("to reporter", "to editor"))
        as_editor.owner.execute("alter role editor bypassrls")
        try:
            assert as_editor.execute("select user_id, sync_status from user_sync_status").fetchall() == [("user_1", "pending")]
            assert as_editor.execute("select site_name, pending from user_sync_summary()").fetchall() == [("hrms", 1)]
            assert as_editor.execute("select sync_user('user_1')").fetchone() == (1,)
            assert as_editor.execute("select sync_all_users()").fetchone() is not None
        finally:
            as_editor.owner.execute("alter role editor nobypassrls")
