"""A broken site is paused as a whole and reopened by a probe; one user's bad payload never closes it."""

from datetime import timedelta

import pytest
from django.utils import timezone
from werkzeug import Request, Response

from sites.models import ConnectedSite
from sync import site_control, status
from sync.models import Delivery, SiteHealth
from tests.scripted_site import ScriptedSite, accept, json_answer
from tests.sync.conftest import Connect, attempts, drain, make_due, shown, sql, user
from users.models import UserProfile

pytestmark = pytest.mark.django_db(transaction=True)


def health() -> SiteHealth:
    return SiteHealth.objects.get()


def make(number: int) -> None:
    UserProfile.objects.bulk_create(UserProfile(user_id=f"user_{n}", email=f"u{n}@example.com", full_name="U") for n in range(number))


def let_probe_come() -> None:
    sql("update user_sync_site_health set next_probe_at = now() - interval '1 second'")


def test_three_refused_connections_close_the_site_and_the_screen_says_why_and_when_next(connect: Connect) -> None:
    connect("hrms")
    make(5)
    drain()
    assert health().quarantined_at is not None
    row = shown("user_0")
    assert row.status == "pending"
    assert row.next_attempt_at is not None
    assert timezone.now() < row.next_attempt_at
    (overview,) = status.sites_overview()
    assert overview.state == "quarantined"
    assert "Connection refused" in overview.words


def test_ten_failures_over_three_users_close_it_and_waiting_spends_no_tries(hrms: ScriptedSite) -> None:
    hrms.answer = lambda _: Response(status=500)
    make(20)
    ConnectedSite.objects.update(max_in_flight=2)
    drain()
    assert health().quarantined_at is not None
    sent = len(hrms.requests)
    assert 10 <= sent < 20
    make_due()
    drain()
    assert len(hrms.requests) == sent
    assert max(Delivery.objects.values_list("tries", flat=True)) == 1


def test_a_push_skips_a_quarantined_site(hrms: ScriptedSite) -> None:
    sql("update user_sync_site_health set quarantined_at = now(), next_probe_at = now() - interval '1 minute'")
    user()
    assert hrms.requests == []


def test_one_probe_a_minute_and_its_failure_keeps_the_site_closed(hrms: ScriptedSite) -> None:
    hrms.answer = lambda _: Response(status=500)
    make(12)
    drain()
    let_probe_come()
    before = len(hrms.requests)
    drain()
    assert len(hrms.requests) == before + 1
    assert (attempts()[-1].cause, attempts()[-1].actor) == ("probe", "")
    probe = health().next_probe_at
    assert probe is not None
    assert timedelta(seconds=50) < probe - timezone.now() <= timedelta(seconds=60)
    first = attempts()[-1].user_id
    let_probe_come()
    drain()
    assert attempts()[-1].user_id != first, "the probe takes the delivery probed longest ago"


def test_an_answered_probe_reopens_the_site_and_what_waits_goes_out_at_once(hrms: ScriptedSite) -> None:
    hrms.answer = lambda _: Response(status=500)
    make(12)
    drain()
    hrms.answer = accept
    let_probe_come()
    drain()
    assert health().quarantined_at is None
    assert Delivery.objects.filter(status="success").count() == 12


def test_a_permanent_answer_to_a_probe_reopens_it_too(hrms: ScriptedSite) -> None:
    hrms.answer = lambda _: Response(status=500)
    make(12)
    drain()
    hrms.answer = lambda _: json_answer({"success": False, "error": "no"})
    let_probe_come()
    drain()
    assert health().quarantined_at is None
    assert Delivery.objects.filter(status="failed").count() == 12


def test_one_user_whose_payload_is_disliked_never_closes_the_site(hrms: ScriptedSite) -> None:
    def dislike(request: Request) -> Response:
        body = request.get_json() or {}
        return Response(status=500) if body["id"] == "user_0" else json_answer({"success": True})

    hrms.answer = dislike
    make(4)
    for _ in range(6):
        drain()
        make_due()
    ConnectedSite.objects.update(max_in_flight=1)
    for _ in range(9):
        drain()
        make_due()
    assert health().quarantined_at is None
    assert shown("user_1").status == "success"


def test_permanent_answers_never_count(hrms: ScriptedSite) -> None:
    hrms.answer = lambda _: json_answer({"error": "no"}, 422)
    make(15)
    drain()
    assert health().quarantined_at is None
    assert Delivery.objects.filter(status="failed").count() == 15


def test_a_site_with_a_single_user_is_closed_when_that_one_keeps_failing(hrms: ScriptedSite) -> None:
    hrms.answer = lambda _: Response("<html>Sign in</html>", 200, content_type="text/html")
    make(1)
    for _ in range(10):
        drain()
        make_due()
    assert "without a JSON object (text/html)" in health().quarantine_reason


def test_a_person_can_resume_a_site_now(hrms: ScriptedSite) -> None:
    hrms.answer = lambda _: Response(status=500)
    make(12)
    drain()
    hrms.answer = accept
    site = ConnectedSite.objects.get()
    assert "receives again" in site_control.resume_site(site).message
    drain()
    assert Delivery.objects.filter(status="success").count() == 12
    assert site_control.resume_site(site).message == "HRMS is not paused; nothing changed."
