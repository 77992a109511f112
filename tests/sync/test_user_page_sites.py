"""The sites on a user's page where there are many: a page at a time, those that need attention first, and looked for."""

from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from sites.models import ConnectedSite
from tests.pages import root, text
from tests.sync.conftest import Connect, catch_up, sql, user
from tests.sync.population import SETTLED
from users.models import UserProfile

pytestmark = pytest.mark.django_db(transaction=True)

USERS, RESEND = "/admin/users/userprofile/", "/admin/actions/resend-to-site/"
NOWHERE = "http://127.0.0.1:9"


@pytest.fixture
def ann(connect: Connect) -> UserProfile:
    """At 60 sites: failed at the 50th, pending at the 55th, not needed at the 59th, the 60th is inactive, and in sync elsewhere."""
    for n in range(1, 61):
        connect(f"site{n:02}", NOWHERE, roles=["lead"] if n == 59 else [], is_active=n != 60)
    ann = user(user_id="user_ann", role="user")
    catch_up()
    sql(SETTLED, [ann.user_id])
    sql("update user_sync_delivery set last_error = '', next_attempt_at = null")
    for name, state in (("site50", "failed"), ("site55", "pending")):
        sql(
            "update user_sync_delivery d set status = %s, last_error = 'HTTP 503' from connected_sites s"
            " where s.id = d.site_id and s.name = %s", state, name,
        )  # fmt: skip
    return ann


def shown(page: Any) -> list[str]:
    return [entry.site.name for entry in page.context["whys"]]


def test_they_are_paged_and_those_that_need_attention_come_first(ann: UserProfile) -> None:
    person, path = root(), f"{USERS}{ann.pk}/change/"
    page = person.get(path)
    assert shown(page) == ["site50", "site55", *(f"site{n:02}" for n in range(1, 24))]
    assert "Sites 1 to 25 of 60. Those that need attention come first." in text(page)
    assert "Previous sites" not in text(page)
    second = person.client.get(path + page.context["sites_shown"].later)
    third = person.client.get(path + second.context["sites_shown"].later)
    assert "Sites 51 to 60 of 60" in text(third)
    assert shown(third)[-2:] == ["site59", "site60"]
    assert third.context["sites_shown"].later == ""
    assert sorted([*shown(page), *shown(second), *shown(third)]) == [f"site{n:02}" for n in range(1, 61)]
    assert shown(person.client.get(path + third.context["sites_shown"].earlier)) == shown(second)
    assert shown(person.get(path, sites_page="99")) == shown(third), "a page that is not there any more is the last one"


@pytest.mark.parametrize(
    ("question", "found"),
    [
        ({"site_status": "failed"}, ["site50"]),
        ({"site_status": "pending"}, ["site55"]),
        ({"site_status": "none"}, ["site59"]),
        ({"site_status": "inactive"}, ["site60"]),
        ({"site": "sITe5", "site_status": "success"}, ["site51", "site52", "site53", "site54", "site56", "site57", "site58"]),
        ({"site": "SITE50 "}, ["site50"]),
        ({"site": "nowhere"}, []),
    ],
)
def test_a_site_is_found_by_name_and_by_where_the_user_stands(ann: UserProfile, question: dict[str, str], found: list[str]) -> None:
    page = root().get(f"{USERS}{ann.pk}/change/", **question)
    assert shown(page) == found
    assert "Show all" in text(page)
    assert "Sync now" in text(page)
    assert ("No site matches these filters." in text(page)) is not bool(found)


def test_the_choices_say_at_how_many_sites_it_is_so(ann: UserProfile) -> None:
    page = text(root().get(f"{USERS}{ann.pk}/change/"))
    assert "Any status Failed (1) Pending (1) In sync (56) Not needed (1) Site inactive (1)" in page


def test_what_the_address_says_wrongly_is_left_out(ann: UserProfile) -> None:
    page = root().get(f"{USERS}{ann.pk}/change/", site_status="lost", sites_page="-1", site="\x00")
    assert len(shown(page)) == 25
    assert page.context["sites_shown"].asked.page == 1


def test_the_way_back_to_the_list_and_the_place_on_the_page_are_kept(ann: UserProfile) -> None:
    person, path = root(), f"{USERS}{ann.pk}/change/"
    page = person.get(path, site="site5", _changelist_filters="role=user")
    content = page.content.decode()
    assert 'name="_changelist_filters" value="role=user"' in content
    assert page.context["sites_shown"].everything == "?_changelist_filters=role%3Duser"
    back = f"{path}?site=site5&_changelist_filters=role%3Duser#sites-title"
    assert f'name="next" value="{back.replace("&", "&amp;")}"' in content
    answer = person.post(RESEND, follow=False, user_id=ann.user_id, site="site51", next=back)
    assert answer.headers["Location"] == back


def test_it_costs_no_more_queries_than_few_sites(ann: UserProfile) -> None:
    person = root()
    person.get(f"{USERS}{ann.pk}/change/")
    with CaptureQueriesContext(connection) as many:
        person.get(f"{USERS}{ann.pk}/change/", sites_page="2")
    assert len(many) <= 15


def test_few_sites_are_all_there_without_anything_to_look_for(ann: UserProfile) -> None:
    ConnectedSite.objects.filter(name__gt="site25").delete()
    page = root().get(f"{USERS}{ann.pk}/change/", site="site01", sites_page="2")
    assert shown(page) == [f"site{n:02}" for n in range(1, 26)]
    assert "Which sites are shown" not in page.content.decode()
