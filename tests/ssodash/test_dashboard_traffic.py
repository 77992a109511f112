"""The charts on the dashboard: true figures, readable without seeing them, without reading the log."""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from django.utils import timezone

from sites.models import ConnectedSite
from sync import hourly, status
from sync.models import UserSyncLog
from sync.status import traffic as traffic_now
from sync.status.traffic import ROWS, TAIL, Hour, _round_up
from tests.pages import Person, root, text
from tests.scripted_site import ScriptedSite, json_answer
from tests.sync.conftest import connect, drain, hrms, make_due, scripted, user  # noqa: F401
from tests.sync.test_hourly import attempt

pytestmark = pytest.mark.django_db(transaction=True)

DASHBOARD = "/admin/"
NOW = datetime(2026, 11, 22, 20, 40, tzinfo=UTC)
Connect = Callable[..., ConnectedSite]


def at(hours: float) -> datetime:
    return NOW - timedelta(hours=hours)


def shown(traffic: status.Traffic) -> dict[str, tuple[int, int, int]]:
    return {hour.name: (hour.delivered, hour.trouble, hour.refused) for hour in traffic.hours if hour.total}


@pytest.mark.parametrize("counted", [False, True])
def test_the_last_24_hours_by_outcome_whether_counted_already_or_not(counted: bool) -> None:
    attempt(3, at=at(0))
    for outcome in ("transient", "throttled", "site_broken", "lost"):
        attempt(1, at=at(2), outcome=outcome)
    attempt(2, site=2, at=at(2), outcome="permanent")
    attempt(5, at=at(23.6))  # 21:04 of the day before: the first hour that is shown
    attempt(9, at=at(23.7))
    if counted:
        hourly.roll_up()
        attempt(1, at=at(0))
    traffic = traffic_now(NOW)
    assert shown(traffic) == {"20:00": (3 + counted, 0, 0), "18:00": (0, 4, 2), "21:00": (5, 0, 0)}
    assert (len(traffic.hours), traffic.delivered, traffic.trouble, traffic.refused) == (24, 8 + counted, 4, 2)
    assert traffic.hours[-1].name == "20:00"
    assert (traffic.sparks[2].delivered, traffic.sparks[2].refused) == (0, 2)


def test_a_long_tail_is_left_out_and_called_about() -> None:
    attempt(4, at=at(1))
    hourly.roll_up()
    attempt(TAIL + 1, at=at(0))
    traffic = traffic_now(NOW)
    assert (traffic.is_about, shown(traffic)) == (True, {"19:00": (4, 0, 0)})
    hourly.roll_up()
    assert (traffic_now(NOW).is_about, traffic_now(NOW).delivered) == (False, TAIL + 5)


def test_the_page_says_that_its_figures_are_about() -> None:
    ConnectedSite.objects.create(name="hrms", url="http://127.0.0.1:9")
    attempt(TAIL + 1, at=timezone.now())
    page = text(root().get(DASHBOARD))
    assert "Delivered about 0" in page
    assert "The worker counts them every minute." in page


def test_nothing_at_all_is_a_chart_of_nothing() -> None:
    traffic = traffic_now(NOW)
    assert (traffic.total, traffic.sparks, traffic.is_about) == (0, {}, False)
    assert traffic.sentence == "Nothing was sent in the last 24 hours."


def test_bars_end_at_the_upper_edge_at_most_and_the_least_is_still_seen() -> None:
    attempt(1500, at=at(1))
    attempt(1, at=at(1), outcome="permanent")
    (hour,) = [hour for hour in traffic_now(NOW).hours if hour.total]
    assert traffic_now(NOW).top == 2000
    delivered, refused = hour.parts
    assert (delivered.look, float(delivered.height)) == ("success", 90.0)
    assert (refused.look, float(refused.height), float(refused.y)) == ("failed", 1.5, 28.5)


def test_hours_are_named_in_the_readers_time_zone() -> None:
    attempt(1, at=at(0))
    with timezone.override("Asia/Kolkata"):
        assert shown(traffic_now(NOW)) == {"01:30": (1, 0, 0)}


def test_who_does_not_see_the_chart_reads_it(hrms: ScriptedSite, connect: Connect) -> None:  # noqa: F811
    hrms.answer = lambda _: json_answer({}, 500)
    user()
    hrms.answer = lambda _: json_answer({})
    make_due()
    drain()
    page = root().get(DASHBOARD)
    markup = page.content.decode()
    assert 'role="img" aria-labelledby="hub-chart-title hub-chart-desc"' in markup
    assert "In the last 24 hours: 1 delivered, 1 tried again, 0 refused. Most in the hour from" in text(page)
    assert re.search(r"As a table .*Hour Delivered Tried again Refused \d\d:\d\d 1 1 0", text(page))
    assert 'aria-label="Last 24 hours: 1 delivered, 1 tried again, 0 refused."' in markup
    assert "2 in 24 h, 1 not delivered" in text(page)
    legend = text(page)
    assert all(word in legend for word in ("Delivered 1", "Tried again 1", "Refused 0")), "never colour alone"


def test_who_may_not_see_sites_sees_no_chart(hrms: ScriptedSite) -> None:  # noqa: F811
    user()
    assert "hub-chart" not in Person("users.view_userprofile").get(DASHBOARD).content.decode()


def test_the_figures_read_a_bounded_piece_of_the_log() -> None:
    attempt(30_000, at=at(1))
    hourly.roll_up()
    attempt(10, at=at(0))
    with connection.cursor() as cursor:
        cursor.execute("analyze user_sync_log, user_sync_hour")
    plan = explained()
    assert "Index Scan using user_sync_log_pkey" in plan
    assert "Seq Scan on user_sync_log" not in plan
    assert int(re.search(r"Buffers: shared hit=(\d+)", plan)[1]) < 60  # type: ignore[index]
    assert UserSyncLog.objects.count() == 30_010


def explained() -> str:
    with connection.cursor() as cursor:
        cursor.execute(f"explain (analyze, buffers) {ROWS}", {"tail": TAIL, "since": at(23)})
        return "\n".join(line for (line,) in cursor.fetchall())


def test_a_round_number_is_the_upper_edge() -> None:
    assert [_round_up(n) for n in (0, 1, 3, 7, 12, 480, 501)] == [1, 1, 5, 10, 20, 500, 1000]


def test_an_hours_sentence_names_its_counts() -> None:
    hour = Hour(NOW.replace(minute=0), 1200, 3, 0)
    assert hour.sentence == "20:00: 1,200 delivered, 3 tried again, 0 refused."
