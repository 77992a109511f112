"""Whatever goes wrong below /api/ is answered as `{"error": "…"}` with the right status."""

from typing import Any

import pytest
from django.db import connection
from django.test import Client

from tests.api import ApiCaller, as_login, error_of, with_token


class NotToBeRead:
    """A body that fails the test when anybody reads it."""

    def read(self, *_: Any) -> bytes:
        raise AssertionError("the body was read")

    readline = read


@pytest.fixture
def no_database(free_port: int) -> Any:
    """The database does not answer until the test is over."""
    usual = connection.settings_dict["PORT"]
    connection.close()
    connection.settings_dict["PORT"] = free_port
    yield
    connection.close()
    connection.settings_dict["PORT"] = usual


@pytest.mark.django_db
def test_an_unknown_path_is_404() -> None:
    assert "/api/docs" in error_of(with_token().get("/api/nothing"), 404)
    error_of(ApiCaller().get("/api/"), 404)


@pytest.mark.django_db
def test_a_method_that_is_not_there_is_405_and_names_those_that_are() -> None:
    response = with_token().send("PUT", "/api/users/user_1", {})
    assert error_of(response, 405) == "PUT is not possible here: use DELETE or GET or PATCH."
    assert set(response["Allow"].split(", ")) == {"DELETE", "GET", "PATCH"}


@pytest.mark.django_db
@pytest.mark.parametrize(
    "body",
    [
        '{"email":',
        "{'email': 1}",
        '{"email": NaN}',
        "[" * 200_000,
        '{"email": "a", "email": "b"}',
        b"\xff\xfe{",
        "",
        '{"a": ' + "9" * 5000 + "}",
    ],
)
def test_what_is_not_json_is_400(body: str | bytes) -> None:
    error_of(with_token().post("/api/users", raw=body), 400)


@pytest.mark.django_db
@pytest.mark.parametrize("body", ["[]", "null", '"text"', "7", "true"])
def test_json_that_is_no_object_is_422(body: str) -> None:
    assert error_of(with_token().post("/api/users", raw=body), 422) == "The body must be a JSON object."


@pytest.mark.django_db
@pytest.mark.parametrize("kind", ["application/x-www-form-urlencoded", "text/plain", "multipart/form-data; boundary=x", ""])
def test_a_body_of_another_kind_is_415(kind: str) -> None:
    assert "application/json" in error_of(with_token().post("/api/users", raw="a=1", content_type=kind), 415)


@pytest.mark.django_db
def test_json_may_name_its_character_set() -> None:
    body = '{"email": "ada@example.com", "fullName": "Ada"}'
    assert with_token().post("/api/users", raw=body, content_type="application/json; charset=utf-8").status_code == 201


@pytest.mark.django_db
@pytest.mark.parametrize("kind", ["application/json", "multipart/form-data; boundary=x"])
def test_a_body_of_5_mb_is_413_before_any_of_it_is_read(kind: str) -> None:
    for caller in (with_token(), as_login("root", superuser=True)):
        request = {"wsgi.input": NotToBeRead(), "CONTENT_LENGTH": str(5_000_000), "CONTENT_TYPE": kind, "REQUEST_METHOD": "POST"}
        if caller.token:
            request["HTTP_AUTHORIZATION"] = f"Bearer {caller.token}"
        assert "1,048,576 bytes" in error_of(caller.client.request(PATH_INFO="/api/users", **request), 413)


@pytest.mark.django_db
def test_a_body_in_chunks_is_411() -> None:
    response = with_token().post("/api/users", **{"transfer-encoding": "chunked"})
    assert "Content-Length" in error_of(response, 411)


@pytest.mark.django_db
def test_a_bug_is_500_without_a_traceback(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setattr("users.api.UserOut.model_validate", lambda user: 1 / 0)
    caller = with_token()
    caller.post("/api/users", {"email": "ada@example.com", "fullName": "Ada"})
    assert "division" not in error_of(caller.get("/api/users"), 500)
    assert "ZeroDivisionError" in caplog.text


@pytest.mark.django_db
def test_a_bug_outside_the_api_proper_is_500_as_json_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ssodash.api.api.get_openapi_schema", lambda **_: 1 / 0)
    error_of(with_token().get("/api/openapi.json"), 500)


@pytest.mark.django_db
def test_a_host_that_is_not_ours_is_400() -> None:
    error_of(Client(raise_request_exception=False).get("/api/users", headers={"host": "elsewhere.example"}), 400)


@pytest.mark.django_db(transaction=True)
def test_without_a_database_a_token_gets_503(request: pytest.FixtureRequest) -> None:
    caller = with_token()
    request.getfixturevalue("no_database")
    response = caller.get("/api/users")
    refused = error_of(response, 503)
    assert "Try again" in refused
    assert "127.0.0.1" not in refused
    assert int(response["Retry-After"]) > 0


@pytest.mark.django_db(transaction=True)
def test_without_a_database_a_session_gets_503(request: pytest.FixtureRequest) -> None:
    caller = as_login("root", superuser=True)
    request.getfixturevalue("no_database")
    error_of(caller.get("/api/users"), 503)


@pytest.mark.django_db
def test_pages_outside_the_api_stay_pages() -> None:
    response = Client().get("/nothing")
    assert response.status_code == 404
    assert response["Content-Type"].startswith("text/html")
