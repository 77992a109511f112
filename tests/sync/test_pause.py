"""A person has a site wait, lets it go on, or has it probed: what is sent meanwhile, and what every screen says of it."""

from typing import Any

import psycopg
import pytest
from werkzeug import Response

from sites.models import ConnectedSite
from sync import operations, runs, site_control, status
from sync.deliver.claim import claim, claim_uncontended
from sync.deliver.targets import open_slots
from sync.models import Delivery, SiteHealth, SyncRun
from tests.processes import database_url
from tests.scripted_site import ScriptedSite, accept
from tests.sync.conftest import Connect, attempts, catch_up, drain, make_due, shown, sql, user
from users.models import UserProfile

pytestmark = pytest.mark.django_db(transaction=True)


def site() -> ConnectedSite:
    return ConnectedSite.objects.get(name="hrms")


def pause(reason: str = "maintenance") -> site_control.Told:
    return site_control.pause_site(site(), actor="ann", reason=reason)


def quarantine() -> None:
    sql(
        "update user_sync_site_health set quarantined_at = now(), quarantine_reason = 'HTTP 500: the site failed',"
        " next_probe_at = now() + interval '50 seconds'"
    )


# --- what is sent -------------------------------------------------------------------------------------------------------


def test_a_paused_site_is_sent_nothing_and_its_users_stay_pending_without_spending_a_try(hrms: ScriptedSite) -> None:
    ann = user()
    pause()
    ann.role = "lead"
    ann.save()
    make_due()
    drain()
    assert len(hrms.requests) == 1
    delivery = Delivery.objects.get()
    assert (delivery.status, delivery.tries) == ("pending", 0)
    assert shown(ann.user_id).status == "pending"


def test_a_pause_holds_from_the_moment_it_is_committed_also_for_a_sender_that_looked_before(hrms: ScriptedSite, settings: Any) -> None:
    settings.SYNC_ON_SAVE = "queue"
    user()
    catch_up()
    looked = open_slots()
    pause()
    assert (claim(looked), claim_uncontended(looked).claims) == ([], [])
    site_control.resume_site(site(), actor="bob")
    assert len(claim(looked)) == 1


def test_removals_wait_too_and_go_out_when_the_site_is_resumed(hrms: ScriptedSite) -> None:
    user(user_id="user_1")
    pause()
    UserProfile.objects.all().delete()
    drain()
    assert hrms.paths == ["/api/users/sync"]
    assert shown("user_1").label == "Removal pending"
    site_control.resume_site(site(), actor="bob")
    drain()
    assert hrms.paths[1:] == ["/api/users/sync/delete"]


def test_a_paused_site_gets_no_probe_although_it_is_quarantined(hrms: ScriptedSite) -> None:
    quarantine()
    user()
    sql("update user_sync_site_health set next_probe_at = now() - interval '1 hour'")
    pause()
    drain()
    assert hrms.requests == []


def test_what_waits_is_due_at_once_when_the_site_is_resumed_whatever_its_backoff(hrms: ScriptedSite) -> None:
    hrms.answer = lambda _: Response(status=500)
    user()
    pause()
    hrms.answer = accept
    Delivery.objects.update(next_attempt_at="2099-01-01T00:00:00Z")
    site_control.resume_site(site())
    drain()
    assert Delivery.objects.get().status == "success"


def test_pausing_and_resuming_asks_for_no_reconcile(hrms: ScriptedSite) -> None:
    catch_up()
    before = SiteHealth.objects.get().reconcile_wanted
    pause()
    site_control.resume_site(site())
    assert SiteHealth.objects.get().reconcile_wanted == before


def test_other_sites_go_on(hrms: ScriptedSite, connect: Connect, scripted: Any) -> None:
    cms = scripted()
    connect("cms", cms.url)
    pause()
    ann = user()
    assert (len(hrms.requests), len(cms.requests)) == (0, 1)
    assert shown(ann.user_id, "cms").status == "success"


def test_a_run_does_not_wait_for_a_paused_site(hrms: ScriptedSite) -> None:
    UserProfile.objects.bulk_create(UserProfile(user_id=f"user_{n}", email=f"u{n}@example.com", full_name="U") for n in range(5))
    catch_up()
    pause()
    run = operations.run_here(operations.sync_all(cause="cli").run)
    assert run.state == "finished"
    assert hrms.requests == []
    assert Delivery.objects.filter(status="pending", run_id=None).count() == 5
    site_control.resume_site(site())
    drain()
    assert len(hrms.requests) == 5


def test_a_run_that_is_under_way_leaves_a_site_that_is_paused_to_the_worker(hrms: ScriptedSite) -> None:
    user()
    operations.sync_all(cause="cli")
    feeder = runs.Feeder(SyncRun.objects.get())
    feeder.step()
    assert Delivery.objects.filter(run_id=feeder.run.pk).count() == 1
    pause()
    while not feeder.step():
        continue
    assert SyncRun.objects.get().state == "finished"


def test_resuming_ends_a_quarantine_and_a_wait_as_well(hrms: ScriptedSite) -> None:
    quarantine()
    sql("update user_sync_site_health set throttled_until = now() + interval '1 hour'")
    pause()
    ann = user()
    told = site_control.resume_site(site())
    assert (told.changed, "receives again" in told.message) == (True, True)
    drain()
    assert shown(ann.user_id).status == "success"


# --- probes -------------------------------------------------------------------------------------------------------------


def test_a_probe_asked_for_goes_out_now_and_reopens_the_site(hrms: ScriptedSite) -> None:
    quarantine()
    for number in range(3):
        user(f"u{number}@example.com")
    drain()
    assert hrms.requests == []
    told = site_control.probe_site(site(), actor="ann")
    assert told.changed
    assert "sends HRMS one delivery now. If it is answered, all that waits follows; if not, the next probe is in a minute." in told.message
    drain()
    assert len(hrms.requests) == 3
    assert SiteHealth.objects.get().quarantined_at is None


def test_a_probe_asked_for_that_fails_is_one_request_and_spends_no_try(hrms: ScriptedSite) -> None:
    hrms.answer = lambda _: Response(status=500)
    quarantine()
    for number in range(3):
        user(f"u{number}@example.com")
    site_control.probe_site(site())
    drain()
    assert len(hrms.requests) == 1
    assert set(Delivery.objects.values_list("tries", flat=True)) == {0}
    assert SiteHealth.objects.get().quarantined_at is not None


def test_a_probe_that_makes_no_sense_says_why(hrms: ScriptedSite) -> None:
    assert site_control.probe_site(site()).message == "HRMS is not quarantined, so there is nothing to probe; nothing changed."
    quarantine()
    assert "the next change for it is one" in site_control.probe_site(site()).message
    pause()
    assert "HRMS is paused: resume it" in site_control.probe_site(site()).message
    ConnectedSite.objects.update(is_active=False)
    site_control.resume_site(site())
    quarantine()
    assert "inactive: activate it first" in site_control.probe_site(site()).message


def test_the_worker_is_woken(hrms: ScriptedSite) -> None:
    with psycopg.connect(database_url(), autocommit=True) as listener:
        listener.execute("listen user_sync")
        pause()
        site_control.resume_site(site())
        assert [n.payload for n in listener.notifies(timeout=5, stop_after=1)] == ["due"]
        quarantine()
        user()
        list(listener.notifies(timeout=0.2))
        site_control.probe_site(site())
        assert "due" in [n.payload for n in listener.notifies(timeout=5, stop_after=1)]


# --- what is said -------------------------------------------------------------------------------------------------------


def test_every_screen_says_who_paused_it_and_why(hrms: ScriptedSite) -> None:
    ann = user()
    pause("new server")
    ann.role = "lead"
    ann.save()
    (overview,) = status.sites_overview()
    assert (overview.state, overview.label) == ("paused", "Paused")
    assert overview.words == "Paused by ann just now: new server. 1 user waits."
    row = shown(ann.user_id)
    assert row.next_attempt_at is None
    assert row.details == [
        "Paused by ann just now: new server.", "Sent when the site is resumed.", "Last delivered just now.",
    ]  # fmt: skip
    assert status.sentence(status.of_user(ann.user_id)) == (
        "Pending at HRMS: paused by ann just now: new server; sent when the site is resumed."
    )


def test_what_the_last_try_came_to_stays_to_be_seen(hrms: ScriptedSite) -> None:
    hrms.answer = lambda _: Response(status=500)
    ann = user()
    pause("")
    assert shown(ann.user_id).details[:2] == ["Paused by ann just now.", "Before: HTTP 500: the site failed."]


def test_pausing_twice_and_resuming_what_is_not_paused_change_nothing_and_say_so(hrms: ScriptedSite) -> None:
    assert pause("first").message == "HRMS is paused: what it is owed waits, and no try is spent, until it is resumed."
    again = site_control.pause_site(site(), actor="bob", reason="second")
    assert (again.message, again.changed) == ("Nothing changed: HRMS is already paused by ann just now: first.", False)
    assert SiteHealth.objects.get().pause_reason == "first"
    site_control.resume_site(site())
    told = site_control.resume_site(site())
    assert (told.message, told.changed) == ("HRMS is not paused; nothing changed.", False)


def test_an_inactive_paused_site_is_said_to_be_both(hrms: ScriptedSite) -> None:
    ConnectedSite.objects.update(is_active=False)
    assert "inactive as well" in pause().message
    (overview,) = status.sites_overview()
    assert overview.words == "Receives nothing. Activate it, and it catches up. Paused by ann just now: maintenance."
    assert "activate it, and it catches up" in site_control.resume_site(site()).message


def test_syncing_a_user_names_the_paused_site(hrms: ScriptedSite, connect: Connect, scripted: Any) -> None:
    connect("cms", scripted().url)
    ann = user()
    pause()
    result = operations.sync_user(ann.user_id, cause="api")
    assert result.success is False
    assert result.message == "Sent to 1 site: in sync there. HRMS is paused by ann just now: maintenance; sent when the site is resumed."


def test_a_bulk_action_names_the_sites_that_wait_and_why(hrms: ScriptedSite, connect: Connect, scripted: Any) -> None:
    connect("cms", scripted().url)
    people = [user(f"u{n}@example.com") for n in range(2)]
    pause()
    started = operations.sync_users([person.user_id for person in people], cause="admin")
    assert started.as_asked is False
    assert started.message == (
        "2 delivered to 1 site, 2 left to the worker. HRMS is paused by ann just now: maintenance; sent when the site is resumed."
    )


def test_a_reason_keeps_no_secret_and_stays_on_one_line(hrms: ScriptedSite) -> None:
    pause("moved,\nnew secret is whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\x00")
    assert SiteHealth.objects.get().pause_reason == "moved, new secret is [redacted]"


def test_attempts_under_way_when_the_site_is_paused_are_still_settled(hrms: ScriptedSite) -> None:
    def paused_meanwhile(request: Any) -> Response:
        with psycopg.connect(database_url(), autocommit=True) as console:
            console.execute("update user_sync_site_health set paused_at = now(), paused_by = 'ann'")
        return accept(request)

    hrms.answer = paused_meanwhile
    ann = user()
    assert shown(ann.user_id).status == "success"
    assert [attempt.status for attempt in attempts()] == ["success"]
    assert SiteHealth.objects.get().paused_by == "ann"
