"""When a site is closed and opened again, by a clock that the test moves: what is due comes nearer, nobody sleeps."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from django.utils import timezone
from werkzeug import Request, Response

from sites.models import ConnectedSite
from sync.models import Delivery, SiteHealth
from tests.scripted_site import ScriptedSite, accept, json_answer
from tests.sync.conftest import Connect, catch_up, drain, shown, sql, user
from users.models import UserProfile

pytestmark = pytest.mark.django_db(transaction=True)

SWEEP = 3.0
"""Seconds between two looks of a worker."""


def health() -> SiteHealth:
    return SiteHealth.objects.get()


def make(number: int) -> None:
    UserProfile.objects.bulk_create(UserProfile(user_id=f"user_{n}", email=f"u{n}@example.com", full_name="U") for n in range(number))


def let_pass(seconds: float) -> None:
    """Everything that waits for a moment is so much nearer to it."""
    sql("update user_sync_delivery set next_attempt_at = next_attempt_at - make_interval(secs => %s)", seconds)
    sql(
        "update user_sync_site_health set next_probe_at = next_probe_at - make_interval(secs => %s),"
        " throttled_until = throttled_until - make_interval(secs => %s)",
        seconds, seconds,
    )  # fmt: skip


def seconds_until(done: Callable[[], bool], at_most: float) -> float:
    """Has a worker look every few seconds until it is done; returns how long that took by the moved clock."""
    passed = 0.0
    while True:
        drain()
        if done():
            return passed
        assert passed < at_most, f"not within {at_most:g} s"
        let_pass(SWEEP)
        passed += SWEEP


def is_closed() -> bool:
    return health().quarantined_at is not None


@pytest.mark.parametrize("users", [3, 4, 12])
@pytest.mark.parametrize("status", [500, 401], ids=["fails", "refuses the signature"])
def test_a_failing_site_is_closed_within_a_minute_also_where_few_users_are_owed(hrms: ScriptedSite, users: int, status: int) -> None:
    hrms.answer = lambda _: Response(status=status)
    make(users)
    assert seconds_until(is_closed, 60) <= 60
    assert f"HTTP {status}" in health().quarantine_reason


def test_a_site_that_cannot_be_reached_is_closed_within_a_minute_also_where_one_user_is_owed(connect: Connect) -> None:
    connect("hrms")
    make(1)
    assert seconds_until(is_closed, 60) <= 60
    assert Delivery.objects.get().tries == 2


def test_one_users_one_failure_to_connect_closes_nothing(connect: Connect) -> None:
    connect("hrms")
    make(1)
    drain()
    assert not is_closed()


def test_a_site_that_returns_is_open_within_two_minutes_and_has_everything(hrms: ScriptedSite) -> None:
    hrms.answer = lambda _: Response(status=500)
    make(12)
    drain()
    before = len(hrms.requests)
    for _ in range(round(600 / SWEEP)):  # ten minutes of it
        let_pass(SWEEP)
        drain()
    assert len(hrms.requests) - before in (9, 10), "one probe a minute"
    assert max(Delivery.objects.values_list("tries", flat=True)) == 1
    hrms.answer = accept
    assert seconds_until(lambda: not is_closed(), 120) <= 120
    assert Delivery.objects.filter(status="success").count() == 12


def test_a_probe_that_hung_does_not_put_the_next_one_off(hrms: ScriptedSite) -> None:
    ConnectedSite.objects.update(timeout=40)
    hrms.answer = lambda _: Response(status=500)
    make(12)
    drain()
    sql("update user_sync_site_health set next_probe_at = now() - interval '40 seconds'")
    drain()
    probe = health().next_probe_at
    assert probe is not None
    assert timedelta(seconds=15) < probe - timezone.now() <= timedelta(seconds=20)


def test_a_worker_that_was_away_does_not_make_up_for_the_probes_it_missed(hrms: ScriptedSite) -> None:
    hrms.answer = lambda _: Response(status=500)
    make(12)
    drain()
    before = len(hrms.requests)
    let_pass(3600)
    drain()
    assert len(hrms.requests) == before + 1


@pytest.mark.parametrize("in_all", [4, 30])
def test_one_user_whose_payload_a_firewall_refuses_never_closes_the_site(hrms: ScriptedSite, in_all: int) -> None:
    def firewall(request: Request) -> Response:
        body = request.get_json() or {}
        return Response("Forbidden", 403) if body["id"] == "user_0" else json_answer({"success": True})

    hrms.answer = firewall
    make(in_all)
    drain()
    for _ in range(10):  # nobody else changes meanwhile: it fails ten times in a row, until its tries are used up
        let_pass(2 * 24 * 3600)
        drain()
        assert not is_closed()
    assert (shown("user_0").status, shown("user_0").attempts) == ("failed", 10)
    assert Delivery.objects.filter(status="success").count() == in_all - 1
    UserProfile.objects.filter(user_id="user_1").update(role="lead")
    drain()
    assert shown("user_1").status == "success"


def a_date(seconds: float) -> str:
    return format_datetime(datetime.now(UTC) + timedelta(seconds=seconds), usegmt=True)


@pytest.mark.parametrize("code", [429, 503])
@pytest.mark.parametrize(
    ("asked", "seconds"),
    [
        (lambda: "120", 120),
        (lambda: a_date(120), 120),
        (lambda: "3600", 3600),
        (lambda: "7200", 3600),
        (lambda: a_date(86_400), 3600),
    ],
    ids=["seconds", "a date", "an hour", "two hours", "a date tomorrow"],
)
def test_a_site_that_asks_to_wait_is_left_alone_exactly_so_long(
    hrms: ScriptedSite, code: int, asked: Callable[[], str], seconds: int
) -> None:
    hrms.answer = lambda _: Response(status=code, headers={"Retry-After": asked()})
    ConnectedSite.objects.update(max_in_flight=1)
    make(3)
    before = timezone.now()
    drain()
    assert len(hrms.requests) == 1, "the whole site waits, not one user"
    until = health().throttled_until
    assert until is not None
    # A date is in whole seconds.
    assert timedelta(seconds=seconds - 1) <= until - before <= timezone.now() - before + timedelta(seconds=seconds)
    hrms.answer = accept
    let_pass(seconds - (timezone.now() - before).total_seconds() - 5)
    user("late@example.com")
    drain()
    assert len(hrms.requests) == 1, "five seconds are left of it"
    let_pass(5.5)
    drain()
    assert Delivery.objects.filter(status="success", tries__lte=1).count() == 4
    assert not is_closed()


def test_answers_that_ask_for_different_waits_leave_the_longest(hrms: ScriptedSite) -> None:
    hrms.answer = lambda request: Response(status=429, headers={"Retry-After": str(100 + 100 * int(request.get_json()["id"][-1]))})
    make(3)
    catch_up()
    drain()
    until = health().throttled_until
    assert until is not None
    assert timedelta(seconds=290) < until - timezone.now() <= timedelta(seconds=300)
