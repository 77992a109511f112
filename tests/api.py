"""Callers of the JSON API, for every test that needs one. They behave as clients from outside do: CSRF is enforced."""

import json
from pathlib import Path
from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission
from django.test import Client

from sites.models import ConnectedSite, issue_signing_secret
from ssodash.models import ApiToken
from tests.receivers import SampleSiteProcess


class ApiCaller:
    """Sends JSON and reads JSON. Without a token and without a login it is nobody."""

    def __init__(self, token: str = "", *, username: str = "") -> None:
        self.client = Client(enforce_csrf_checks=True, raise_request_exception=False)
        self.token = token
        if username:
            self.client.force_login(get_user_model().objects.get(username=username))

    def send(self, method: str, path: str, body: Any = None, *, raw: bytes | str | None = None, **headers: str) -> Any:
        """The response. `raw` is sent as it is, with a JSON content type unless `content_type` says otherwise."""
        kind = headers.pop("content_type", "application/json")
        if self.token:
            headers.setdefault("authorization", f"Bearer {self.token}")
        data = raw if raw is not None else b"" if body is None else json.dumps(body)
        return self.client.generic(method, path, data, content_type=kind, headers=headers)

    def get(self, path: str, **headers: str) -> Any:
        return self.send("GET", path, **headers)

    def post(self, path: str, body: Any = None, **more: Any) -> Any:
        return self.send("POST", path, body, **more)

    def patch(self, path: str, body: Any = None, **more: Any) -> Any:
        return self.send("PATCH", path, body, **more)

    def delete(self, path: str, **more: Any) -> Any:
        return self.send("DELETE", path, **more)


def with_token(name: str = "payroll") -> ApiCaller:
    """A caller with a token of this name."""
    return ApiCaller(ApiToken.issue(name)[1])


def as_login(username: str, *permissions: str, staff: bool = True, superuser: bool = False) -> ApiCaller:
    """A caller with the session of a new login that has these permissions (`users.add_userprofile`)."""
    login = get_user_model().objects.create_user(username, is_staff=staff, is_superuser=superuser)
    for permission in permissions:
        app, _, codename = permission.partition(".")
        login.user_permissions.add(Permission.objects.get(content_type__app_label=app, codename=codename))
    return ApiCaller(username=username)


def error_of(response: Any, status: int) -> str:
    """The refusal's text; fails where the answer is anything but a refusal with this status."""
    assert response.status_code == status, (response.status_code, response.content)
    assert response["Content-Type"].startswith("application/json")
    answer = response.json()
    assert list(answer) == ["error"], answer
    text: str = answer["error"]
    assert text
    assert "Traceback" not in text
    return text


def connect(receiver: SampleSiteProcess, **more: Any) -> ConnectedSite:
    """Connects a running sample site under its name, with a secret that both know."""
    site = ConnectedSite.objects.create(name=receiver.name, display_name=receiver.title, url=receiver.url, **more)
    receiver.set_secret(issue_signing_secret(site))
    return site


def sample_site(name: str, tmp_path: Path) -> SampleSiteProcess:
    """A sample site that is yet to be started and connected."""
    return SampleSiteProcess(name, tmp_path, None)
