"""Sync All and bulk runs: everyone, a window at a time, counted, resumable."""

import pytest
from django.db import connection
from werkzeug import Response

from sites.models import ConnectedSite
from sync import operations, runs, status
from sync.models import Delivery, SyncRun
from tests.scripted_site import ScriptedSite
from tests.sync.conftest import Connect, attempts, catch_up, drain, make, sql, user

pytestmark = pytest.mark.django_db(transaction=True)


def test_sync_all_sends_everyone_to_every_site_also_those_in_sync(hrms: ScriptedSite, connect: Connect) -> None:
    connect("cms", hrms.url)
    make(20)
    drain()
    before = len(hrms.requests)
    run = operations.run_here(operations.sync_all(cause="sync_all", actor="root").run)
    assert run.state == "finished"
    assert len(hrms.requests) - before == 40
    progress = status.progress(run)
    assert (progress.total, progress.succeeded, progress.failed, progress.left_owed, progress.percent) == (40, 40, 0, 0, 100)
    assert {(a.cause, a.actor) for a in attempts()[-40:]} == {("sync_all", "root")}
    assert {a.run_id for a in attempts()[-40:]} == {run.pk}


def test_sync_all_also_sends_what_was_never_fanned_out_once(hrms: ScriptedSite) -> None:
    make(5)
    operations.run_here(operations.sync_all(cause="cli").run)
    catch_up()
    drain()
    assert len(hrms.requests) == 5


def test_two_sync_alls_at_once_are_one_run(hrms: ScriptedSite) -> None:
    make(3)
    first = operations.sync_all(cause="sync_all")
    second = operations.sync_all(cause="api")
    assert first.run == second.run
    assert (first.is_new, second.is_new) == (True, False)
    assert "under way already" in second.message


def test_failures_are_counted_and_go_on_by_the_backoff(hrms: ScriptedSite) -> None:
    make(4)
    drain()
    hrms.answer = lambda _: Response(status=500)
    run = operations.run_here(operations.sync_all(cause="sync_all").run)
    progress = status.progress(run)
    assert (progress.succeeded, progress.failed) == (0, 4)
    assert Delivery.objects.filter(status="pending", run_id=None).count() == 4
    assert operations.describe(run) == "Nothing was delivered, 4 failed."


def test_a_quarantined_site_is_left_to_the_worker_and_does_not_hold_the_run(hrms: ScriptedSite) -> None:
    make(30)
    drain()
    sql("update user_sync_site_health set quarantined_at = now(), next_probe_at = now() + interval '1 minute'")
    run = operations.run_here(operations.sync_all(cause="sync_all").run)
    progress = status.progress(run)
    assert (run.state, progress.succeeded, progress.left_owed) == ("finished", 0, 30)
    assert Delivery.objects.filter(status="pending").count() == 30


def test_what_a_run_left_is_said_to_be_delivered_once_the_worker_has_done_it(hrms: ScriptedSite) -> None:
    make(4)
    drain()
    hrms.answer = lambda request: Response(status=500 if request.get_json()["id"] == "user_00002" else 204)
    run = operations.run_here(operations.sync_all(cause="sync_all").run)
    before = status.progress(run)
    assert (before.label, before.percent, before.made_up) == ("Not all delivered", 75, False)
    hrms.answer = lambda _: Response(status=204)
    sql("update user_sync_delivery set next_attempt_at = now() where status = 'pending'")
    drain()
    after = status.progress(SyncRun.objects.annotate(still_owes=status.still_owes()).get(pk=run.pk))
    assert (after.label, after.look, after.percent) == ("Finished", "success", 100)
    assert after.sentence.endswith("3 of 4 delivered. What it left, the worker has delivered since.")
    assert status.progress(run) == after


def test_a_site_that_dies_in_the_middle_does_not_hold_the_run(hrms: ScriptedSite) -> None:
    make(30)
    drain()
    hrms.stop()
    run = operations.run_here(operations.sync_all(cause="sync_all").run)
    progress = status.progress(run)
    assert run.state == "finished"
    assert progress.failed >= 3
    assert progress.failed + progress.left_owed == 30


def test_a_run_marks_no_more_than_its_window_and_moves_its_cursor(hrms: ScriptedSite, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runs, "WINDOW", 10)
    make(35)
    drain()
    feeder = runs.Feeder(operations.sync_all(cause="sync_all").run)
    assert feeder.step() is False
    assert Delivery.objects.filter(status="pending").count() == 10
    assert feeder.run.parts.get().cursor == "user_00009"
    assert feeder.step() is False
    assert Delivery.objects.filter(status="pending").count() == 10


def test_only_what_is_out_of_date_is_sent_when_asked_for(hrms: ScriptedSite) -> None:
    make(10)
    drain()
    before = len(hrms.requests)
    assert "nothing to send" in operations.sync_all(cause="cli", only_pending=True).message
    sql("update user_profiles set role = 'lead' where user_id < 'user_00003'")
    operations.run_here(operations.sync_all(cause="cli", only_pending=True).run)
    assert sorted(body["id"] for body in hrms.bodies[before:]) == ["user_00000", "user_00001", "user_00002"]


def test_chosen_users_are_sent_at_once_and_the_answer_counts_them(hrms: ScriptedSite) -> None:
    make(5)
    drain()
    before = len(hrms.requests)
    started = operations.sync_users(["user_00001", "user_00003"], cause="admin", actor="root")
    assert started.message == "2 delivered to 1 site."
    assert sorted(body["id"] for body in hrms.bodies[before:]) == ["user_00001", "user_00003"]


def test_without_a_site_sync_all_says_why_nothing_happens(db: None) -> None:
    make(2)
    started = operations.sync_all(cause="sync_all")
    assert started.message == "Nothing to send: no site is active. Connect a site first."
    assert SyncRun.objects.get().state == "finished"


def test_owed_removals_are_part_of_sync_all(hrms: ScriptedSite) -> None:
    make(2)
    drain()
    hrms.answer = lambda _: Response(status=404)
    sql("delete from user_profiles where user_id = 'user_00000'")
    drain()
    assert Delivery.objects.get(user_id="user_00000").status == "failed"
    hrms.answer = lambda _: Response(status=200)
    run = operations.run_here(operations.sync_all(cause="sync_all").run)
    assert Delivery.objects.filter(user_id="user_00000").count() == 0
    assert status.progress(run).total == 2


def test_sync_user_sends_again_and_says_where_it_stands(hrms: ScriptedSite) -> None:
    person = user()
    result = operations.sync_user("ANN@example.com", cause="api", actor="payroll")
    assert (result.success, result.message, result.user_id) == (True, "Sent to 1 site: all in sync.", person.user_id)
    assert [received.message_id for received in hrms.requests][0] != hrms.requests[1].message_id
    assert [a.cause for a in attempts()] == ["save", "api"]


def test_sync_user_of_an_unknown_user_or_site_names_it(hrms: ScriptedSite) -> None:
    with pytest.raises(operations.UnknownUser, match="'nobody@example.com'"):
        operations.sync_user("nobody@example.com", cause="api")
    person = user()
    with pytest.raises(operations.UnknownSite, match="'crm'. Connected sites: hrms"):
        operations.sync_user(person.user_id, cause="api", site_names=["crm"])


def test_retrying_failed_attempts_sends_each_user_and_site_once(hrms: ScriptedSite) -> None:
    hrms.answer = lambda _: Response('{"error": "no"}', 422)
    first, second = user("a@example.com"), user("b@example.com")
    first.role = "lead"
    first.save()
    hrms.answer = lambda _: Response(status=200)
    before = len(hrms.requests)
    said = operations.retry_attempts([a.pk for a in attempts()], cause="retry", actor="root")
    assert said.message == "2 of 2 delivered, 0 failed, 0 pending."
    assert sorted(body["id"] for body in hrms.bodies[before:]) == sorted([first.user_id, second.user_id])


def test_a_run_over_nobody_ends_by_itself(hrms: ScriptedSite) -> None:
    assert operations.run_here(operations.sync_all(cause="sync_all").run).state == "finished"


def test_starting_a_run_costs_no_delivery(hrms: ScriptedSite) -> None:
    make(5)
    catch_up()
    before = list(Delivery.objects.values())
    operations.sync_all(cause="sync_all")
    assert list(Delivery.objects.values()) == before
    assert ConnectedSite.objects.count() == 1
    assert connection.in_atomic_block is False


def test_a_run_that_did_not_deliver_all_is_not_called_finished(hrms: ScriptedSite, connect: Connect) -> None:
    connect("cms", hrms.url)
    make(10)
    drain()
    sql(
        "update user_sync_site_health set quarantined_at = now(), next_probe_at = now() + interval '1 minute'"
        " where site_id = (select id from connected_sites where name = 'cms')"
    )
    hrms.answer = lambda request: Response(status=422 if request.get_json()["id"] == "user_00003" else 204)
    run = operations.run_here(operations.sync_all(cause="sync_all").run)
    progress = status.progress(run)
    assert (run.state, progress.label, progress.look, progress.percent) == ("finished", "Not all delivered", "warning", 45)
    assert progress.sentence.endswith("9 of 20 delivered, 1 not accepted or not reached at the first try, 10 left to the worker."
                                      " HRMS: 1 failed; CMS: 10 left.")  # fmt: skip
    hrms.answer = lambda _: Response(status=204)
    done = status.progress(operations.run_here(operations.sync_all(cause="sync_all", sites=[ConnectedSite.objects.get(name="hrms")]).run))
    assert (done.label, done.look, done.percent) == ("Finished", "success", 100)


def test_a_run_does_not_wait_for_what_an_earlier_attempt_put_off(hrms: ScriptedSite) -> None:
    make(3)
    drain()
    run = operations.sync_all(cause="sync_all").run
    runs.Feeder(run).step()
    sql("update user_sync_delivery set next_attempt_at = now() + interval '5 hours' where user_id = 'user_00001'")
    sql("update user_sync_run set lease_until = null")
    progress = status.progress(operations.run_here(run))
    assert (progress.label, progress.succeeded, progress.left_owed) == ("Not all delivered", 2, 1)
