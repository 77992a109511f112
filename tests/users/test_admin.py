"""Users in the admin: adding, changing, deactivating, deleting, each with clear words for what cannot be done."""

import threading
from typing import Any

import psycopg
import pytest
from django.contrib.admin.models import LogEntry
from django.db import connection

from tests.pages import Person, errors, root, text, told
from tests.processes import database_url
from users import admin
from users.models import UserProfile

pytestmark = pytest.mark.django_db(transaction=True)

LIST = "/admin/users/userprofile/"
ADD = f"{LIST}add/"


def user(email: str = "ada@example.com", **fields: Any) -> UserProfile:
    return UserProfile.objects.create(**{"email": email, "full_name": "Ada Lovelace", **fields})


def change(person: UserProfile) -> str:
    return f"{LIST}{person.pk}/change/"


def form(**fields: Any) -> dict[str, Any]:
    return {"email": "ada@example.com", "full_name": "Ada Lovelace", "role": "staff", "is_active": "on", "user_id": "", **fields}


def test_a_user_added_without_an_id_gets_one() -> None:
    root().post(ADD, **form())
    added = UserProfile.objects.get()
    assert (added.email, added.full_name, added.role, added.is_active) == ("ada@example.com", "Ada Lovelace", "staff", True)
    assert added.user_id.startswith("user_0")


def test_a_supplied_id_is_kept_and_cannot_be_changed_afterwards() -> None:
    person = root()
    person.post(ADD, **form(user_id="user_123"))
    added = UserProfile.objects.get()
    person.post(change(added), **form(user_id="user_456", full_name="Ada King"))
    added.refresh_from_db()
    assert (added.user_id, added.full_name) == ("user_123", "Ada King")


@pytest.mark.parametrize(
    ("fields", "field", "words"),
    [
        ({"email": "ADA@Example.com"}, "email", "A user with this email already exists: Ada Lovelace (ada@example.com)"),
        ({"email": "ada.example.com"}, "email", "Write the email like this: ada@example.com."),
        ({"email": '"a@b"@example.com'}, "email", "Write the email like this: ada@example.com."),
        ({"email": ""}, "email", "Enter the email."),
        ({"email": "new@example.com", "full_name": " "}, "full_name", "Enter the full name."),
        ({"email": "new@example.com", "role": "boss"}, "role", "boss is not one of the available choices"),
        ({"email": "new@example.com", "user_id": "a b"}, "user_id", "Use letters, digits, - and _"),
        ({"email": "new@example.com", "user_id": "user_1"}, "user_id", "Another user has this id"),
        ({"email": "new@example.com", "full_name": "x" * 201}, "full_name", "at most 200 characters"),
    ],
)
def test_bad_input_is_explained_beside_its_field(fields: dict[str, str], field: str, words: str) -> None:
    user(user_id="user_1")
    page = root().post(ADD, **form(**fields))
    assert page.status_code == 200
    assert list(errors(page)) == [field]
    assert words in errors(page)[field][0]
    assert UserProfile.objects.count() == 1


def test_the_email_of_an_inactive_user_names_the_remedy() -> None:
    user(is_active=False)
    assert "activate that user instead" in errors(root().post(ADD, **form()))["email"][0]


def test_an_email_that_someone_else_takes_meanwhile_is_refused_beside_its_field() -> None:
    """The other one's row is not committed yet when the form is checked: only the table itself can tell."""
    person, answers = root(), []
    with psycopg.connect(database_url()) as other:
        other.execute("insert into user_profiles (email, full_name) values ('Ada@example.com', 'The other Ada')")
        saving = threading.Thread(target=lambda: (answers.append(person.post(ADD, **form())), connection.close()))
        saving.start()
        with psycopg.connect(database_url(), autocommit=True) as watcher:
            waiting = "select 1 from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'"
            while saving.is_alive() and not watcher.execute(waiting).fetchone():
                saving.join(0.02)
        other.commit()
    saving.join(20)
    (page,) = answers
    assert "The other Ada" in errors(page)["email"][0]


def test_a_role_that_is_no_longer_offered_stays_and_is_named() -> None:
    old, person = user(role="contractor"), root()
    assert "contractor (no longer in SYNC_ROLES)" in text(person.get(change(old)))
    assert "no longer" not in text(person.get(ADD))
    person.post(change(old), **form(role="contractor", full_name="Ada King"))
    old.refresh_from_db()
    assert (old.role, old.full_name) == ("contractor", "Ada King")


def test_the_list_finds_users_by_email_name_id_and_role() -> None:
    user("ada@example.com", full_name="Ada Lovelace", role="lead", user_id="user_ada")
    user("alan@example.com", full_name="Alan Turing", role="staff", is_active=False)
    user("grace@example.com", full_name="Grace Hopper", role="contractor")
    person = root()
    for query, found in (
        ({"q": "lovelace"}, ["ada"]),
        ({"q": "ALAN@"}, ["alan"]),
        ({"q": "user_ada"}, ["ada"]),
        ({"role": "staff"}, ["alan"]),
        ({"role": "__other__"}, ["grace"]),
        ({"is_active__exact": "0"}, ["alan"]),
        ({}, ["grace", "alan", "ada"]),
    ):
        page = person.get(LIST, **query)
        assert [row.email.split("@")[0] for row in page.context["cl"].result_list] == found, query


def test_deleting_an_active_user_deactivates_and_says_so_before_and_after() -> None:
    ada, person = user(), root()
    asked = text(person.get(f"{LIST}{ada.pk}/delete/"))
    assert "is deactivated, not deleted" in asked
    assert "told to remove the user" in asked
    done = person.post(f"{LIST}{ada.pk}/delete/", post="yes")
    assert "was deactivated, not deleted" in told(done)[0]
    ada.refresh_from_db()
    assert not ada.is_active
    assert LogEntry.objects.get().get_change_message() == "Deactivated."


def test_deleting_an_inactive_user_deletes_for_good_and_says_so() -> None:
    ada, person = user(is_active=False), root()
    assert "deletes the user here, for good" in text(person.get(f"{LIST}{ada.pk}/delete/"))
    assert "was deleted for good" in told(person.post(f"{LIST}{ada.pk}/delete/", post="yes"))[0]
    assert not UserProfile.objects.exists()


def test_deleting_several_deactivates_the_active_and_deletes_the_inactive() -> None:
    ada, alan = user("ada@example.com"), user("alan@example.com", is_active=False)
    bystander, person = user("grace@example.com"), root()
    selected = {"action": "delete_selected", "_selected_action": [ada.pk, alan.pk]}
    asked = text(person.post(LIST, **selected, index=0))
    assert "1 active user: deactivated, not deleted" in asked
    assert "1 inactive user: deleted for good" in asked
    assert UserProfile.objects.filter(is_active=True).count() == 2, "asking must change nothing"
    done = person.post(LIST, **selected, post="yes", select_across=0)
    assert told(done)[0].startswith("1 deactivated, not deleted and 1 deleted for good")
    assert list(UserProfile.objects.order_by("id").values_list("email", "is_active")) == [(ada.email, False), (bystander.email, True)]


@pytest.mark.parametrize(("action", "before", "after"), [("deactivate_selected", True, False), ("activate_selected", False, True)])
def test_selected_users_are_activated_or_deactivated(action: str, before: bool, after: bool) -> None:
    users, person = [user(f"u{n}@example.com", is_active=before) for n in range(3)], root()
    page = person.post(LIST, action=action, _selected_action=[users[0].pk, users[1].pk], index=0)
    assert told(page)[0] == f"2 users are now {'active' if after else 'inactive'}."
    assert [row.is_active for row in UserProfile.objects.order_by("id")] == [after, after, before]
    again = person.post(LIST, action=action, _selected_action=[users[0].pk], index=0)
    assert "Nothing changed" in told(again)[0]


def test_a_very_large_selection_is_changed_in_one_statement(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(admin, "SAVED_ONE_BY_ONE", 5)
    UserProfile.objects.bulk_create(UserProfile(email=f"u{n}@example.com", full_name=f"U{n}") for n in range(60))
    one = UserProfile.objects.first()
    assert one is not None
    page = root().post(LIST, action="deactivate_selected", _selected_action=[one.pk], select_across=1, index=0)
    assert told(page)[0] == "60 users are now inactive."
    assert not UserProfile.objects.filter(is_active=True).exists()
    assert LogEntry.objects.get().object_repr == "60 users"


def test_who_may_only_look_sees_no_buttons_and_changes_nothing() -> None:
    ada, viewer = user(), Person("users.view_userprofile")
    page = viewer.get(change(ada))
    assert page.status_code == 200
    for word in ("Save", "Delete user", "Deactivate user", "Sync now"):
        assert word not in text(page)
    assert 'name="action"' not in viewer.get(LIST).content.decode()
    assert viewer.post(change(ada), **form(full_name="X")).status_code == 403
    assert viewer.post(f"{LIST}{ada.pk}/delete/", post="yes").status_code == 403
    assert viewer.get(ADD).status_code == 403
    viewer.post(LIST, action="deactivate_selected", _selected_action=[ada.pk], index=0)
    ada.refresh_from_db()
    assert (ada.full_name, ada.is_active) == ("Ada Lovelace", True)


def test_the_red_button_and_the_help_say_what_they_do_for_this_user() -> None:
    ada, person = user(), root()
    page = person.get(change(ada))
    assert "Deactivate user" in text(page)
    assert "Delete user" not in text(page)
    assert f'href="{LIST}{ada.pk}/delete/"' in page.content.decode()
    assert "is deactivated, not deleted" in text(person.get(f"{LIST}{ada.pk}/delete/"))
    assert "Turn it off to take the user out of every site." in text(page)
    assert "Leave it empty to have one made" not in text(page), "the id cannot change any more"
    UserProfile.objects.update(is_active=False)
    page = person.get(change(ada))
    assert "Delete user" in text(page)
    assert "Deactivate user" not in text(page)
    assert "Turn it off" not in text(page)
    assert "Turn it on to send the user to the sites again, under the same id." in text(page)
    added = text(person.get(ADD))
    assert "Leave it empty to have one made." in added
    assert "Only active users are sent to sites." in added
    assert "Turn it off" not in added


def test_who_may_not_view_users_gets_no_list() -> None:
    assert Person("sites.view_connectedsite").get(LIST).status_code == 403
