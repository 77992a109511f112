"""The list of users by where they stand at the sites: exact, from what is not in sync, at any size."""

from collections.abc import Callable
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test.utils import CaptureQueriesContext

from sites.models import ConnectedSite
from sync.models import Delivery
from sync.status import standing
from tests.pages import root, rows_of, text, told
from tests.scripted_site import ScriptedSite, json_answer
from tests.sync.conftest import catch_up, drain, put_under_way, sql, user
from users.models import UserProfile

pytestmark = pytest.mark.django_db(transaction=True)

USERS = "/admin/users/userprofile/"


def found(page: Any) -> list[str]:
    return [each.email.split("@")[0] for each in page.context["cl"].result_list]


@pytest.fixture
def people(hrms: ScriptedSite, connect: Callable[..., ConnectedSite]) -> None:
    """ann is in sync, fay failed, pia pending, una under way, off failed at a site that is inactive."""
    for name in ("ann", "fay", "pia", "una", "off"):
        user(f"{name}@example.com", user_id=f"user_{name}")
    drain()
    site = connect("other", "http://127.0.0.1:9", is_active=False)
    catch_up()
    Delivery.objects.filter(user_id="user_fay").update(status="failed", next_attempt_at=None)
    Delivery.objects.filter(user_id="user_pia").update(status="pending")
    put_under_way("d.user_id = 'user_una'")
    Delivery.objects.create(user_id="user_off", site=site, wanted_action="upsert", wanted_version=1, status="failed")


@pytest.mark.parametrize(
    ("state", "names"),
    [("failed", ["fay"]), ("pending", ["una", "pia"]), ("success", ["off", "ann"]), ("nonsense", ["off", "una", "pia", "fay", "ann"])],
)
def test_users_are_listed_by_where_they_stand(people: None, state: str, names: list[str]) -> None:
    assert found(root().get(USERS, sync_status=state)) == names


def test_a_change_that_nobody_has_fanned_out_yet_is_pending(people: None) -> None:
    sql("update user_profiles set full_name = 'Anna' where user_id = 'user_ann'")
    person = root()
    assert found(person.get(USERS, sync_status="pending")) == ["una", "pia", "ann"]
    assert found(person.get(USERS, sync_status="success")) == ["off"]


def test_it_combines_with_search_and_the_other_filters(people: None) -> None:
    UserProfile.objects.filter(user_id="user_pia").update(role="lead")
    person = root()
    assert found(person.get(USERS, sync_status="pending", role="lead")) == ["pia"]
    assert found(person.get(USERS, sync_status="pending", q="una")) == ["una"]
    assert [line[1] for line in rows_of(person.get(f"{USERS}export/csv/", sync_status="failed"))[1:]] == ["fay@example.com"]


def test_with_very_many_open_deliveries_only_the_newest_users_are_looked_at_and_that_is_said(
    people: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(standing, "LARGE", 0)
    monkeypatch.setattr(standing, "NEWEST", 2)
    page = root().get(USERS, sync_status="pending")
    assert found(page) == ["una"]
    assert "only the 2 newest users were looked at" in text(page)


def test_a_site_that_is_still_being_compared_is_named(people: None, connect: Callable[..., ConnectedSite]) -> None:
    connect("new")
    person = root()
    assert "The hub is still comparing what NEW should have." in text(person.get(USERS, sync_status="pending"))
    assert "still comparing" not in text(person.get(USERS))


def test_the_list_costs_few_queries(people: None) -> None:
    person = root()
    for state in ("failed", "pending", "success"):
        with CaptureQueriesContext(connection) as queries:
            person.get(USERS, sync_status=state)
        assert len(queries) <= 15, state


def test_an_import_is_pushed_at_once_and_says_what_came_of_it(hrms: ScriptedSite) -> None:
    person = root()
    file = SimpleUploadedFile("people.csv", b"email,full_name\na@example.com,A\nb@example.com,B\n")
    page = person.post(f"{USERS}import/", file=file)
    assert hrms.requests == []
    done = person.post(page.redirect_chain[-1][0], revision=0)
    assert told(done) == ["2 users created.", "Every site concerned has accepted it."]
    assert {request.body["email"] for request in hrms.requests} == {"a@example.com", "b@example.com"}


def test_an_import_that_a_site_refuses_says_so(hrms: ScriptedSite) -> None:
    hrms.answer = lambda request: json_answer({"success": False, "error": "no licence left"})
    person = root()
    page = person.post(f"{USERS}import/", file=SimpleUploadedFile("people.csv", b"email,full_name\na@example.com,A\n"))
    done = person.post(page.redirect_chain[-1][0], revision=0)
    assert told(done)[1].startswith("Not yet everywhere: a@example.com.")
    assert "no licence left" in told(done)[1]
