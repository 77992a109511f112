"""One role for many users at once: told first what it means, then given."""

from typing import Any

import pytest
from django.contrib.admin.models import LogEntry

from sites.models import ConnectedSite
from tests.pages import Person, root, text, told
from users import admin
from users.models import UserProfile

pytestmark = pytest.mark.django_db(transaction=True)

LIST = "/admin/users/userprofile/"


@pytest.fixture
def people() -> list[UserProfile]:
    mixed = [("a", "user", True), ("b", "user", True), ("c", "manager", True), ("d", "user", False)]
    return [UserProfile.objects.create(email=f"{n}@example.com", full_name=n, role=role, is_active=on) for n, role, on in mixed]


def choose(person: Person, people: list[UserProfile], **more: Any) -> Any:
    return person.post(LIST, action="change_role", _selected_action=[each.pk for each in people], **{"index": 0, **more})


def test_each_role_says_how_many_change_and_which_sites_gain_or_lose_users(people: list[UserProfile]) -> None:
    ConnectedSite.objects.create(name="all", display_name="All", url="http://127.0.0.1:9")
    ConnectedSite.objects.create(name="cms", display_name="CMS", url="http://127.0.0.1:9", roles=["manager", "lead"])
    ConnectedSite.objects.create(name="desk", display_name="Desk", url="http://127.0.0.1:9", roles=["user"])
    ConnectedSite.objects.create(name="off", display_name="Off", url="http://127.0.0.1:9", roles=["user"], is_active=False)
    page = choose(root(), people)
    assert "Which role shall 4 users have?" in text(page)
    means = {choice.role: (choice.words, choice.means) for choice in page.context["choices"]}
    assert means["manager"] == ("3 users change.", ["CMS gains 2 users.", "Desk loses 2 users."])
    assert means["lead"] == ("4 users change.", ["CMS gains 2 users.", "Desk loses 2 users."])
    assert means["user"] == ("1 user changes.", ["CMS loses 1 user.", "Desk gains 1 user."])
    assert set(UserProfile.objects.values_list("role", flat=True)) == {"user", "manager"}, "asking must change nothing"


def test_a_role_that_moves_nobody_between_sites_says_so(people: list[UserProfile]) -> None:
    ConnectedSite.objects.create(name="all", display_name="All", url="http://127.0.0.1:9")
    page = choose(root(), people[2:3])
    means = {choice.role: (choice.words, choice.means) for choice in page.context["choices"]}
    assert means["manager"] == ("All of them have it already.", [])
    assert means["lead"][1] == ["No site gains or loses anybody: those that have them hear of the role."]


def test_the_role_is_given_told_and_written_into_the_history(people: list[UserProfile]) -> None:
    page = choose(root(), people[:3], post="yes", role="manager")
    assert told(page)[0] == "2 users now have the role manager."
    assert list(UserProfile.objects.order_by("id").values_list("role", flat=True)) == ["manager", "manager", "manager", "user"]
    assert [entry.get_change_message() for entry in LogEntry.objects.all()] == ["Role set to manager."] * 2


def test_nothing_to_change_and_no_role_chosen_are_told(people: list[UserProfile]) -> None:
    person = root()
    assert told(choose(person, people[2:3], post="yes", role="manager"))[0].startswith("Nothing changed: every selected user had")
    for role in ("", "boss"):
        page = choose(person, people, post="yes", role=role)
        assert "Choose one of the roles." in text(page)
        assert [int(key) for key in page.context["selected"]] == [each.pk for each in people], "the selection is not lost"


def test_a_very_large_selection_is_changed_in_one_statement(people: list[UserProfile], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(admin, "SAVED_ONE_BY_ONE", 2)
    page = choose(root(), people[:1], post="yes", role="lead", select_across=1)
    assert told(page)[0] == "4 users now have the role lead."
    assert LogEntry.objects.get().object_repr == "4 users"


def test_who_may_not_change_users_is_not_offered_it(people: list[UserProfile]) -> None:
    viewer = Person("users.view_userprofile")
    assert "change_role" not in viewer.get(LIST).content.decode()
    choose(viewer, people, post="yes", role="lead")
    assert not UserProfile.objects.filter(role="lead").exists()
