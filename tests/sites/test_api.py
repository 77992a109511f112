"""The connected sites through the JSON API."""

import base64
from pathlib import Path
from typing import Any

import pytest

from sites.models import ConnectedSite, SiteCredential
from tests.api import ApiCaller, error_of, sample_site, with_token

HRMS = {"name": "hrms", "url": "https://hrms.example.com"}


@pytest.fixture
def api(db: None) -> ApiCaller:
    return with_token()


def secret_of(length: int) -> str:
    return "whsec_" + base64.b64encode(bytes(range(100, 100 + length))).decode()


def add(api: ApiCaller, **fields: Any) -> dict[str, Any]:
    response = api.post("/api/sites", {**HRMS, **fields})
    assert response.status_code == 201, response.content
    answer: dict[str, Any] = response.json()
    return answer


def signing_secrets() -> list[str]:
    return list(SiteCredential.objects.values_list("secret", flat=True))


def test_a_site_is_connected_with_defaults_and_read_again(api: ApiCaller) -> None:
    added = add(api)
    assert added.pop("signingSecret").startswith("whsec_")
    assert added["displayName"] == "hrms"
    assert (added["syncPath"], added["batchSize"], added["maxInFlight"], added["timeout"]) == ("/api/users/sync", 1, 8, 10.0)
    assert (added["connector"], added["authMethod"], added["roles"], added["isActive"]) == ("rest", "signature", [], True)
    assert api.get("/api/sites/hrms").json() == added


def test_every_field_can_be_given(api: ApiCaller) -> None:
    given = {
        "displayName": "HRMS",
        "icon": "badge",
        "category": "Human resources",
        "isActive": False,
        "connector": "rest",
        "syncPath": "/hooks/users",
        "batchSize": 100,
        "maxInFlight": 2,
        "timeout": 3,
        "authMethod": "signature",
        "roles": ["staff", "admin", "staff"],
    }
    added = add(api, **given)
    assert {key: added[key] for key in given} == {**given, "roles": ["staff", "admin"]}


def test_the_generated_secret_is_shown_once_and_never_again(api: ApiCaller) -> None:
    secret = add(api)["signingSecret"]
    assert signing_secrets() == [secret]
    later = [api.get("/api/sites"), api.get("/api/sites/hrms"), api.patch("/api/sites/hrms", {"category": "HR"})]
    for response in later:
        assert response.status_code == 200
        assert secret not in response.content.decode()
        assert "ecret" not in response.content.decode()


@pytest.mark.parametrize("length", [24, 32, 64])
def test_a_secret_may_be_supplied_and_is_not_shown(api: ApiCaller, length: int) -> None:
    secret = secret_of(length)
    assert add(api, signingSecret=secret)["signingSecret"] is None
    assert signing_secrets() == [secret]


@pytest.mark.parametrize("secret", [secret_of(23), secret_of(65), "whsec_", "whsec_not base64!", "whsec_é", "topsecret", "whsec_AAA", ""])
def test_a_secret_of_the_wrong_form_is_refused_and_not_quoted(api: ApiCaller, secret: str) -> None:
    said = error_of(api.post("/api/sites", {**HRMS, "signingSecret": secret}), 422)
    assert "24 to 64 random bytes" in said
    assert len(secret) <= len("whsec_") or secret not in said
    assert not ConnectedSite.objects.exists()


def test_a_new_secret_replaces_the_old_one_and_is_shown_once(api: ApiCaller) -> None:
    first = add(api)["signingSecret"]
    answer = api.post("/api/sites/hrms/secret").json()
    assert answer["name"] == "hrms"
    assert answer["signingSecret"] != first
    assert signing_secrets() == [answer["signingSecret"]]


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"url": "hrms.example.com"}, "url: It has no scheme"),
        ({"url": "file:///etc/passwd"}, "url: It begins with file:"),
        ({"url": "https://user:hunter2@hrms.example.com"}, "url: The address has a user name or password"),
        ({"url": "https://"}, "url: "),
        ({"url": "https://hrms.example.com:99999"}, "url: "),
        ({"url": "https://hrms.example.com/?a=1"}, "url: "),
        ({"url": ""}, "url must not be empty"),
        ({"url": 5}, "url must be a string"),
        ({"url": "https://hrms.example.com/\x00"}, "url has a NUL"),
        ({"name": "HR & MS"}, "name: "),
        ({"name": ""}, "name must not be empty"),
        ({"name": None}, "name must be a string"),
        ({"syncPath": "api"}, "syncPath: The sync path must begin with one /"),
        ({"batchSize": 0}, "batchSize must be at least 1"),
        ({"batchSize": "1"}, "batchSize must be a whole number"),
        ({"batchSize": 10**30}, "batchSize must be at most 1000"),
        ({"maxInFlight": 101}, "maxInFlight must be at most 100"),
        ({"timeout": True}, "timeout must be a number"),
        ({"timeout": 121}, "timeout must be at most 120"),
        ({"connector": "soap"}, "connector must be one of: 'rest'"),
        ({"authMethod": "none"}, "authMethod must be one of"),
        ({"roles": "admin"}, "roles must be a list"),
        ({"roles": ["admin", 1]}, "roles[1] must be a string"),
        ({"roles": ["king"]}, "Give some of: user, staff, lead, manager, admin"),
        ({"roles": ["admin"] * 101}, "roles has too many items"),
        ({"icon": "<b>"}, "icon: Use the name of a Material Symbol"),
        ({"isActive": 0}, "isActive must be true or false"),
        ({"display_name": "HRMS"}, "'display_name' is not known here"),
        ({"epoch": 4}, "'epoch' is not known here"),
    ],
)
def test_a_wrong_value_is_refused_and_the_field_named(api: ApiCaller, fields: dict[str, Any], said: str) -> None:
    refused = error_of(api.post("/api/sites", {**HRMS, **fields}), 422)
    assert said in refused
    assert "hunter2" not in refused
    assert not ConnectedSite.objects.exists()


def test_a_taken_name_is_409(api: ApiCaller) -> None:
    add(api)
    add(api, name="cms")
    assert "'hrms'" in error_of(api.post("/api/sites", HRMS), 409)
    assert "'hrms'" in error_of(api.patch("/api/sites/cms", {"name": "hrms"}), 409)


def test_what_is_left_out_of_a_change_stays(api: ApiCaller) -> None:
    before = add(api, roles=["admin"])
    before.pop("signingSecret")
    after = api.patch("/api/sites/hrms", {"url": "https://new.example.com/", "timeout": 2}).json()
    assert (after["url"], after["timeout"]) == ("https://new.example.com", 2.0)
    assert {key for key in after if after[key] != before[key]} == {"url", "timeout", "updatedAt"}


def test_a_role_that_is_no_longer_known_may_stay(api: ApiCaller) -> None:
    add(api)
    ConnectedSite.objects.update(roles=["king"], icon="Odd")
    assert api.patch("/api/sites/hrms", {"roles": ["king", "admin"], "icon": "badge"}).json()["roles"] == ["king", "admin"]
    error_of(api.patch("/api/sites/hrms", {"roles": ["queen"]}), 422)


@pytest.mark.parametrize("change", [{}, {"url": "ftp://x"}, {"timeout": None}, {"signingSecret": secret_of(32)}, {"roles": ["king"]}])
def test_a_wrong_change_is_refused_and_nothing_changes(api: ApiCaller, change: dict[str, Any]) -> None:
    before = add(api)
    before.pop("signingSecret")
    error_of(api.patch("/api/sites/hrms", change), 422)
    assert api.get("/api/sites/hrms").json() == before


@pytest.mark.parametrize(("method", "path"), [("GET", ""), ("PATCH", ""), ("DELETE", ""), ("POST", "/secret")])
@pytest.mark.parametrize("name", ["nowhere", "%00", "x" * 500])
def test_an_unknown_site_is_404(api: ApiCaller, method: str, path: str, name: str) -> None:
    assert "There is no site" in error_of(api.send(method, f"/api/sites/{name}{path}", {"icon": "x"}), 404)


def test_a_disconnected_site_is_gone_with_its_secret(api: ApiCaller) -> None:
    add(api)
    assert "still there" in api.delete("/api/sites/hrms").json()["message"]
    assert api.get("/api/sites").json()["total"] == 0
    assert signing_secrets() == []


def test_a_list_comes_in_pages_and_is_filtered(api: ApiCaller) -> None:
    for number in range(3):
        add(api, name=f"site-{number}", isActive=number != 1)
    page = api.get("/api/sites?limit=2&offset=1").json()
    assert (page["total"], [site["name"] for site in page["items"]]) == (3, ["site-1", "site-2"])
    assert [site["name"] for site in api.get("/api/sites?isActive=false").json()["items"]] == ["site-1"]
    assert "limit must be at most 200" in error_of(api.get("/api/sites?limit=1000"), 422)


@pytest.mark.django_db(transaction=True)
def test_a_site_connected_here_accepts_what_its_secret_signs(tmp_path: Path) -> None:
    api = with_token()
    with sample_site("hrms", tmp_path) as receiver:
        receiver.set_secret(add(api, url=receiver.url)["signingSecret"])
        ada = {"email": "ada@example.com", "fullName": "Ada", "userId": "user_1"}
        assert [row["status"] for row in api.post("/api/users", ada).json()["sync"]] == ["success"]
        receiver.set_secret(api.post("/api/sites/hrms/secret").json()["signingSecret"])
        assert [row["status"] for row in api.patch("/api/users/user_1", {"role": "admin"}).json()["sync"]] == ["success"]
        held = receiver.user("user_1")
    assert held is not None
    assert held["role"] == "admin"
