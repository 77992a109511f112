"""The directory through the JSON API, and what sites hear of it."""

import threading
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from sites.models import ConnectedSite, issue_signing_secret
from tests.api import ApiCaller, connect, error_of, sample_site, with_token
from tests.conftest import eventually_true
from tests.processes import database_url
from users.models import UserProfile

ADA = {"email": "ada@example.com", "fullName": "Ada Lovelace"}


@pytest.fixture
def api(db: None) -> ApiCaller:
    return with_token()


def add(api: ApiCaller, **fields: Any) -> dict[str, Any]:
    response = api.post("/api/users", {**ADA, **fields})
    assert response.status_code == 201, response.content
    answer: dict[str, Any] = response.json()
    return answer


def test_a_user_is_added_with_defaults_and_read_again(api: ApiCaller) -> None:
    added = add(api)
    assert added["userId"].startswith("user_")
    assert (added["email"], added["fullName"], added["role"], added["isActive"]) == ("ada@example.com", "Ada Lovelace", "user", True)
    assert added["version"] > 0
    assert added.pop("sync") == []
    assert api.get(f"/api/users/{added['userId']}").json() == added


def test_a_user_id_may_be_supplied_or_be_null(api: ApiCaller) -> None:
    assert add(api, userId="user_123")["userId"] == "user_123"
    assert add(api, userId=None, email="grace@example.com")["userId"].startswith("user_")


def test_spaces_too_many_are_taken_off_as_forms_do(api: ApiCaller) -> None:
    added = add(api, email="  ada@example.com ", fullName=" Ada\n  Lovelace ")
    assert (added["email"], added["fullName"]) == ("ada@example.com", "Ada Lovelace")


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"email": "ada"}, "email: Enter a valid email address"),
        ({"email": ""}, "email must not be empty"),
        ({"email": '"a@b"@example.com'}, "email: "),
        ({"email": "ada@example.com\x00"}, "email has a NUL character"),
        ({"email": 7}, "email must be a string"),
        ({"email": None}, "email must be a string"),
        ({"email": ["ada@example.com"]}, "email must be a string"),
        ({"email": "a" * 250 + "@example.com"}, "email is too long: at most 254"),
        ({"fullName": ""}, "fullName must not be empty"),
        ({"fullName": "   "}, "fullName must not be empty"),
        ({"fullName": {"first": "Ada"}}, "fullName must be a string"),
        ({"fullName": "x" * 201}, "fullName is too long: at most 200"),
        ({"role": "king"}, "Give one of: user, staff, lead, manager, admin"),
        ({"role": ""}, "role: "),
        ({"role": 1}, "role must be a string"),
        ({"isActive": "true"}, "isActive must be true or false"),
        ({"isActive": 1}, "isActive must be true or false"),
        ({"userId": "no spaces"}, "userId: Use letters, digits"),
        ({"userId": ""}, "userId: "),
        ({"userId": "x" * 101}, "userId: "),
        ({"full_name": "Ada"}, "'full_name' is not known here: the fields are userId, email, fullName, role, isActive"),
        ({"version": 3}, "'version' is not known"),
    ],
)
def test_a_wrong_value_is_refused_and_the_field_named(api: ApiCaller, fields: dict[str, Any], said: str) -> None:
    assert said in error_of(api.post("/api/users", {**ADA, **fields}), 422)
    assert not UserProfile.objects.exists()


@pytest.mark.parametrize("field", ["email", "fullName"])
def test_what_is_missing_is_named(api: ApiCaller, field: str) -> None:
    body = {key: value for key, value in ADA.items() if key != field}
    assert f"{field} is missing" in error_of(api.post("/api/users", body), 422)


def test_half_a_surrogate_pair_is_refused(api: ApiCaller) -> None:
    raw = '{"email": "ada@example.com", "fullName": "Ada \\ud83d"}'
    assert "fullName has half a surrogate pair" in error_of(api.post("/api/users", raw=raw), 422)


def test_several_wrong_fields_are_named_together(api: ApiCaller) -> None:
    said = error_of(api.post("/api/users", {"email": 1, "fullName": 2}), 422)
    assert said == "email must be a string. fullName must be a string."


def test_a_duplicate_email_is_409_whatever_its_case_and_named(api: ApiCaller) -> None:
    add(api)
    assert "ADA@example.com" in error_of(api.post("/api/users", {**ADA, "email": "ADA@example.com"}), 409)
    other = add(api, email="grace@example.com")
    assert "Ada@Example.com" in error_of(api.patch(f"/api/users/{other['userId']}", {"email": "Ada@Example.com"}), 409)


def test_a_duplicate_user_id_is_409_and_named(api: ApiCaller) -> None:
    add(api, userId="user_1")
    assert "user_1" in error_of(api.post("/api/users", {"userId": "user_1", "email": "b@example.com", "fullName": "B"}), 409)


def test_a_user_may_change_the_case_of_the_own_email(api: ApiCaller) -> None:
    user_id = add(api)["userId"]
    assert api.patch(f"/api/users/{user_id}", {"email": "Ada@Example.com"}).json()["email"] == "Ada@Example.com"


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(("mine", "named"), [({"email": "ADA@example.com"}, "ADA@example.com"), ({"userId": "user_1"}, "user_1")])
def test_whoever_comes_second_at_the_same_moment_gets_409(mine: dict[str, str], named: str) -> None:
    api, answers = with_token(), []
    body = {"email": "other@example.com", "fullName": "Ada", "userId": "user_2", **mine}
    with psycopg.connect(database_url()) as other:
        other.execute("insert into user_profiles (user_id, email, full_name) values ('user_1', 'ada@example.com', 'Ada')")

        def send() -> None:
            answers.append(api.post("/api/users", body))
            connection.close()

        thread = threading.Thread(target=send)
        thread.start()
        eventually_true(a_session_waits_for_another, message="The API did not come to its insert")
        other.commit()
        thread.join(10)
    assert named in error_of(answers[0], 409)


def a_session_waits_for_another() -> bool:
    # Not asked by the session that holds the lock: within a transaction, what it sees of others stands still.
    with connection.cursor() as cursor:
        cursor.execute("select exists (select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock')")
        return bool(cursor.fetchone()[0])


def test_what_is_left_out_of_a_change_stays(api: ApiCaller) -> None:
    before = add(api, userId="user_1")
    after = api.patch("/api/users/user_1", {"role": "manager"}).json()
    assert after["role"] == "manager"
    assert after["version"] > before["version"]
    assert {key for key in after if after[key] != before[key]} == {"role", "version", "updatedAt"}


def test_a_change_to_the_same_values_is_no_new_version(api: ApiCaller) -> None:
    before = add(api, userId="user_1")
    after = api.patch("/api/users/user_1", {**ADA, "userId": "user_1", "role": "user", "isActive": True})
    assert after.status_code == 200
    assert after.json() == before


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"userId": "user_2"}, "userId cannot change"),
        ({}, "nothing to change"),
        ({"email": None}, "email must be a string"),
        ({"isActive": None}, "isActive must be true or false"),
        ({"email": "ada"}, "email: Enter a valid"),
        ({"role": "king"}, "Give one of: user"),
        ({"createdAt": "2020-01-01"}, "'createdAt' is not known"),
    ],
)
def test_a_wrong_change_is_refused_and_nothing_changes(api: ApiCaller, change: dict[str, Any], said: str) -> None:
    before = add(api, userId="user_1")
    before.pop("sync")
    assert said in error_of(api.patch("/api/users/user_1", change), 422)
    assert api.get("/api/users/user_1").json() == before


def test_a_role_that_sql_brought_in_does_not_stop_other_changes(api: ApiCaller) -> None:
    UserProfile.objects.create(user_id="user_1", email="ada@example.com", full_name="Ada", role="king")
    assert api.patch("/api/users/user_1", {"fullName": "Ada L."}).json()["fullName"] == "Ada L."
    assert api.patch("/api/users/user_1", {"role": "king", "fullName": "Ada"}).status_code == 200


@pytest.mark.parametrize("method", ["GET", "PATCH", "DELETE"])
@pytest.mark.parametrize("user_id", ["nobody", "%00", "user_1%00", "a b", "ä", "x" * 500, "'--"])
def test_an_unknown_user_is_404(api: ApiCaller, method: str, user_id: str) -> None:
    assert "There is no user" in error_of(api.send(method, f"/api/users/{user_id}", {"role": "user"}), 404)


def test_a_deleted_user_is_gone(api: ApiCaller) -> None:
    add(api, userId="user_1")
    answer = api.delete("/api/users/user_1").json()
    assert answer == {"success": True, "message": "Deleted. No site has this user any more.", "userId": "user_1", "sync": []}
    error_of(api.delete("/api/users/user_1"), 404)
    assert not UserProfile.objects.exists()


def test_a_list_comes_in_pages(api: ApiCaller) -> None:
    UserProfile.objects.bulk_create(UserProfile(user_id=f"u{n}", email=f"u{n}@example.com", full_name="U") for n in range(205))
    page = api.get("/api/users").json()
    assert (page["total"], page["limit"], page["offset"], len(page["items"])) == (205, 50, 0, 50)
    assert len(api.get("/api/users?limit=200").json()["items"]) == 200
    assert [user["userId"] for user in api.get("/api/users?limit=2&offset=203").json()["items"]] == ["u203", "u204"]
    assert api.get("/api/users?offset=1000").json()["items"] == []


def test_a_list_is_filtered_by_email_role_and_activity(api: ApiCaller) -> None:
    add(api, userId="a", role="manager")
    add(api, userId="b", email="b@example.com", isActive=False)

    def found(query: str) -> list[str]:
        return [user["userId"] for user in api.get(f"/api/users?{query}").json()["items"]]

    assert found("email=ADA@EXAMPLE.COM") == ["a"]
    assert found("role=manager") == ["a"]
    assert found("isActive=false") == ["b"]
    assert found("isActive=true&role=user") == []
    assert found("email=nobody@example.com") == []


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("limit=201", "limit must be at most 200"),
        ("limit=0", "limit must be at least 1"),
        ("limit=ten", "limit must be a whole number"),
        ("offset=-1", "offset must be at least 0"),
        ("offset=99999999999999999999", "offset must be at most"),
        ("isActive=perhaps", "isActive must be true or false"),
        ("email=%00", "email has a NUL"),
        ("limit=1&limit=2", "limit is there twice"),
        ("active=true", "'active' is not known here: the fields are limit, offset, email, role, isActive"),
    ],
)
def test_a_wrong_query_is_refused_and_the_parameter_named(api: ApiCaller, query: str, said: str) -> None:
    assert said in error_of(api.get(f"/api/users?{query}"), 422)


def test_a_list_costs_the_same_few_queries_whatever_its_length(api: ApiCaller) -> None:
    api.get("/api/users")
    counts = []
    for number in (1, 100):
        UserProfile.objects.bulk_create(UserProfile(email=f"{number}-{n}@example.com", full_name="U") for n in range(number))
        with CaptureQueriesContext(connection) as queries:
            api.get("/api/users?limit=200")
        counts.append(len(queries))
    assert counts == [3, 3]


def test_looking_for_an_email_uses_the_index(api: ApiCaller) -> None:
    UserProfile.objects.bulk_create(UserProfile(email=f"{n}@example.com", full_name="U") for n in range(3000))
    with connection.cursor() as cursor:
        cursor.execute("analyze user_profiles")
    with CaptureQueriesContext(connection) as queries:
        assert api.get("/api/users?email=7@example.com").json()["total"] == 1
    with connection.cursor() as cursor:
        for query in (q["sql"] for q in queries if "lower" in q["sql"].lower()):
            cursor.execute(f"explain {query}")
            assert "user_profiles_email_unique" in "\n".join(row[0] for row in cursor.fetchall())


@pytest.mark.django_db(transaction=True)
def test_a_site_follows_every_change_and_the_answer_says_so(tmp_path: Path) -> None:
    api = with_token()
    with sample_site("hrms", tmp_path) as receiver:
        connect(receiver)
        in_sync = [{"site": "hrms", "status": "success", "errorMessage": None}]
        assert add(api, userId="user_1")["sync"] == in_sync
        assert receiver.emails() == {"ada@example.com"}
        assert api.patch("/api/users/user_1", {"role": "manager"}).json()["sync"] == in_sync
        held = receiver.user("user_1")
        assert held is not None
        assert held["role"] == "manager"
        assert api.patch("/api/users/user_1", {"isActive": False}).json()["sync"] == in_sync
        assert receiver.users() == []
        api.patch("/api/users/user_1", {"isActive": True})
        assert api.delete("/api/users/user_1").json()["success"] is True
        assert receiver.users() == []


@pytest.mark.django_db(transaction=True)
def test_a_site_that_is_down_is_named_with_the_reason_and_the_change_is_kept(tmp_path: Path) -> None:
    api = with_token()
    receiver = sample_site("hrms", tmp_path)
    connect(receiver, timeout=2)
    added = add(api, userId="user_1")
    (result,) = added["sync"]
    assert (result["site"], result["status"]) == ("hrms", "pending")
    assert result["errorMessage"]
    removed = api.delete("/api/users/user_1").json()
    assert removed["success"] is False
    assert "Not removed yet at hrms" in removed["message"]
    assert [row["status"] for row in removed["sync"]] == ["pending"]


@pytest.mark.django_db(transaction=True)
def test_an_inactive_site_that_had_a_deleted_user_is_not_forgotten(tmp_path: Path) -> None:
    api = with_token()
    with sample_site("hrms", tmp_path) as receiver:
        site = connect(receiver)
        add(api, userId="user_1")
        ConnectedSite.objects.filter(pk=site.pk).update(is_active=False)
        removed = api.delete("/api/users/user_1").json()
    assert removed["success"] is False
    assert "hrms" in removed["message"]


@pytest.mark.django_db(transaction=True)
def test_a_refused_change_sends_nothing(tmp_path: Path) -> None:
    api = with_token()
    with sample_site("hrms", tmp_path) as receiver:
        issue_signing_secret(connect(receiver))
        error_of(api.post("/api/users", {**ADA, "role": "king"}), 422)
        assert receiver.get_json("/users.json")["users"] == []
