"""The list of users on the dashboard, narrowed by status, site and role: what it finds, what it says, what it costs."""

from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from sites.models import ConnectedSite
from sync import site_control, status
from sync.status import matching
from tests.pages import Person, root, text
from tests.scripted_site import ScriptedSite, json_answer
from tests.sync.conftest import catch_up, connect, drain, hrms, scripted, sql, user  # noqa: F401
from tests.sync.population import SETTLED, Population
from users.models import UserProfile

pytestmark = pytest.mark.django_db(transaction=True)

DASHBOARD, LIVE = "/admin/", "/admin/live/"
NOWHERE = "http://127.0.0.1:9"
Connect = Callable[..., ConnectedSite]


def emails(page: Any) -> list[str]:
    return [row.email.split("@")[0] for row in page.context["matrix"].rows]


def columns(page: Any) -> list[str]:
    return [site.name for site in page.context["matrix"].columns]


@pytest.fixture
def four(hrms: ScriptedSite, connect: Connect) -> Person:  # noqa: F811
    """ann is in sync, bob refused by HRMS, cleo pending at CMS (which hears of managers alone), dora changed in SQL since."""
    for name in ("ann", "bob", "dora"):
        hrms.answer = lambda _, refused=name == "bob": json_answer({}, 422 if refused else 200)
        user(f"{name}@example.com", full_name=name.title())
    hrms.answer = lambda _: json_answer({})
    connect("cms", NOWHERE, roles=["manager"])
    drain()
    user("cleo@example.com", full_name="Cleo", role="manager")
    sql("update user_profiles set full_name = 'Dora D' where email = 'dora@example.com'")
    return root()


@pytest.mark.parametrize(
    ("question", "found"),
    [
        ("", ["cleo", "dora", "bob", "ann"]),
        ("status=failed", ["bob"]),
        ("status=pending", ["cleo", "dora"]),
        ("status=success", ["ann"]),
        ("status=in_progress", []),
        ("role=manager", ["cleo"]),
        ("status=pending&role=manager", ["cleo"]),
        ("status=pending&site=hrms", ["dora"]),
        ("status=success&site=hrms", ["cleo", "ann"]),
        ("status=failed&site=cms", []),
        ("status=pending&q=dora", ["dora"]),
        ("status=pending&site=hrms&site=cms", ["cleo", "dora"]),
    ],
)
def test_users_are_found_by_status_site_and_role_together(four: Person, question: str, found: list[str]) -> None:
    assert emails(four.client.get(f"{DASHBOARD}?{question}")) == found


def test_the_sites_chosen_are_the_columns(four: Person) -> None:
    assert columns(four.get(DASHBOARD)) == ["hrms", "cms"]
    page = four.get(DASHBOARD, site="cms")
    assert columns(page) == ["cms"]
    assert "Only CMS. Show all users and sites" in text(page)
    assert "All sites" in text(page), "each line still says where the user stands at all of them"
    assert "Failed at HRMS" in text(page)


def test_the_address_keeps_the_filters_for_a_link_and_for_the_next_look(four: Person) -> None:
    answer = four.get(LIVE, status="pending", site=["hrms", "cms"], role="manager", q="c")
    assert answer.headers["HX-Replace-Url"] == "/admin/?q=c&status=pending&role=manager&site=hrms&site=cms"
    page = four.client.get(answer.headers["HX-Replace-Url"])
    assert "status=pending&amp;role=manager&amp;site=hrms&amp;site=cms&amp;seen=" in page.content.decode()
    for control in ('value="pending" selected', 'value="manager" selected', 'value="hrms" id="show-', 'value="c"'):
        assert control in page.content.decode()


def test_what_the_address_names_wrongly_is_told_and_the_rest_is_shown(four: Person) -> None:
    page = four.get(DASHBOARD, status="lost", site=["nowhere", "hrms"], role="\x00manager", after="x", col="99")
    told = text(page)
    assert "Status: “lost” is none. Choose one of: In sync, Pending, In progress, Failed." in told
    assert "Site: no active site is named “nowhere”. Choose from the list." in told
    assert (emails(page), columns(page)) == (["cleo"], ["hrms"])


def test_an_empty_result_says_what_it_means_and_leads_back(four: Person) -> None:
    page = four.get(DASHBOARD, status="failed", site="cms")
    assert "No user matches these filters. Where nobody is in this state, all is well. Show all users" in text(page)
    assert "No user matches these filters. Show all users" in text(four.get(DASHBOARD, role="nobody"))


def test_the_totals_lead_to_those_they_count(four: Person) -> None:
    page = four.get(DASHBOARD)
    assert 'href="/admin/?status=failed#hub-users-title"' in page.content.decode()
    assert page.context["totals"].open == len(emails(four.get(DASHBOARD, status="pending")))


def test_pages_of_a_filtered_list_follow_each_other_by_key(connect: Connect) -> None:  # noqa: F811
    connect("hrms", NOWHERE)
    UserProfile.objects.bulk_create(
        UserProfile(user_id=f"user_{n:03}", email=f"u{n:03}@example.com", full_name="U", role="staff" if n % 2 else "user")
        for n in range(130)
    )
    catch_up()
    sql("update user_sync_delivery set status = 'failed', next_attempt_at = null where user_id < 'user_120'")
    person, pages, path = root(), [], f"{DASHBOARD}?status=failed&role=staff"
    while path:
        page = person.client.get(path)
        pages.append(emails(page))
        path = page.context["older"]
    assert [len(each) for each in pages] == [50, 10]
    assert [name for each in pages for name in each] == [f"u{n:03}" for n in reversed(range(1, 120, 2))]
    assert emails(person.client.get(page.context["newer"])) == pages[0]


@pytest.mark.parametrize("most", [10_000, 3])
@pytest.mark.parametrize("state", ["success", "pending", "failed"])
def test_it_finds_exactly_those_whom_the_status_names_however_it_looks(
    connect: Connect,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
    state: str,
    most: int,
) -> None:
    """Against the view, on users and sites in every state: from what is open, and where that is too much, by a walk."""
    population = Population(connect, seed=5)
    monkeypatch.setattr(matching, "MOST", most)
    for unreconciled in (False, True):
        if unreconciled:
            population.unreconciled(connect)
        active = [overview for overview in status.sites_overview() if overview.site.is_active]
        for sites in (active, active[:1], active[1:]):
            filters = status.Filters("example.com", state, "", tuple(sites))
            expected = wanted(state, [overview.site.pk for overview in sites])
            # Whether every site has a column, or each line says in a word where the user stands at all of them.
            for columns in ([overview.site for overview in active], [active[0].site], []):
                found = walked(filters, columns, len(active))
                assert found == expected, (state, unreconciled, len(sites), len(columns))


def walked(filters: status.Filters, columns: list[ConnectedSite], sites: int) -> set[str]:
    """Everybody on the pages of this list, from the first to the last."""
    found, after = set(), None
    while True:
        page = status.page(columns, filters=filters, sites=sites, after=after, size=10)
        found |= {row.user_id for row in page.rows}
        if page.older is None:
            return found
        assert after is None or page.older < after
        after = page.older


def wanted(state: str, site_ids: list[int]) -> set[str]:
    states: dict[str, set[str]] = {}
    with connection.cursor() as cursor:
        cursor.execute(
            "select v.user_id, v.sync_status from user_sync_status v join user_profiles u using (user_id) where site_id = any (%s)",
            [site_ids],
        )
        for user_id, each in cursor.fetchall():
            states.setdefault(user_id, set()).add(each)
    if state == "success":
        return {user_id for user_id, each in states.items() if each == {"success"}}
    return {user_id for user_id, each in states.items() if each & set(matching.STATES[state])}


def test_where_very_much_is_open_the_list_is_cut_and_says_so(connect: Connect, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: F811
    connect("hrms", NOWHERE)
    UserProfile.objects.bulk_create(UserProfile(email=f"u{n}@example.com", full_name="U") for n in range(8))
    catch_up()
    monkeypatch.setattr(matching, "MOST", 5)
    monkeypatch.setattr(matching.Filters, "most", 5)
    page = root().get(DASHBOARD, status="pending")
    assert "There are 8 such deliveries: this list is of the users of 5 of them. Choose a site, a role or a name" in text(page)


def test_a_walk_that_finds_nobody_leads_on(connect: Connect, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: F811
    connect("hrms", NOWHERE)
    UserProfile.objects.bulk_create(UserProfile(user_id=f"user_{n:03}", email=f"u{n:03}@example.com", full_name="U") for n in range(210))
    catch_up()
    sql(SETTLED, [f"user_{n:03}" for n in range(10, 210)])
    monkeypatch.setattr(matching, "MOST", 5)
    monkeypatch.setattr(matching, "LOOKED_AT", 100)
    person = root()
    page = person.get(DASHBOARD, status="pending", q="example")
    assert "Nobody yet among the users this page looked through. Press Older to look on" in text(page)
    page = person.client.get(person.client.get(page.context["older"]).context["older"])
    assert emails(page) == [f"u{n:03}" for n in reversed(range(10))]
    assert page.context["older"] == ""


class TestManySites:
    @pytest.fixture
    def thirty(self, connect: Connect) -> Person:  # noqa: F811
        for n in range(30):
            connect(f"site{n:02}", NOWHERE, roles=["manager"] if n == 27 else ["user"])
        user("ann@example.com", role="user")
        catch_up()
        sql(SETTLED, list(UserProfile.objects.values_list("user_id", flat=True)))
        user("meg@example.com", role="manager")
        return root()

    def test_they_are_paged_and_each_line_says_where_the_user_stands_at_all(self, thirty: Person) -> None:
        page = thirty.get(DASHBOARD)
        assert columns(page) == [f"site{n:02}" for n in range(12)]
        assert "Sites 1 to 12 of 30" in text(page)
        assert "Pending at SITE27" in text(page)
        second = thirty.client.get(page.context["later_columns"])
        third = thirty.client.get(second.context["later_columns"])
        assert columns(third) == [f"site{n:02}" for n in range(24, 30)]
        assert third.context["later_columns"] == ""
        assert columns(thirty.client.get(third.context["earlier_columns"])) == columns(second)

    def test_a_status_shows_the_sites_where_somebody_has_it(self, thirty: Person) -> None:
        page = thirty.get(DASHBOARD, status="pending")
        assert (columns(page), emails(page)) == (["site27"], ["meg"])

    def test_a_status_at_chosen_sites_finds_who_has_it_at_many_others_too(self, thirty: Person) -> None:
        sql(
            "update user_sync_delivery d set status = 'failed', next_attempt_at = null from connected_sites s"
            " where s.id = d.site_id and d.user_id = (select user_id from user_profiles where email = 'ann@example.com')"
            " and (s.name < 'site10' or s.name = 'site29')"
        )
        chosen = "&".join(f"site=site{n}" for n in range(14, 30))
        page = thirty.client.get(f"{DASHBOARD}?status=failed&{chosen}")
        assert (columns(page)[-1], emails(page)) == ("site25", ["ann"]), "site29 has its column on the next page only"
        assert emails(thirty.client.get(f"{DASHBOARD}?status=failed&{chosen.removesuffix('&site=site29')}")) == []

    def test_cards_come_by_urgency_and_the_others_when_asked_for(self, thirty: Person) -> None:
        site_control.pause_site(ConnectedSite.objects.get(name="site20"), actor="ann")
        page = thirty.get(DASHBOARD)
        assert [overview.site.name for overview, _ in page.context["cards"]][:2] == ["site20", "site27"]
        assert len(page.context["cards"]) == 12
        assert "12 of 30 sites, those that need somebody first. Show all" in text(page)
        page = thirty.client.get(page.context["more_cards"])
        assert len(page.context["cards"]) == 30
        assert "Show fewer sites" in text(page)

    def test_it_costs_no_more_queries_whatever_is_asked(self, thirty: Person) -> None:
        person = Person(
            "users.view_userprofile",
            "sites.view_connectedsite",
            "sites.change_connectedsite",
            "sync.change_delivery",
            "sync.change_syncrun",
        )
        for question in ("", "status=pending", "status=success&role=user", "q=example&status=failed&site=site27", "cards=all&col=12"):
            with CaptureQueriesContext(connection) as queries:
                person.client.get(f"{DASHBOARD}?{question}")
            assert len(queries) <= 15, question
