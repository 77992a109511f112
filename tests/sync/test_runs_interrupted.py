"""Runs that are cancelled, resumed, or fed by a process that ends or sleeps."""

import pytest

from sites.models import ConnectedSite
from sync import operations, runs, status
from sync.models import Delivery, SyncRun
from tests.scripted_site import ScriptedSite
from tests.sync.conftest import drain, make, sql

pytestmark = pytest.mark.django_db(transaction=True)


def test_another_process_goes_on_where_a_killed_one_stopped(hrms: ScriptedSite, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runs, "WINDOW", 10)
    make(35)
    drain()
    before = len(hrms.requests)
    run = operations.sync_all(cause="sync_all").run
    dead = runs.Feeder(run)
    dead.step()
    drain()
    dead.step()
    assert runs.Feeder(run).step() is True, "the lease is another's"
    sql("update user_sync_run set lease_until = now() - interval '1 second'")
    assert runs.waiting() == [run.pk]
    operations.run_here(run)
    assert len(hrms.requests) - before == 35
    assert status.progress(SyncRun.objects.get()).succeeded == 35


def test_a_cancelled_run_stops_feeding_and_what_it_owed_is_still_delivered(hrms: ScriptedSite, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runs, "WINDOW", 10)
    make(35)
    drain()
    before = len(hrms.requests)
    run = operations.sync_all(cause="sync_all").run
    feeder = runs.Feeder(run)
    feeder.step()
    assert "cancelled" in operations.cancel_run(run)
    assert feeder.step() is True
    drain()
    assert len(hrms.requests) - before == 10
    assert operations.cancel_run(run) == "The run was over already; nothing was cancelled."


def cancelled_run(monkeypatch: pytest.MonkeyPatch) -> SyncRun:
    """A run over 35 users that was cancelled after its first ten."""
    monkeypatch.setattr(runs, "WINDOW", 10)
    make(35)
    drain()
    run = operations.sync_all(cause="sync_all", actor="root").run
    runs.Feeder(run).step()
    operations.cancel_run(run)
    drain()
    return run


def test_a_cancelled_run_goes_on_where_it_stopped(hrms: ScriptedSite, monkeypatch: pytest.MonkeyPatch) -> None:
    run = cancelled_run(monkeypatch)
    before = len(hrms.requests)
    progress = status.progress(SyncRun.objects.get())
    assert (progress.left_owed, progress.not_sent, progress.can_resume) == (10, 25, True)
    assert progress.sentence == "Cancelled just now: 0 of 35 delivered, 25 not sent. What it left, the worker has delivered since."
    resumed = operations.resume_run(run)
    assert (resumed.is_new, resumed.run) == (True, run)
    assert resumed.message.startswith("The run goes on: 25 deliveries to come.")
    assert runs.waiting() == [run.pk]
    assert operations.run_here(resumed.run).state == "finished"
    assert sorted(body["id"] for body in hrms.bodies[before:]) == [f"user_{n:05}" for n in range(10, 35)]
    assert status.progress(SyncRun.objects.get()).succeeded == 25


def test_only_a_cancelled_run_is_resumed(hrms: ScriptedSite, monkeypatch: pytest.MonkeyPatch) -> None:
    run = cancelled_run(monkeypatch)
    other = operations.sync_all(cause="sync_all").run
    joined = operations.resume_run(run)
    assert (joined.is_new, joined.run) == (False, other)
    assert "Another run over the same sites is under way" in joined.message
    assert operations.resume_run(other).message == "The run was not cancelled and goes on; nothing was resumed."
    operations.run_here(other)
    assert operations.resume_run(other).message == "The run is over; nothing was resumed."
    assert SyncRun.objects.get(pk=run.pk).state == "cancelled"


def test_a_feeder_that_was_asleep_while_another_went_on_owes_nobody_twice(hrms: ScriptedSite, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runs, "WINDOW", 10)
    make(35)
    drain()
    run = operations.sync_all(cause="sync_all").run
    slow, quick = runs.Feeder(run), runs.Feeder(run)
    slow.take()
    (part,) = run.parts.select_related("site")
    sql("update user_sync_run set lease_until = now() - interval '1 second'")
    quick.step()
    slow._advance(part, 0)
    assert Delivery.objects.filter(status="pending", wanted_generation=1).count() == 10
    assert not Delivery.objects.filter(wanted_generation__gt=1).exists()
    assert run.parts.get().fed == 10


def test_a_feeder_owes_nothing_for_a_run_that_was_cancelled_under_it(hrms: ScriptedSite) -> None:
    make(5)
    drain()
    run = operations.sync_all(cause="sync_all").run
    feeder = runs.Feeder(run)
    feeder.take()
    operations.cancel_run(run)
    (part,) = run.parts.select_related("site")
    feeder._advance(part, 0)
    assert not Delivery.objects.filter(status="pending").exists()


def test_a_site_that_is_deactivated_under_a_run_is_owed_nothing_more(hrms: ScriptedSite, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runs, "WINDOW", 10)
    make(35)
    drain()
    run = operations.sync_all(cause="sync_all").run
    runs.Feeder(run).step()
    ConnectedSite.objects.update(is_active=False)
    sql("update user_sync_run set lease_until = null")
    assert operations.run_here(run).state == "finished"
    assert Delivery.objects.filter(status="pending").count() == 10
    assert status.progress(run).label == "Not all delivered"


def test_a_sync_all_joins_one_that_was_started_in_sql(hrms: ScriptedSite) -> None:
    make(3)
    sql("select sync_all_users()")
    assert operations.sync_all(cause="api").is_new is False
    assert SyncRun.objects.count() == 1
