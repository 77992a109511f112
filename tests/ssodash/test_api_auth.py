"""Who may call the JSON API, and what everybody else is told."""

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.urls import reverse
from django.utils import timezone

from ssodash.api import api
from ssodash.models import ApiToken
from sync.models import UserSyncLog
from sync.views import MAY_CANCEL, MAY_SYNC
from tests.api import ApiCaller, as_login, connect, error_of, sample_site, with_token
from users.models import UserProfile

ADA = {"email": "ada@example.com", "fullName": "Ada Lovelace"}
OPERATIONS = [
    (method.upper(), path.format(userId="user_1", name="hrms", runId="00000000-0000-0000-0000-000000000000"))
    for path, methods in api.get_openapi_schema(path_prefix="/api/")["paths"].items()
    for method in methods
]
# What the buttons of the pages ask for too.
PERMISSIONS = {
    ("GET", "/api/users"): "users.view_userprofile",
    ("POST", "/api/users"): "users.add_userprofile",
    ("GET", "/api/users/user_1"): "users.view_userprofile",
    ("PATCH", "/api/users/user_1"): "users.change_userprofile",
    ("DELETE", "/api/users/user_1"): "users.delete_userprofile",
    ("GET", "/api/sites"): "sites.view_connectedsite",
    ("POST", "/api/sites"): "sites.add_connectedsite",
    ("GET", "/api/sites/hrms"): "sites.view_connectedsite",
    ("PATCH", "/api/sites/hrms"): "sites.change_connectedsite",
    ("DELETE", "/api/sites/hrms"): "sites.delete_connectedsite",
    ("POST", "/api/sites/hrms/secret"): "sites.change_connectedsite",
    ("GET", "/api/sites/hrms/status"): "sites.view_connectedsite",
    ("GET", "/api/sites/hrms/events"): "sites.view_connectedsite",
    ("POST", "/api/sites/hrms/pause"): "sites.change_connectedsite",
    ("POST", "/api/sites/hrms/resume"): "sites.change_connectedsite",
    ("POST", "/api/sites/hrms/probe"): "sites.change_connectedsite",
    ("POST", "/api/sync/user"): MAY_SYNC,
    ("GET", "/api/sync/user"): "sync.view_delivery",
    ("POST", "/api/sync/all-users"): MAY_SYNC,
    ("GET", "/api/sync/runs/00000000-0000-0000-0000-000000000000"): "sync.view_syncrun",
    ("POST", "/api/sync/runs/00000000-0000-0000-0000-000000000000/cancel"): MAY_CANCEL,
    ("POST", "/api/sync/runs/00000000-0000-0000-0000-000000000000/resume"): MAY_CANCEL,
}


def csrf(caller: ApiCaller) -> str:
    """A CSRF token as a page would give it to its script."""
    token = "a" * 32
    caller.client.cookies["csrftoken"] = token
    return token


def test_every_operation_is_in_the_table_of_permissions() -> None:
    assert set(OPERATIONS) == set(PERMISSIONS)


@pytest.mark.django_db
@pytest.mark.parametrize(("method", "path"), OPERATIONS)
def test_without_credentials_every_operation_answers_401_and_says_how_to_get_some(method: str, path: str) -> None:
    response = ApiCaller().send(method, path)
    assert "create_api_token" in error_of(response, 401)
    assert response["WWW-Authenticate"].startswith("Bearer")


@pytest.mark.django_db
@pytest.mark.parametrize(("method", "path"), OPERATIONS)
def test_a_staff_login_without_the_permission_is_told_its_name(method: str, path: str) -> None:
    caller = as_login("clerk")
    refused = error_of(caller.send(method, path, **{"x-csrftoken": csrf(caller)}), 403)
    assert PERMISSIONS[method, path] in refused


@pytest.mark.django_db
@pytest.mark.parametrize(("method", "path"), OPERATIONS)
def test_the_named_permission_is_all_that_a_staff_login_needs(method: str, path: str) -> None:
    caller = as_login("clerk", PERMISSIONS[method, path])
    assert caller.send(method, path, **{"x-csrftoken": csrf(caller)}).status_code not in {401, 403}


@pytest.mark.django_db
def test_a_token_may_call_and_an_unknown_one_may_not() -> None:
    caller = with_token()
    assert caller.get("/api/users").status_code == 200
    assert "not known" in error_of(ApiCaller(caller.token + "x").get("/api/users"), 401)
    ApiToken.objects.all().delete()
    assert "not known" in error_of(caller.get("/api/users"), 401)


@pytest.mark.django_db
@pytest.mark.parametrize("header", ["Basic YTpi", "Token abc", "Bearer", "Bearer ", "bearer  ", "Bearer \xff\xfe"])
def test_any_other_authorization_header_is_refused(header: str) -> None:
    error_of(ApiCaller().get("/api/users", authorization=header), 401)


@pytest.mark.django_db
def test_a_wrong_token_is_refused_although_a_session_comes_with_it() -> None:
    error_of(as_login("root", superuser=True).get("/api/users", authorization="Bearer wrong"), 401)


@pytest.mark.django_db
def test_only_the_hash_of_a_token_is_in_the_database() -> None:
    token = ApiToken.issue("payroll")[1]
    with connection.cursor() as cursor:
        cursor.execute("select to_jsonb(t)::text from api_tokens t")
        (kept,) = cursor.fetchone()
    assert token not in kept
    assert token.removeprefix("sso_") not in kept


@pytest.mark.django_db
def test_the_last_use_of_a_token_is_written_once_a_minute_at_most() -> None:
    caller = with_token()
    caller.get("/api/users")
    first = ApiToken.objects.get().last_used_at
    assert first is not None
    caller.get("/api/users")
    assert ApiToken.objects.get().last_used_at == first
    ApiToken.objects.update(last_used_at=timezone.now() - timedelta(seconds=61))
    caller.get("/api/users")
    assert timezone.now() - ApiToken.objects.get().last_used_at < timedelta(seconds=30)


@pytest.mark.django_db
def test_a_login_that_is_not_staff_is_refused_also_where_it_has_the_permission() -> None:
    caller = as_login("guest", "users.view_userprofile", staff=False)
    assert "not staff" in error_of(caller.get("/api/users"), 403)


@pytest.mark.django_db
def test_a_session_needs_a_csrf_token_for_what_changes_something() -> None:
    caller = as_login("root", superuser=True)
    assert caller.get("/api/users").status_code == 200
    assert "X-CSRFToken" in error_of(caller.post("/api/users", ADA), 403)
    assert "X-CSRFToken" in error_of(caller.post("/api/users", ADA, **{"x-csrftoken": "b" * 32}), 403)
    assert not UserProfile.objects.exists()
    assert caller.post("/api/users", ADA, **{"x-csrftoken": csrf(caller)}).status_code == 201


@pytest.mark.django_db(transaction=True)
def test_the_log_names_the_token_or_the_staff_login_that_changed_a_user(tmp_path: Path) -> None:
    with sample_site("hrms", tmp_path) as receiver:
        connect(receiver)
        program = with_token("payroll")
        person = as_login("grace", superuser=True)
        program.post("/api/users", {**ADA, "userId": "user_1"})
        person.patch("/api/users/user_1", {"role": "manager"}, **{"x-csrftoken": csrf(person)})
        program.post("/api/sync/user", {"userId": "user_1"})
        program.delete("/api/users/user_1")
        assert receiver.users() == []
    logged = UserSyncLog.objects.order_by("id").values_list("type", "status", "cause", "actor")
    assert list(logged) == [
        ("upsert", "success", "api", "payroll"),
        ("upsert", "success", "api", "grace"),
        ("upsert", "success", "api", "payroll"),
        ("delete", "success", "api", "payroll"),
    ]


@pytest.mark.django_db
def test_the_documentation_is_for_staff_and_loads_nothing_from_elsewhere() -> None:
    page = as_login("clerk").get("/api/docs")
    assert page.status_code == 200
    html = page.content.decode()
    assert "swagger-ui-bundle.js" in html
    assert "https://" not in html
    assert "http://" not in html


@pytest.mark.django_db
def test_the_documentation_asks_everybody_else_to_sign_in() -> None:
    for caller in (ApiCaller(), as_login("guest", staff=False)):
        response = caller.get("/api/docs")
        assert response.status_code == 302
        assert response["Location"].startswith(reverse("admin:login"))


@pytest.mark.django_db
def test_the_schema_is_for_staff_and_tokens() -> None:
    for caller in (as_login("clerk"), with_token()):
        schema = caller.get("/api/openapi.json").json()
        assert "/api/sync/all-users" in schema["paths"]
    error_of(ApiCaller().get("/api/openapi.json"), 401)
    error_of(as_login("guest", staff=False).get("/api/openapi.json"), 403)


@pytest.mark.django_db
def test_no_answer_is_kept_by_a_cache() -> None:
    assert with_token().get("/api/users")["Cache-Control"] == "no-store"


@pytest.mark.django_db
def test_all_names_outside_are_camel_case() -> None:
    schemas: dict[str, Any] = with_token().get("/api/openapi.json").json()["components"]["schemas"]
    names = [name for schema in schemas.values() for name in schema.get("properties", {})]
    assert "userId" in names
    assert [name for name in names if "_" in name] == []
    assert "signingSecret" not in json.dumps(schemas["SiteOut"])
