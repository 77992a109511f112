"""Times are shown in the viewer's time zone, which the browser tells by a cookie."""

from datetime import UTC, datetime

import pytest
from django.template import Context, Template

from ssodash.models import ApiToken
from sync.models import SyncRun
from tests.pages import Person, root

pytestmark = pytest.mark.django_db(transaction=True)

WINTER = datetime(2026, 1, 15, 12, 30, tzinfo=UTC)
TOKENS, RUNS = "/admin/ssodash/apitoken/", "/admin/sync/syncrun/"


@pytest.fixture
def person() -> Person:
    ApiToken.objects.create(name="intranet", token_hash="x", last_used_at=WINTER)
    return root()


def titles(person: Person, zone: str | None, path: str = TOKENS) -> str:
    person.client.cookies.pop("hub_timezone", None)
    if zone is not None:
        person.client.cookies["hub_timezone"] = zone
    return str(person.get(path).content.decode())


def test_a_moment_has_the_viewers_own_time_on_hover(person: Person) -> None:
    assert 'title="2026-01-15 13:30:00 CET"' in titles(person, "Europe/Berlin")
    assert 'title="2026-01-15 21:30:00 JST"' in titles(person, "Asia/Tokyo")
    assert 'datetime="2026-01-15T12:30:00+00:00"' in titles(person, "Asia/Tokyo")


@pytest.mark.parametrize("zone", [None, "", "Mars/Olympus", "../../etc/passwd", "/etc/passwd", "x" * 4000, "Europe"])
def test_without_a_zone_that_is_known_times_are_utc(person: Person, zone: str | None) -> None:
    assert 'title="2026-01-15 12:30:00 UTC"' in titles(person, zone)


def test_the_zone_of_one_viewer_is_not_that_of_the_next(person: Person) -> None:
    titles(person, "Asia/Tokyo")
    assert 'title="2026-01-15 12:30:00 UTC"' in titles(person, None)


def test_every_list_shows_the_viewers_time(person: Person) -> None:
    SyncRun.objects.create(cause="sync_all", state="finished", started_at=WINTER, finished_at=WINTER)
    assert 'title="2026-01-15 13:30:00 CET"' in titles(person, "Europe/Berlin", RUNS)


def test_the_tag_for_templates_says_never_where_there_is_no_moment() -> None:
    shown = Template("{% load hub %}{% moment at %}|{% moment nothing %}").render(Context({"at": WINTER, "nothing": None}))
    element, never = shown.split("|")
    assert element.startswith('<time datetime="2026-01-15T12:30:00+00:00" title="2026-01-15 12:30:00 UTC">')
    assert never == "never"
