"""What happened to a site as a whole is written down once, shown in the admin, the API and the command line, and kept within a limit."""

from datetime import timedelta

import pytest
from django.db import IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext
from werkzeug import Response

from sites.models import ConnectedSite
from sync import retention, site_control, site_history
from sync.models import SiteEvent, SiteHealth
from tests.api import as_login, error_of, with_token
from tests.commands import run
from tests.pages import Person, root, text
from tests.scripted_site import ScriptedSite, accept
from tests.sync.conftest import drain, make_due, sql, user
from users.models import UserProfile

pytestmark = pytest.mark.django_db(transaction=True)

SITES = "/admin/sites/connectedsite/"


def site() -> ConnectedSite:
    return ConnectedSite.objects.get()


def make(number: int) -> None:
    UserProfile.objects.bulk_create(UserProfile(user_id=f"user_{n}", email=f"u{n}@example.com", full_name="U") for n in range(number))


def history() -> list[tuple[str, str, str]]:
    """Oldest first."""
    return list(SiteEvent.objects.order_by("id").values_list("kind", "actor", "reason"))


def events(number: int, *, days_old: float = 0) -> None:
    for _ in range(number):
        site_history.note(site().pk, SiteEvent.Kind.PROBE, actor="ann")
    if days_old:
        sql("update user_sync_site_event set at = at - make_interval(secs => %s)", timedelta(days=days_old).total_seconds())


# --- what is written ----------------------------------------------------------------------------------------------------


def test_opening_and_closing_a_quarantine_is_written_down_with_its_reason(hrms: ScriptedSite) -> None:
    hrms.answer = lambda _: Response(status=500)
    make(12)
    drain()
    sql("update user_sync_site_health set next_probe_at = now()")
    drain()
    assert history() == [("quarantined", "", "HTTP 500: the site failed")], "a probe that fails is no news"
    hrms.answer = accept
    sql("update user_sync_site_health set next_probe_at = now()")
    drain()
    assert history()[1:] == [("reopened", "", "The site answered again: what waited is due.")]
    assert set(SiteEvent.objects.values_list("site_id", "site_name")) == {(site().pk, "hrms")}


def test_a_site_that_asks_for_a_short_wait_again_and_again_leaves_one_event(hrms: ScriptedSite) -> None:
    hrms.answer = lambda _: Response(status=429, headers={"Retry-After": "2"})
    user()
    for _ in range(4):
        sql("update user_sync_site_health set throttled_until = now()")
        make_due()
        drain()
    assert len(hrms.requests) == 5
    assert history() == [("throttled", "", "HTTP 429: the site asks to wait 2 s")]
    hrms.answer = lambda _: Response(status=503, headers={"Retry-After": "600"})
    sql("update user_sync_site_health set throttled_until = now()")
    make_due()
    drain()
    assert history()[1:] == [("throttled", "", "HTTP 503: the site asks to wait 600 s")]


def test_what_a_person_does_is_written_down_under_their_name(hrms: ScriptedSite) -> None:
    site_control.pause_site(site(), actor="ann", reason="new server")
    site_control.pause_site(site(), actor="bob", reason="again")
    site_control.resume_site(site(), actor="bob")
    site_control.resume_site(site(), actor="bob")
    sql("update user_sync_site_health set quarantined_at = now()")
    user()
    site_control.probe_site(site(), actor="cid")
    site_control.resume_site(site(), actor="dan")
    assert history() == [
        ("paused", "ann", "new server"), ("resumed", "bob", "Ended the pause."), ("probe", "cid", ""),
        ("resumed", "dan", "Ended the quarantine."),
    ]  # fmt: skip


def test_what_is_rolled_back_leaves_no_event(hrms: ScriptedSite) -> None:
    with pytest.raises(IntegrityError), transaction.atomic():
        site_control.pause_site(site(), actor="ann")
        sql("insert into connected_sites (name, display_name, url) values ('hrms', 'Twice', 'http://127.0.0.1:9')")
    assert history() == []
    assert SiteHealth.objects.get().paused_at is None


def test_the_history_outlives_the_site_and_a_site_that_is_gone_gets_none(hrms: ScriptedSite) -> None:
    events(1)
    key = site().pk
    sql("delete from connected_sites")
    site_history.note(key, SiteEvent.Kind.REOPENED)
    assert [event.site_name for event in SiteEvent.objects.all()] == ["hrms"]


# --- how long it is kept ------------------------------------------------------------------------------------------------


def test_old_events_go_with_the_log(hrms: ScriptedSite) -> None:
    events(3, days_old=401)
    events(2)
    retention.prune()
    assert SiteEvent.objects.count() == 2


def test_old_events_go_in_chunks_and_young_ones_stay(hrms: ScriptedSite) -> None:
    events(5, days_old=401)
    events(2)
    assert site_history.expired_events() == 5
    assert site_history.prune_events(chunk=2) == 5
    assert SiteEvent.objects.count() == 2


def test_a_site_keeps_its_newest_events_however_many_there_were(hrms: ScriptedSite, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(site_history, "KEPT_PER_SITE", 3)
    events(5)
    newest = list(SiteEvent.objects.values_list("pk", flat=True)[:3])
    sql("insert into user_sync_site_event (site_id, site_name, kind) values (999, 'other', 'paused')")
    assert site_history.prune_events() == 2
    assert list(SiteEvent.objects.filter(site_name="hrms").values_list("pk", flat=True)) == newest
    assert SiteEvent.objects.filter(site_name="other").count() == 1


# --- where it is shown --------------------------------------------------------------------------------------------------


def test_the_sites_page_shows_the_newest_first_and_not_all_of_them(hrms: ScriptedSite) -> None:
    events(25)
    site_control.pause_site(site(), actor="ann", reason="<b>new</b> server")
    person = root()
    page = text(person.get(f"{SITES}{site().pk}/change/"))
    assert "Pauses and quarantines" in page
    assert "just now pause_circle Paused ann <b>new</b> server" in page
    assert page.index("Paused ann") < page.index("Probe asked for ann")
    assert page.count("Probe asked for") == 19
    with CaptureQueriesContext(connection) as many:
        person.get(f"{SITES}{site().pk}/change/")
    SiteEvent.objects.all().delete()
    with CaptureQueriesContext(connection) as none:
        person.get(f"{SITES}{site().pk}/change/")
    assert len(many) == len(none)


def test_a_site_to_which_nothing_happened_has_no_empty_table(hrms: ScriptedSite) -> None:
    assert "Pauses and quarantines" not in text(root().get(f"{SITES}{site().pk}/change/"))


def test_the_api_pages_through_it(hrms: ScriptedSite) -> None:
    site_control.pause_site(site(), actor="ann", reason="new server")
    site_control.resume_site(site(), actor="")
    api = with_token()
    page = api.get("/api/sites/hrms/events?limit=1").json()
    assert (page["total"], page["limit"], page["offset"]) == (2, 1, 0)
    [newest] = page["items"]
    assert {key: newest[key] for key in ("kind", "reason", "actor")} == {"kind": "resumed", "reason": "Ended the pause.", "actor": None}
    [older] = api.get("/api/sites/hrms/events?limit=1&offset=1").json()["items"]
    assert (older["kind"], older["actor"], older["reason"]) == ("paused", "ann", "new server")
    assert "There is no site 'crm'. Connected sites: hrms." in error_of(api.get("/api/sites/crm/events"), 404)
    assert "sites.view_connectedsite" in error_of(as_login("bob").get("/api/sites/hrms/events"), 403)


def test_the_command_line_shows_it_on_request(hrms: ScriptedSite) -> None:
    assert "Nothing happened" in run("sync_status", "--site", "hrms", "--history").out
    site_control.pause_site(site(), actor="ann", reason="new server")
    shown = run("sync_status", "--site", "hrms", "--history")
    [line] = [line for line in shown.out.splitlines() if "new server" in line and "Paused  " in line]
    assert line.split() == ["hrms", "just", "now", "Paused", "ann", "new", "server"]
    [document] = run("sync_status", "--site", "hrms", "--history", "--json").document["sites"]
    [event] = document["history"]
    assert (event["kind"], event["actor"], event["reason"]) == ("paused", "ann", "new server")
    assert "history" not in run("sync_status", "--json").document["sites"][0]


def test_who_may_not_see_sites_sees_no_history(hrms: ScriptedSite) -> None:
    events(1)
    assert Person("users.view_userprofile").get(f"{SITES}{site().pk}/change/").status_code == 403
