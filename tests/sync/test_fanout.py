"""What sites are owed, for every kind of change of a user or of a site."""

import pytest
from django.db import transaction

from sites.models import ConnectedSite
from sync import fanout, status
from sync.models import Delivery, OutboxEntry, UserSyncLog
from tests.scripted_site import ScriptedSite
from tests.sync.conftest import Connect, catch_up, drain, shown, sql, user
from users.models import UserProfile

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _no_pushes(settings: object) -> None:
    settings.SYNC_ON_SAVE = "queue"  # type: ignore[attr-defined]


def test_a_new_user_is_pending_everywhere_before_and_after_the_fan_out(connect: Connect) -> None:
    connect("hrms"), connect("cms")
    person = user()
    assert {row.status for row in status.of_users([person.user_id])[person.user_id].sites} == {"pending"}
    catch_up()
    assert Delivery.objects.count() == 2
    assert {row.status for row in status.of_users([person.user_id])[person.user_id].sites} == {"pending"}


def test_five_edits_are_one_delivery_of_the_newest_state(hrms: ScriptedSite) -> None:
    person = user()
    for role in ("staff", "lead", "manager", "admin"):
        person.role = role
        person.save()
    drain()
    assert [body["role"] for body in hrms.bodies] == ["admin"]


def test_an_edit_shows_as_pending_at_once_though_the_site_was_in_sync(hrms: ScriptedSite) -> None:
    person = user()
    drain()
    assert shown(person.user_id).status == "success"
    sql("update user_profiles set role = 'lead'")
    assert shown(person.user_id).status == "pending"


def test_only_users_with_a_role_in_scope_are_owed(connect: Connect) -> None:
    connect("hrms", roles=["manager"])
    clerk, boss = user("clerk@example.com"), user("boss@example.com", role="manager")
    catch_up()
    assert [d.user_id for d in Delivery.objects.all()] == [boss.user_id]
    assert shown(clerk.user_id).label == "Not needed"


def test_a_user_who_leaves_the_scope_is_removed_and_on_return_sent_again(hrms: ScriptedSite) -> None:
    ConnectedSite.objects.update(roles=["manager"])
    person = user(role="manager")
    drain()
    sql("update user_profiles set role = 'user'")
    drain()
    assert shown(person.user_id).label == "Removed"
    sql("update user_profiles set role = 'manager'")
    drain()
    assert [body["action"] for body in hrms.bodies] == ["upsert", "delete", "upsert"]
    versions = [body["version"] for body in hrms.bodies]
    assert versions == sorted(set(versions))


def test_a_site_whose_roles_change_gets_each_action_at_a_higher_version(hrms: ScriptedSite) -> None:
    user()
    drain()
    ConnectedSite.objects.update(roles=["manager"])
    drain()
    ConnectedSite.objects.update(roles=[])
    drain()
    assert [body["action"] for body in hrms.bodies] == ["upsert", "delete", "upsert"]
    # A request of before that arrives late undoes nothing at a site that ignores lower versions.
    versions = [body["version"] for body in hrms.bodies]
    assert versions == sorted(set(versions))


def test_nobody_is_told_of_the_removal_of_a_user_that_was_never_sent(hrms: ScriptedSite) -> None:
    user()
    catch_up()
    sql("delete from user_profiles")
    drain()
    assert hrms.requests == []
    assert Delivery.objects.count() == 0


def test_the_removal_is_shown_until_it_is_acknowledged_and_then_forgotten(hrms: ScriptedSite) -> None:
    person = user()
    drain()
    sql("delete from user_profiles")
    catch_up()
    row = shown(person.user_id)
    assert (row.status, row.label) == ("pending", "Removal pending")
    drain()
    assert hrms.paths[-1] == "/api/users/sync/delete"
    assert hrms.bodies[-1]["email"] == "ann@example.com"
    assert status.of_user(person.user_id) is None
    assert Delivery.objects.count() == 0


def test_deleting_the_row_of_a_user_whose_removal_was_acknowledged_sends_nothing_more(hrms: ScriptedSite) -> None:
    user()
    drain()
    sql("update user_profiles set is_active = false")
    drain()
    sql("update user_profiles set full_name = 'Ann Left'")
    sql("delete from user_profiles")
    drain()
    assert [body["action"] for body in hrms.bodies] == ["upsert", "delete"]
    assert Delivery.objects.count() == 0


def test_an_inactive_site_is_owed_what_it_must_unlearn_and_gets_it_when_it_is_active_again(hrms: ScriptedSite) -> None:
    leaver, stayer = user("leaver@example.com"), user("stayer@example.com")
    drain()
    ConnectedSite.objects.update(is_active=False)
    leaver.delete()
    newcomer = user("newcomer@example.com")
    sql("update user_profiles set role = 'lead' where user_id = %s", stayer.user_id)
    drain()
    assert len(hrms.requests) == 2
    ConnectedSite.objects.update(is_active=True)
    drain()
    told = {(body["id"], body["action"]) for body in hrms.bodies[2:]}
    assert told == {(leaver.user_id, "delete"), (stayer.user_id, "upsert"), (newcomer.user_id, "upsert")}


def test_a_site_that_moved_is_sent_everyone_again_and_shown_as_pending_at_once(hrms: ScriptedSite) -> None:
    person = user()
    gone = user("gone@example.com")
    drain()
    sql("update user_profiles set is_active = false where user_id = %s", gone.user_id)
    drain()
    before = len(hrms.requests)
    ConnectedSite.objects.update(url=hrms.url + "/")
    assert shown(person.user_id).status == "pending"
    drain()
    assert {(b["id"], b["action"]) for b in hrms.bodies[before:]} == {(person.user_id, "upsert"), (gone.user_id, "delete")}
    assert shown(person.user_id).status == "success"


def test_a_new_site_receives_everyone_in_scope(connect: Connect, hrms: ScriptedSite) -> None:
    UserProfile.objects.bulk_create(UserProfile(email=f"u{n}@example.com", full_name="U") for n in range(30))
    drain()
    second = ConnectedSite.objects.create(name="cms", display_name="CMS", url=hrms.url)
    second.credentials.create(secret="whsec_" + "QUJD" * 8)
    drain()
    assert len(hrms.requests) == 60


def test_deleting_a_site_forgets_its_deliveries_and_keeps_its_log(hrms: ScriptedSite) -> None:
    user()
    drain()
    sql("delete from connected_sites")
    assert Delivery.objects.count() == 0
    assert UserSyncLog.objects.get().site_name == "hrms"


def test_a_fan_out_that_fails_keeps_the_outbox(connect: Connect) -> None:
    connect("hrms")
    user()
    with pytest.raises(RuntimeError), transaction.atomic():
        fanout.fan_out()
        raise RuntimeError
    assert OutboxEntry.objects.count() == 1


def test_a_live_user_below_the_version_of_its_own_removal_is_restamped(hrms: ScriptedSite) -> None:
    person = user()
    drain()
    sql("update user_sync_delivery set wanted_action = 'delete', wanted_version = nextval('user_sync_version_seq') + 10")
    sql("select setval('user_sync_version_seq', (select max(wanted_version) from user_sync_delivery))")
    fanout.owe([(person.user_id, None)], cause="change")
    catch_up()
    drain()
    assert shown(person.user_id).status == "success"
    assert hrms.bodies[-1]["action"] == "upsert"
    assert hrms.bodies[-1]["version"] == UserProfile.objects.get().version


def test_a_large_update_is_fanned_out_in_chunks(connect: Connect) -> None:
    connect("hrms")
    UserProfile.objects.bulk_create(UserProfile(email=f"u{n}@example.com", full_name="U") for n in range(250))
    sql("update user_sync_outbox set not_before = now()")
    assert fanout.fan_out(100) == 100
    assert Delivery.objects.count() == 100
    catch_up()
    assert Delivery.objects.count() == 250
