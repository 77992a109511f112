"""A claim beside another transaction, held at the moment that matters: it waits for nobody, and sends nothing that is forgotten."""

import pytest

from sync import fanout
from sync.deliver.claim import Claim, claim_uncontended
from sync.deliver.targets import open_slots
from sync.models import Delivery, Lease
from tests.scripted_site import ScriptedSite
from tests.sync.conftest import catch_up, drain, sql, user
from tests.sync.test_interleavings_in_sql import Meanwhile, another, nobodys, slow_claim

__all__ = ["slow_claim"]

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _no_pushes(settings: object) -> None:
    settings.SYNC_ON_SAVE = "queue"  # type: ignore[attr-defined]


def test_a_first_attempt_whose_delivery_is_forgotten_meanwhile_is_never_sent(hrms: ScriptedSite, slow_claim: int) -> None:
    user()
    catch_up()
    taken: list[Claim] = []
    with another() as holder:
        holder.execute("select pg_advisory_xact_lock(%s)", [slow_claim])
        claiming = Meanwhile(lambda: taken.extend(claim_uncontended(open_slots(), keep_plan=True).claims))
        sql("delete from user_profiles")
        nobodys()
        fanout.fan_out()
        assert not Delivery.objects.exists(), "the site never heard of this user"
        holder.rollback()
    claiming.comes_through()
    assert taken == []
    assert not Lease.objects.exists()


def test_a_resend_that_comes_while_a_claim_is_at_work_is_sent_after_it(hrms: ScriptedSite, slow_claim: int) -> None:
    user()
    drain()
    sql("update user_profiles set role = 'lead'")
    catch_up()
    taken: list[Claim] = []
    with another() as holder:
        holder.execute("select pg_advisory_xact_lock(%s)", [slow_claim])
        claiming = Meanwhile(lambda: taken.extend(claim_uncontended(open_slots(), keep_plan=True).claims))
        sql("update user_sync_delivery set wanted_generation = wanted_generation + 1")
        holder.rollback()
    claiming.comes_through()
    assert [item.generation for item in taken] == [0]
    sql("delete from user_sync_lease")  # as if it had been sent and nothing came of it yet
    drain()
    assert [(body["role"], item.message_id[-2:]) for body, item in zip(hrms.bodies[1:], hrms.requests[1:], strict=True)] == [("lead", "_1")]


def test_a_claim_waits_for_nobody_who_holds_what_it_would_have_to_bring_up_to_date(hrms: ScriptedSite) -> None:
    user()
    drain()
    sql("select sync_user(user_id) from user_profiles")
    sql("update user_profiles set is_active = false")  # not fanned out: the claim finds that what is owed is not what is wanted
    with another() as holder:
        holder.execute("select from user_sync_delivery for update")
        sql("set lock_timeout = '5s'")
        try:
            assert claim_uncontended(open_slots()).claims == []
        finally:
            sql("reset lock_timeout")
        holder.rollback()
    nobodys()
    drain()
    assert [body["action"] for body in hrms.bodies] == ["upsert", "delete"]
