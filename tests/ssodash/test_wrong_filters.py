"""A list whose address asks for what the list does not know says so, and never shows everything as if that were the answer."""

import pytest

from tests.pages import Person, root, text
from tests.sync.conftest import Connect, connect, user  # noqa: F401

pytestmark = pytest.mark.django_db(transaction=True)

USERS, LOG, DELIVERIES = "/admin/users/userprofile/", "/admin/sync/usersynclog/", "/admin/sync/delivery/"
RUNS, SITES = "/admin/sync/syncrun/", "/admin/sites/connectedsite/"


@pytest.fixture
def person(connect: Connect) -> Person:  # noqa: F811
    connect("garage")
    user()
    return root()


@pytest.mark.parametrize(
    ("path", "query", "said"),
    [
        (LOG, "status__exact=zzz", "“zzz” is not known here, so it was left out. Choose one of: Delivered, Tried again, Failed, Lost."),
        (LOG, "period=nonsense", "Time: “nonsense” is not known here, so it was left out. Choose one of: Today, Yesterday, The last hour"),
        (LOG, "from=abc", "From: Write the day like this: 2026-11-22."),
        (LOG, "cause=zzz", "Cause: “zzz” is not known here, so it was left out. Choose one of: Save,"),
        (LOG, "site_id=999", "Site: “999” is not known here. Choose one of: GARAGE."),
        (LOG, "site_id=abc", "Site: “abc” is not known here, so it was left out. Choose one of: GARAGE."),
        (USERS, "role=zzz", "Role: “zzz” is not known here, so it was left out. Choose one of: user, staff, lead,"),
        (USERS, "sync_status=zzz", "Choose one of: Failed somewhere, Pending somewhere, In sync everywhere."),
        (USERS, "nosuch=1", "The address asked for a filter or a page that is not there, so it was left out. The filters are: role,"),
        (DELIVERIES, "status__exact=zzz", "Status: “zzz” is not known here, so it was left out. Choose one of: "),
        (DELIVERIES, "wanted_action__exact=zzz", "“zzz” is not known here. Choose one of: Add or update, Remove."),
        (RUNS, "state__exact=zzz", "State: “zzz” is not known here. Choose one of: "),
        (SITES, "category=zzz", "Category: “zzz” is not known here. Choose one of: "),
    ],
)
def test_a_filter_that_is_not_understood_is_named_with_what_is_allowed(person: Person, path: str, query: str, said: str) -> None:
    page = person.client.get(f"{path}?{query}", follow=True)
    assert page.status_code == 200
    assert said in text(page)
    right = text(person.get(path))
    assert "not known here" not in right
    assert "not there" not in right


def test_a_list_that_such_a_filter_empties_says_that_nothing_matches_and_how_to_see_all(person: Person) -> None:
    page = person.get(USERS, role__exact="zzz")
    said = text(page)
    assert "The address filters by “role__exact=zzz”, which this list does not offer. Its filters are: role, active, sync status." in said
    assert "Nothing matches" in said
    assert "No user matches these filters." in said
    assert "Add the first user" not in said
    assert 'href="?"' in page.content.decode()
    emptied = text(person.get(DELIVERIES, wanted_action__exact="zzz"))
    assert "No delivery matches these filters." in emptied


def test_filters_that_are_understood_are_left_in_peace(person: Person) -> None:
    for query in ({"role": "user", "is_active__exact": "1", "q": "ann", "o": "1"}, {"sync_status": "pending", "p": "1"}, {"role": ""}):
        said = text(person.get(USERS, **query))
        assert "not known here" not in said
        assert "does not offer" not in said
    assert "does not offer" not in text(person.get(LOG, **{"from": "2026-11-01", "to": "2026-11-22", "period": "", "type": "delete"}))
