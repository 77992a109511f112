"""What the tests of sync share: sites that answer as told, and the worker's work done step by step in the test."""

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from django.db import connection
from django.db.models import QuerySet
from django.db.models.expressions import RawSQL

from sites.models import ConnectedSite, issue_signing_secret
from sync import fanout, reconcile, status
from sync.deliver.sender import Sender
from sync.models import UNDER_WAY, Delivery, UserSyncLog
from tests.scripted_site import ScriptedSite, scripted_site
from users.models import UserProfile

Connect = Callable[..., ConnectedSite]


@pytest.fixture
def connect() -> Connect:
    """Connects a site and gives it a signing secret."""

    def connect(name: str = "hrms", url: str = "http://127.0.0.1:9", **fields: Any) -> ConnectedSite:
        site = ConnectedSite.objects.create(name=name, display_name=name.upper(), url=url, **fields)
        issue_signing_secret(site)
        return site

    return connect


@pytest.fixture
def scripted() -> Iterator[Callable[[], ScriptedSite]]:
    """Starts sites whose answers the test writes."""
    with ExitStack() as stack:
        yield lambda: stack.enter_context(scripted_site())


@pytest.fixture
def hrms(connect: Connect, scripted: Callable[[], ScriptedSite], db: None) -> ScriptedSite:
    """A connected site named hrms that accepts everything. Its row is `hrms.row`."""
    site = scripted()
    site.row = connect("hrms", site.url, timeout=20)  # type: ignore[attr-defined]
    return site


def catch_up() -> None:
    """What the worker does until nothing is left to fan out or reconcile."""
    sql("update user_sync_outbox set not_before = now()")  # the second that the process which saved has for its push is over
    while fanout.fan_out() or reconcile.step():
        continue


def drain(timeout: float = 20) -> None:
    """What the worker does until nothing is due: fan out, reconcile, send, settle."""
    sender = Sender(in_flight=64, keep_plans=True)
    ends = time.monotonic() + timeout
    try:
        while True:
            catch_up()
            if not sender.fill() and sender.idle:
                return
            sender.step(0.05)
            assert time.monotonic() < ends, "the drain did not come to an end"
    finally:
        sender.finish(0)


def make_due() -> None:
    """Lets the time of every next try come."""
    Delivery.objects.filter(status="pending").update(next_attempt_at="2000-01-01T00:00:00Z")


def user(email: str = "ann@example.com", **fields: Any) -> UserProfile:
    return UserProfile.objects.create(email=email, full_name=fields.pop("full_name", "Ann"), **fields)


def sql(statement: str, *parameters: Any) -> None:
    """What somebody does in a SQL console."""
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters or None)


def shown(user_id: str, site: str = "hrms") -> status.SiteStatus:
    """What a person sees of this user at this site."""
    state = status.of_user(user_id)
    assert state is not None, f"nothing is shown of {user_id}"
    return next(row for row in state.sites if row.site_name == site)


def attempts(user_id: str | None = None) -> list[UserSyncLog]:
    """The log, oldest first."""
    rows = UserSyncLog.objects.order_by("id")
    return list(rows.filter(user_id=user_id) if user_id else rows)


LEASE = """
with leased as (
    insert into user_sync_lease (id, site_id, epoch, until, delivery_ids, tokens, versions, generations, causes, actors, run_ids)
    select (random() * 1e18)::bigint, d.site_id, s.epoch, now() + interval '1 hour', array[d.id], array[gen_random_uuid()],
        array[d.wanted_version], array[d.wanted_generation], array['change'], array[''], array[null::bigint]
    from user_sync_delivery d join connected_sites s on s.id = d.site_id where {where}
    returning delivery_ids[1] as delivery_id, epoch
)
update user_sync_delivery d set status = 'pending', next_attempt_at = coalesce(d.next_attempt_at, now()),
    attempted_action = d.wanted_action, attempted_version = coalesce(d.attempted_version, d.wanted_version),
    attempted_generation = coalesce(d.attempted_generation, d.wanted_generation),
    attempted_epoch = coalesce(d.attempted_epoch, l.epoch)
from leased l where l.delivery_id = d.id
"""


def put_under_way(where: str = "true", *parameters: Any) -> None:
    """Has each of these deliveries `d` be claimed, for an hour, in a request of its own."""
    sql(LEASE.format(where=where), *parameters)


def deliveries_under_way() -> QuerySet[Delivery]:
    """Those that are in a lease."""
    return Delivery.objects.filter(pk__in=RawSQL(UNDER_WAY, []))  # noqa: S611


def make(number: int) -> None:
    """So many users, in one statement."""
    UserProfile.objects.bulk_create(UserProfile(user_id=f"user_{n:05}", email=f"u{n}@example.com", full_name="U") for n in range(number))
