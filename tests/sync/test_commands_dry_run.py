"""`manage.py sync_users --dry-run` says what the command would do, and does nothing."""

from typing import Any

import pytest
from django.utils import timezone

from sync.models import Delivery, SiteHealth, SyncRun
from tests.commands import people, run
from tests.scripted_site import ScriptedSite
from tests.sync.conftest import Connect, attempts, catch_up, drain, sql, user
from users.models import UserProfile

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def mixed(hrms: ScriptedSite, connect: Connect) -> ScriptedSite:
    """In sync, changed, never sent, deactivated, deleted, and out of scope."""
    people(5)
    drain()
    connect("cms", hrms.url, roles=["manager"])
    catch_up()
    sql("update user_profiles set role = 'manager' where user_id = 'user_001'")
    sql("update user_profiles set is_active = false where user_id = 'user_002'")
    sql("delete from user_profiles where user_id = 'user_003'")
    user("new@example.com", user_id="user_new")
    return hrms


@pytest.mark.parametrize("options", [[], ["--pending"], ["--user", "user_001", "--user", "user_003"], ["--site", "hrms", "--pending"]])
def test_it_says_what_the_same_command_then_does(mixed: ScriptedSite, options: list[str]) -> None:
    planned = run("sync_users", "--dry-run", "--json", *options)
    assert planned.status == 0
    expected = sorted((each["site"], each["userId"], each["action"]) for each in planned.document["deliveries"])
    before = len(attempts())
    assert run("sync_users", *options).status == 0
    assert sorted((a.site_name, a.user_id, a.type) for a in attempts()[before:]) == expected
    assert expected


def test_it_sends_nothing_and_writes_nothing(mixed: ScriptedSite) -> None:
    def everything() -> list[Any]:
        return [list(model.objects.order_by("pk").values()) for model in (UserProfile, Delivery, SyncRun, SiteHealth)]

    before, requests = everything(), len(mixed.requests)
    sql("update user_profiles set full_name = 'Changed' where user_id = 'user_004'")
    changed = everything()
    ran = run("sync_users", "--dry-run")
    assert ran.status == 0
    assert "nothing was sent" in ran.out
    assert everything() == changed != before
    assert len(mixed.requests) == requests


def test_it_says_what_goes_where(mixed: ScriptedSite) -> None:
    ran = run("sync_users", "--dry-run", "--pending")
    assert "delete u002@example.com at hrms" in ran.out
    assert "upsert u001@example.com at cms" in ran.out


def test_a_paused_site_is_named(mixed: ScriptedSite) -> None:
    SiteHealth.objects.filter(site__name="cms").update(quarantined_at=timezone.now(), quarantine_reason="It is down")
    assert "It is down." in run("sync_users", "--dry-run").out
