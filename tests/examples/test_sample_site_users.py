"""What a signed message does to the users a sample site holds."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.examples.sender import PATH, SECRET, Sender, removal, user
from tests.receivers import SampleSiteProcess


@pytest.fixture
def site(tmp_path: Path) -> Iterator[SampleSiteProcess]:
    with SampleSiteProcess("hrms", tmp_path, SECRET) as site:
        yield site


@pytest.fixture(scope="module")
def shared_site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SampleSiteProcess]:
    """For tests of what is refused: started once, and every test leaves it as it was."""
    with SampleSiteProcess("hrms", tmp_path_factory.mktemp("shared"), SECRET) as site:
        yield site


@pytest.fixture
def hub(site: SampleSiteProcess) -> Iterator[Sender]:
    hub = Sender(site.url)
    yield hub
    hub.close()


def test_an_upsert_adds_a_user_and_confirms_its_id(site: SampleSiteProcess, hub: Sender) -> None:
    answer = hub.upsert(user("user_1", 7, email="ada@example.com", role="admin"))
    assert (answer.status, answer.json) == (200, {"success": True, "id": "user_1", "outcome": "created"})
    [held] = site.users()
    assert (held["id"], held["email"], held["full_name"], held["role"], held["version"]) == (
        "user_1",
        "ada@example.com",
        "Ada Lovelace",
        "admin",
        7,
    )
    assert held["is_active"] is True and held["removed_at"] is None


def test_a_changed_email_renames_the_user(site: SampleSiteProcess, hub: Sender) -> None:
    hub.upsert(user("user_1", 1, email="ada@example.com"))
    answer = hub.upsert(user("user_1", 2, email="countess@example.com", previous_email="ada@example.com"))
    assert answer.json["outcome"] == "updated"
    assert site.emails() == {"countess@example.com"}


def test_a_known_message_id_is_answered_with_success_and_not_applied_again(site: SampleSiteProcess, hub: Sender) -> None:
    hub.upsert(user("user_1", 1), message_id="msg_same")
    answer = hub.upsert(user("user_1", 9, full_name="Somebody Else"), message_id="msg_same")
    assert (answer.status, answer.json["outcome"]) == (200, "known")
    assert site.users()[0]["full_name"] == "Ada Lovelace"


def test_an_equal_version_under_a_new_id_is_applied(site: SampleSiteProcess, hub: Sender) -> None:
    hub.upsert(user("user_1", 5, full_name="Changed by hand"))
    assert hub.upsert(user("user_1", 5)).json["outcome"] == "updated"
    assert site.users()[0]["full_name"] == "Ada Lovelace"


def test_a_lower_version_is_ignored_with_success(site: SampleSiteProcess, hub: Sender) -> None:
    hub.upsert(user("user_1", 5))
    answer = hub.upsert(user("user_1", 4, full_name="Old"))
    assert (answer.status, answer.json["success"], answer.json["outcome"]) == (200, True, "older")
    assert site.users()[0]["full_name"] == "Ada Lovelace"


def test_a_removal_takes_the_user_away_and_shows_it_as_removed(site: SampleSiteProcess, hub: Sender) -> None:
    hub.upsert(user("user_1", 1))
    answer = hub.remove(removal("user_1", 2))
    assert (answer.status, answer.json["outcome"]) == (200, "removed")
    assert site.users() == []
    assert [gone["id"] for gone in site.get_json("/users.json")["removed"]] == ["user_1"]


def test_a_removal_keeps_its_version_against_a_late_upsert_but_not_against_a_newer_one(site: SampleSiteProcess, hub: Sender) -> None:
    hub.upsert(user("user_1", 1))
    hub.remove(removal("user_1", 3))
    assert hub.upsert(user("user_1", 2)).json["outcome"] == "older"
    assert site.users() == []
    assert hub.upsert(user("user_1", 4)).json["outcome"] == "created"
    assert len(site.users()) == 1


def test_the_removal_of_an_unknown_user_is_success_and_its_version_counts(site: SampleSiteProcess, hub: Sender) -> None:
    answer = hub.remove(removal("user_1", 3))
    assert (answer.status, answer.json["success"], answer.json["outcome"]) == (200, True, "not held")
    assert hub.upsert(user("user_1", 2)).json["outcome"] == "older"
    assert site.users() == []


def test_an_older_removal_does_not_remove(site: SampleSiteProcess, hub: Sender) -> None:
    hub.upsert(user("user_1", 5))
    assert hub.remove(removal("user_1", 4)).json["outcome"] == "older"
    assert len(site.users()) == 1


@pytest.mark.parametrize("newer_first", [False, True])
def test_of_two_users_with_one_email_the_newer_version_has_it(site: SampleSiteProcess, hub: Sender, newer_first: bool) -> None:
    messages = [user("user_1", 1, email="Ada@example.com"), user("user_2", 2, email="ada@example.com")]
    for message in reversed(messages) if newer_first else messages:
        assert hub.upsert(message).json["outcome"] == "created"
    held = {each["id"]: each["email"] for each in site.users()}
    assert held == {"user_1": "", "user_2": "ada@example.com"}
    hub.upsert(user("user_2", 3, email="grace@example.com"))
    assert site.emails() == {"Ada@example.com", "grace@example.com"}, "the email is free again"


def test_a_user_deleted_and_created_again_under_the_same_email_ends_as_the_new_one(site: SampleSiteProcess, hub: Sender) -> None:
    hub.upsert(user("user_1", 1, email="ada@example.com"))
    hub.upsert(user("user_2", 3, email="ada@example.com"))
    hub.remove(removal("user_1", 2, email="ada@example.com"))
    assert [(held["id"], held["email"]) for held in site.users()] == [("user_2", "ada@example.com")]


def test_a_batch_has_a_result_for_each_and_one_bad_user_does_not_fail_its_neighbours(site: SampleSiteProcess, hub: Sender) -> None:
    hub.upsert(user("user_3", 1))
    members = [user("user_1", 1), user("user_2", 1, email="no address"), removal("user_3", 2), "not a user"]
    answer = hub.batch(members)
    assert answer.status == 200
    assert [(result["id"], result["success"]) for result in answer.json["results"]] == [
        ("user_1", True),
        ("user_2", False),
        ("user_3", True),
        (None, False),
    ]
    assert answer.json["results"][1]["error"] == "email must be an email address"
    assert {held["id"] for held in site.users()} == {"user_1"}


def test_a_batch_that_was_partly_refused_can_be_sent_again_under_its_id(site: SampleSiteProcess, hub: Sender) -> None:
    members = [user("user_1", 1), user("user_2", 1, email="no address")]
    for _ in range(2):
        answer = hub.batch(members, message_id="batch_1")
        assert [result["success"] for result in answer.json["results"]] == [True, False]
    assert hub.batch([user("user_3", 1)], message_id="batch_2").json["results"] == [{"id": "user_3", "success": True, "outcome": "created"}]
    assert hub.batch([user("user_3", 1)], message_id="batch_2").json["results"] == [{"id": "user_3", "success": True, "outcome": "known"}]


@pytest.mark.parametrize(
    ("body", "status", "why"),
    [
        (b'{"id": ', 400, "the body is not JSON"),
        (b"", 400, "the body is not JSON"),
        (b"[" * 100_000, 400, "the body is not JSON"),
        (b"[]", 422, "a user must be a JSON object"),
        (user(id=7), 422, "id must be a text"),  # type: ignore[arg-type]
        (user(id=""), 422, "id must be a text"),
        (user(version="1"), 422, "version must be a whole number"),  # type: ignore[arg-type]
        (user(version=True), 422, "version must be a whole number"),
        (user(version=-1), 422, "version must be a whole number"),
        (user(email="ada"), 422, "email must be an email address"),
        (user(email=None), 422, "email must be a text"),
        (user(full_name=["Ada"]), 422, "full_name must be a text"),
        (user(is_active="yes"), 422, "is_active must be true or false"),
        (removal(), 422, "send 'delete' to the path that ends in /delete"),
    ],
)
def test_a_body_that_is_not_a_user_is_refused_with_the_reason(shared_site: SampleSiteProcess, body: object, status: int, why: str) -> None:
    answer = Sender(shared_site.url).upsert(body)
    assert (answer.status, answer.json["success"]) == (status, False)
    assert why in answer.error
    assert shared_site.users() == []


def test_a_refused_message_leaves_its_id_unknown(site: SampleSiteProcess, hub: Sender) -> None:
    assert hub.upsert(user(email="ada"), message_id="msg_1").status == 422
    assert hub.upsert(user(), message_id="msg_1").json["outcome"] == "created"


def test_an_upsert_at_the_removal_path_is_refused(site: SampleSiteProcess, hub: Sender) -> None:
    answer = hub.remove(user())
    assert answer.status == 422
    assert "action must be 'delete' here" in answer.error


def test_a_body_over_one_megabyte_is_refused_with_413(site: SampleSiteProcess, hub: Sender) -> None:
    answer = hub.upsert(user(full_name="a" * 5_000_000))
    assert answer.status == 413
    assert "at most 1000000 are accepted" in answer.error
    assert hub.upsert(user()).status == 200


@pytest.mark.parametrize(
    ("method", "path", "status", "allowed"),
    [
        ("POST", "/elsewhere", 404, None),
        ("GET", "/elsewhere", 404, None),
        ("GET", PATH, 405, "POST"),
        ("PUT", PATH, 405, "POST"),
        ("DELETE", f"{PATH}/delete", 405, "POST"),
        ("POST", "/", 405, "GET"),
        ("BREW", "/", 501, None),
    ],
)
def test_an_unknown_path_or_method_is_answered_in_json(
    shared_site: SampleSiteProcess, method: str, path: str, status: int, allowed: str | None
) -> None:
    hub = Sender(shared_site.url)
    answer = hub.request(method, path, b"{}" if method != "GET" else None)
    assert (answer.status, answer.headers.get("allow")) == (status, allowed)
    assert answer.json["success"] is False
    assert hub.request("GET", "/healthz").status == 200, "what was left of the request is not taken for the next one"


def test_a_query_string_does_not_change_the_path(site: SampleSiteProcess, hub: Sender) -> None:
    assert hub.request("GET", "/healthz?from=test").json == {"success": True, "site": "hrms"}
