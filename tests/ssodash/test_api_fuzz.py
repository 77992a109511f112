"""Whatever is sent to the JSON API, it answers; it never breaks."""

import string
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ssodash.api import api
from tests.api import ApiCaller, with_token
from users.models import UserProfile

SCHEMA = api.get_openapi_schema(path_prefix="/api/")
PATHS = [(method.upper(), path) for path, methods in SCHEMA["paths"].items() for method in methods]
FIELDS = sorted({name for schema in SCHEMA["components"]["schemas"].values() for name in schema.get("properties", {})})
VALUES = ["user_1", "hrms", "ada@example.com", "http://127.0.0.1:9", "admin", "whsec_", "/x", "00000000-0000-0000-0000-000000000000"]

texts = st.one_of(st.sampled_from(VALUES), st.text(max_size=30), st.text(alphabet="\x00\ud800\uffff'\"%\\<>", max_size=5))
scalars = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), texts)
values = st.recursive(scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3), max_leaves=5)
bodies = st.one_of(st.dictionaries(st.sampled_from(FIELDS), values, max_size=6), values)
segments = st.one_of(st.sampled_from(["user_1", "hrms", "x"]), st.text(alphabet=string.printable + "\x00äß€", max_size=20))


@pytest.mark.django_db
@pytest.mark.parametrize(("method", "path"), PATHS)
def test_no_input_breaks_an_endpoint(method: str, path: str) -> None:
    caller = with_token()
    UserProfile.objects.create(user_id="user_1", email="ada@example.com", full_name="Ada")
    caller.post("/api/sites", {"name": "hrms", "url": "http://127.0.0.1:9"})

    @settings(max_examples=40, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
    @given(body=bodies, segment=segments, query=st.dictionaries(st.sampled_from(FIELDS), texts, max_size=3))
    def sends(body: Any, segment: str, query: dict[str, str]) -> None:
        answers_properly(caller, method, path, body, segment, query)

    sends()


def answers_properly(caller: ApiCaller, method: str, path: str, body: Any, segment: str, query: dict[str, str]) -> None:
    for name in ("{userId}", "{name}", "{runId}"):
        path = path.replace(name, quoted(segment))
    address = path + "?" + "&".join(f"{key}={quoted(value)}" for key, value in query.items())
    response = caller.send(method, address) if method == "GET" else caller.send(method, address, body)
    assert response.status_code < 500, (method, address, body, response.content)
    assert response["Content-Type"].startswith("application/json")
    if response.status_code >= 400:
        assert list(response.json()) == ["error"]


def quoted(text: str) -> str:
    return "".join(f"%{byte:02x}" for byte in text.encode("utf-8", "surrogatepass"))
