"""Every committed change leaves a version and an outbox row, whoever makes it."""

import threading

import psycopg
import pytest
from django.db import IntegrityError, connection, transaction

from sync.models import OutboxEntry
from tests.sync.conftest import sql, user
from users.models import UserProfile

pytestmark = pytest.mark.django_db(transaction=True)


def outbox() -> list[tuple[str, str]]:
    return list(OutboxEntry.objects.values_list("user_id", "operation"))


def make(number: int) -> None:
    UserProfile.objects.bulk_create(UserProfile(user_id=f"user_{n}", email=f"u{n}@example.com", full_name=f"U {n}") for n in range(number))


def test_an_insert_of_an_email_and_a_name_in_a_sql_console_is_enough() -> None:
    sql("insert into user_profiles (email, full_name) values ('ann@example.com', 'Ann')")
    person = UserProfile.objects.get()
    assert person.user_id.startswith("user_")
    assert len(person.user_id) == 31
    assert (person.role, person.is_active) == ("user", True)
    assert person.version > 0
    assert outbox() == [(person.user_id, "upsert")]


def test_ids_made_by_the_database_and_by_python_sort_by_time() -> None:
    ids = []
    for n in range(3):
        ids.append(user(f"p{n}@example.com").user_id)
        sql("insert into user_profiles (email, full_name) values (%s, 'X')", f"s{n}@example.com")
        ids.append(UserProfile.objects.get(email=f"s{n}@example.com").user_id)
    times = [user_id[5:15] for user_id in ids]
    assert times == sorted(times)
    assert len(set(ids)) == 6


def test_bulk_create_update_and_delete_are_captured_row_by_row() -> None:
    make(3)
    assert sorted(outbox()) == [("user_0", "upsert"), ("user_1", "upsert"), ("user_2", "upsert")]
    OutboxEntry.objects.all().delete()
    UserProfile.objects.update(role="manager")
    assert len(outbox()) == 3
    OutboxEntry.objects.all().delete()
    sql("delete from user_profiles where user_id <> 'user_0'")
    assert sorted(outbox()) == [("user_1", "delete"), ("user_2", "delete")]


def test_truncate_is_captured() -> None:
    make(3)
    OutboxEntry.objects.all().delete()
    sql("truncate user_profiles")
    assert sorted(outbox()) == [("user_0", "delete"), ("user_1", "delete"), ("user_2", "delete")]


def test_a_save_that_changes_nothing_that_sites_hear_of_leaves_no_trace() -> None:
    person = user()
    before = UserProfile.objects.get().version
    OutboxEntry.objects.all().delete()
    person.save()
    sql("update user_profiles set created_at = now(), version = 7")
    after = UserProfile.objects.get()
    assert outbox() == []
    assert after.version == before
    assert after.updated_at == UserProfile.objects.get().updated_at


def test_versions_never_repeat_or_fall_even_when_a_user_is_deleted_and_created_again() -> None:
    versions = []
    for _ in range(3):
        sql("insert into user_profiles (user_id, email, full_name) values ('user_1', 'ann@example.com', 'Ann')")
        sql("update user_profiles set role = 'lead'")
        sql("delete from user_profiles")
    versions = list(OutboxEntry.objects.order_by("id").values_list("version", flat=True))
    assert len(versions) == 9
    assert versions == sorted(set(versions))


def test_an_insert_that_waited_for_the_same_users_deletion_ends_above_it() -> None:
    sql("insert into user_profiles (user_id, email, full_name) values ('user_1', 'ann@example.com', 'Ann')")
    parameters = connection.get_connection_params()
    parameters.pop("cursor_factory")
    parameters.pop("context", None)
    with psycopg.connect(**parameters) as first, psycopg.connect(**parameters) as second:
        first.execute("update user_profiles set role = 'lead' where user_id = 'user_1'")

        def insert_late() -> None:
            second.execute("insert into user_profiles (user_id, email, full_name) values ('user_1', 'ann@example.com', 'New Ann')")
            second.commit()

        waiting = threading.Thread(target=insert_late)
        # The insert draws its version, then waits on the unique index for the first transaction, which deletes only after that.
        waiting.start()
        with psycopg.connect(**parameters, autocommit=True) as watcher:
            for _ in range(1000):
                blocked = watcher.execute("select count(*) from pg_locks where not granted").fetchone()
                if blocked and blocked[0]:
                    break
            else:
                pytest.fail("the insert did not wait")
        first.execute("delete from user_profiles where user_id = 'user_1'")
        first.commit()
        waiting.join(10)
    removal = OutboxEntry.objects.get(operation="delete").version
    assert UserProfile.objects.get().version > removal


def test_a_rolled_back_change_leaves_nothing() -> None:
    with pytest.raises(RuntimeError), transaction.atomic():
        user()
        raise RuntimeError
    assert outbox() == []


def test_the_public_id_cannot_change_and_the_error_says_what_to_do() -> None:
    user()
    with pytest.raises(IntegrityError, match="Delete the user and insert another"):
        sql("update user_profiles set user_id = 'user_2'")


def test_two_users_cannot_share_an_email_whatever_its_case() -> None:
    user("ann@example.com")
    with pytest.raises(IntegrityError, match="user_profiles_email_unique"):
        sql("insert into user_profiles (email, full_name) values ('ANN@Example.com', 'Another')")


@pytest.mark.parametrize("email", ["", "ann", "ann@", "ann @example.com"])
def test_the_database_refuses_what_cannot_be_an_email(email: str) -> None:
    with pytest.raises(IntegrityError, match="user_profiles_email_has_at"):
        sql("insert into user_profiles (email, full_name) values (%s, 'Ann')", email)


def test_another_role_that_may_only_edit_users_is_captured_too() -> None:
    sql("drop role if exists directory_editor")
    sql("create role directory_editor bypassrls")
    sql("grant usage on schema public to directory_editor")
    sql("grant select, insert, update, delete on user_profiles to directory_editor")
    sql("grant usage on all sequences in schema public to directory_editor")
    try:
        with transaction.atomic():
            sql("set local role directory_editor")
            sql("insert into user_profiles (email, full_name) values ('ann@example.com', 'Ann')")
            sql("update user_profiles set role = 'lead'")
            sql("delete from user_profiles")
        assert [operation for _, operation in outbox()] == ["upsert", "upsert", "delete"]
    finally:
        sql("drop owned by directory_editor")
        sql("drop role directory_editor")


def test_a_hostile_search_path_does_not_redirect_the_triggers() -> None:
    with transaction.atomic():
        sql("create schema elsewhere")
        sql("create table elsewhere.user_sync_outbox (like user_sync_outbox)")
        sql("set local search_path = elsewhere, public")
        sql("insert into public.user_profiles (email, full_name) values ('ann@example.com', 'Ann')")
        sql("set local search_path = public")
        sql("drop schema elsewhere cascade")
    assert len(outbox()) == 1


def test_waking_the_worker_is_part_of_the_writers_transaction() -> None:
    parameters = connection.get_connection_params()
    parameters.pop("cursor_factory")
    parameters.pop("context", None)
    with psycopg.connect(**parameters, autocommit=True) as listener:
        listener.execute("listen user_sync")
        with transaction.atomic():
            sql("insert into user_profiles (email, full_name) values ('ann@example.com', 'Ann')")
            assert list(listener.notifies(timeout=0.2, stop_after=1)) == []
        assert [n.payload for n in listener.notifies(timeout=5, stop_after=1)] == ["outbox"]
        sql("update user_profiles set role = role")
        assert list(listener.notifies(timeout=0.2, stop_after=1)) == []
