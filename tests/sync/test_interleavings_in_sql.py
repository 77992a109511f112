"""Two transactions at the same time, held at the moment that matters: nothing is lost, nothing goes out under the wrong version."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest
from django.db import connection, transaction

from sync import fanout
from sync.deliver.claim import Claim, claim, claim_uncontended
from sync.deliver.settle import Attempt, settle
from sync.deliver.targets import open_slots
from sync.models import Delivery
from sync.outcomes import Outcome, Verdict
from tests.conftest import eventually_true
from tests.scripted_site import ScriptedSite
from tests.sync.conftest import catch_up, drain, shown, sql, user
from users.models import UserProfile

pytestmark = pytest.mark.django_db(transaction=True)
AGAIN = "insert into user_profiles (user_id, email, full_name) values (%s, 'ann@example.com', 'Ann Again')"


@pytest.fixture(autouse=True)
def _no_pushes(settings: object) -> None:
    settings.SYNC_ON_SAVE = "queue"  # type: ignore[attr-defined]


@contextmanager
def another(*, autocommit: bool = False) -> Iterator[psycopg.Connection[Any]]:
    """A connection of somebody else."""
    parameters = connection.get_connection_params()
    parameters.pop("cursor_factory")
    parameters.pop("context", None)
    with psycopg.connect(**parameters, autocommit=autocommit) as other:
        yield other


class Meanwhile:
    """Work in a thread of its own, on a connection of its own. It is started, and waits for a lock, when this is made."""

    def __init__(self, work: Callable[[], Any], waiting: int = 1) -> None:
        self._failures: list[BaseException] = []
        self._thread = threading.Thread(target=self._run, args=[work])
        self._thread.start()
        with another(autocommit=True) as watcher:

            def waits() -> bool:
                row = watcher.execute(
                    "select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'"
                ).fetchone()
                return bool(row and row[0] >= waiting) or not self._thread.is_alive()

            eventually_true(waits, message="the work did not come to wait for a lock", pause=0.01)
        assert self._thread.is_alive(), f"the work did not wait: {self._failures or 'it is done'}"

    def _run(self, work: Callable[[], Any]) -> None:
        try:
            work()
        except BaseException as error:
            self._failures.append(error)
        finally:
            connection.close()

    def comes_through(self) -> None:
        self._thread.join(20)
        assert not self._thread.is_alive()
        assert self._failures == []


def take_one() -> Claim:
    (taken,) = claim(open_slots())
    return taken


def delivered(taken: Claim) -> Attempt:
    return Attempt(taken, Verdict(Outcome.DELIVERED), taken.message.message_id, 200, 0.01, b"{}")


def nobodys() -> None:
    """The second that the process which saved has for its push is over."""
    sql("update user_sync_outbox set not_before = now()")


def test_a_settle_that_waits_for_a_fan_out_leaves_the_newer_version_pending(hrms: ScriptedSite) -> None:
    person = user()
    catch_up()
    taken = take_one()
    sql("update user_profiles set role = 'lead'")
    nobodys()
    with transaction.atomic():
        fanout.fan_out()
        settling = Meanwhile(lambda: settle([delivered(taken)]))
    settling.comes_through()
    assert shown(person.user_id).status == "pending"
    drain()
    assert [body["role"] for body in hrms.bodies] == ["lead"]


def test_a_fan_out_that_waits_for_a_newer_one_does_not_call_the_newer_version_delivered(hrms: ScriptedSite) -> None:
    person = user()
    catch_up()
    sql("update user_profiles set role = 'staff'")
    settle([delivered(take_one())])  # sent ahead of its fan-out
    nobodys()
    with transaction.atomic():
        sql("update user_profiles set role = 'lead'")
        fanout.owe([(person.user_id, None)], cause="change")
        older = Meanwhile(fanout.fan_out)
    older.comes_through()
    assert shown(person.user_id).status == "pending"
    drain()
    assert [body["role"] for body in hrms.bodies] == ["lead"]


def test_a_first_fan_out_that_finds_its_version_delivered_meanwhile_does_not_owe_it_again(hrms: ScriptedSite) -> None:
    bob = user("bob@example.com")
    catch_up()
    settle([delivered(take_one())])
    ann = user()
    with another() as before, another() as slow:
        # Ann's first version is fanned out elsewhere, and she is changed before that commits.
        before.execute(
            "insert into user_sync_delivery (user_id, site_id, wanted_action, wanted_version)"
            " select %s, id, 'upsert', %s from connected_sites",
            [ann.user_id, ann.version],
        )
        slow.execute("select from user_sync_delivery where user_id = %s for update", [bob.user_id])
        sql("update user_profiles set role = 'lead'")
        nobodys()
        fanning_out = Meanwhile(fanout.fan_out)  # has not seen her delivery, and waits for Bob's
        before.commit()
        taken = take_one()
        assert (taken.message.user_id, taken.message.role) == (ann.user_id, "lead")
        settle([delivered(taken)])
        slow.rollback()
        fanning_out.comes_through()
    assert shown(ann.user_id).status == "success"
    drain()
    assert [body["id"] for body in hrms.bodies] == [bob.user_id]


def test_a_fan_out_of_a_removal_that_waits_for_the_users_return_does_not_forget_them(hrms: ScriptedSite) -> None:
    person = user()
    catch_up()
    sql("delete from user_profiles")
    nobodys()
    with transaction.atomic():
        sql(AGAIN, person.user_id)
        fanout.owe([(person.user_id, None)], cause="change")
        sql("delete from user_sync_outbox where operation = 'upsert'")  # as a fan-out does; it leaves the removal to the other
        older = Meanwhile(fanout.fan_out)
    older.comes_through()
    drain()
    assert [body["full_name"] for body in hrms.bodies] == ["Ann Again"]
    assert shown(person.user_id).status == "success"


def test_a_user_who_returns_while_the_acknowledged_removal_is_being_forgotten_is_sent_again(hrms: ScriptedSite) -> None:
    person = user()
    drain()
    sql("delete from user_profiles")
    catch_up()
    removal = take_one()
    # Whatever keeps the settle from committing: here it is the site's health.
    sql("update user_sync_site_health set last_success_at = null")
    with another() as holder:
        holder.execute("select from user_sync_site_health for update")
        settling = Meanwhile(lambda: settle([delivered(removal)]))
        sql(AGAIN, person.user_id)
        nobodys()
        returning = Meanwhile(fanout.fan_out, waiting=2)
        holder.rollback()
    settling.comes_through()
    returning.comes_through()
    drain()
    assert [body["full_name"] for body in hrms.bodies] == ["Ann", "Ann Again"]
    assert shown(person.user_id).status == "success"


@pytest.fixture
def slow_claim() -> Iterator[int]:
    """Claims wait at their first user for this advisory lock, after they read the directory and before they lease the second."""
    lock = 4_711
    with connection.cursor() as cursor:
        cursor.execute("select pg_get_functiondef('user_sync_in_scope'::regproc)")
        (original,) = cursor.fetchone()
    sql(
        "create or replace function user_sync_in_scope(is_active boolean, role text, roles text[]) returns boolean language plpgsql as"
        f" $$ begin perform pg_advisory_lock({lock}), pg_advisory_unlock({lock}); return is_active; end $$"
    )
    yield lock
    sql(original)


def test_a_claim_that_read_an_older_user_never_sends_it_as_the_newer_version(hrms: ScriptedSite, slow_claim: int) -> None:
    UserProfile.objects.bulk_create([UserProfile(email=f"u{n}@example.com", full_name="Older", role="user") for n in range(2)])
    catch_up()
    sql("update user_sync_delivery set next_attempt_at = now() - interval '1 second' * id")
    last = Delivery.objects.order_by("next_attempt_at")[1].user_id
    taken: list[Claim] = []
    with another() as holder:
        holder.execute("select pg_advisory_xact_lock(%s)", [slow_claim])
        # By the plan that looks up each row by itself, whatever the statistics: another one may lock all rows first.
        claiming = Meanwhile(lambda: taken.extend(claim_uncontended(open_slots(), keep_plan=True).claims))
        with another() as editor:
            editor.execute("update user_profiles set full_name = 'Newer' where user_id = %s", [last])
            editor.execute(
                "update user_sync_delivery d set wanted_version = u.version from user_profiles u"
                " where u.user_id = d.user_id and d.user_id = %s",
                [last],
            )
        holder.rollback()
    claiming.comes_through()
    versions = dict(UserProfile.objects.values_list("user_id", "version"))
    sent = {item.message.user_id: item.message for item in taken}
    assert last not in sent or (sent[last].version, sent[last].full_name) in {(versions[last], "Newer"), (versions[last] - 1, "Older")}
    settle([delivered(item) for item in taken])
    drain()
    assert [body["full_name"] for body in hrms.bodies] == ["Newer"]


def test_of_two_transactions_that_commit_in_the_other_order_both_are_sent(hrms: ScriptedSite) -> None:
    first, second = user("ann@example.com"), user("bob@example.com")
    drain()
    with another() as slow:
        slow.execute("update user_profiles set role = 'lead' where user_id = %s", [first.user_id])
        sql("update user_profiles set role = 'staff' where user_id = %s", second.user_id)
        drain()
        assert [body["role"] for body in hrms.bodies[2:]] == ["staff"]
    drain()
    assert [body["role"] for body in hrms.bodies[2:]] == ["staff", "lead"]
    assert hrms.bodies[3]["version"] < hrms.bodies[2]["version"]  # it drew its version first, and nobody waited for it


@pytest.mark.parametrize("same_id", [True, False])
def test_an_insert_that_waits_for_a_deletion_of_its_id_or_email_ends_as_what_sites_have(hrms: ScriptedSite, same_id: bool) -> None:
    person = user("ann@example.com")
    drain()
    again = person.user_id if same_id else "user_new"
    with another() as leaving:
        leaving.execute("update user_profiles set role = 'lead'")
        inserting = Meanwhile(lambda: sql(AGAIN, again))
        leaving.execute("delete from user_profiles where user_id = %s", [person.user_id])
    inserting.comes_through()
    drain()
    last = {body["id"]: (body["action"], body["full_name"]) for body in hrms.bodies}
    assert last == ({again: ("upsert", "Ann Again")} if same_id else {person.user_id: ("delete", ""), again: ("upsert", "Ann Again")})
    assert shown(again).status == "success"
    of_one = [body["version"] for body in hrms.bodies if body["id"] == again]
    assert of_one == sorted(of_one)


def test_a_change_that_its_own_process_pushes_is_anybodys_a_second_later_however_late_it_commits(hrms: ScriptedSite) -> None:
    with another() as pusher:
        pusher.execute("set application_name = 'ssodash-push'")
        pusher.execute("insert into user_profiles (user_id, email, full_name) values ('user_1', 'ann@example.com', 'Ann')")
        pusher.commit()
        assert fanout.fan_out() == 0
        eventually_true(fanout.fan_out, timeout=5, message="nobody took the change over")
        pusher.execute("update user_profiles set full_name = 'Ann Late'")
        eventually_true(
            lambda: pusher.execute("select clock_timestamp() > max(not_before) from user_sync_outbox").fetchone() == (True,), timeout=5
        )
        assert fanout.fan_out() == 0  # nobody sees what is not committed
        pusher.commit()
        assert fanout.fan_out() == 1
    drain()
    assert [body["full_name"] for body in hrms.bodies] == ["Ann Late"]
