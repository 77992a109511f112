"""Pages as a person reads them, for tests that need no browser."""

import csv
import html
import io
import re
from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission
from django.test import Client

_HIDDEN = re.compile(r"<(script|style|head)\b.*?</\1>", re.DOTALL)
_TAGS = re.compile(r"<[^>]+>")


class Person:
    """Someone signed in to the admin: a superuser, or a staff login with just these permissions (`app.codename`)."""

    def __init__(self, *permissions: str, superuser: bool = False, checks_csrf: bool = False) -> None:
        name = "root" if superuser else "clerk"
        self.login = get_user_model().objects.create_user(name, is_staff=True, is_superuser=superuser)
        for permission in permissions:
            app, codename = permission.split(".")
            self.login.user_permissions.add(Permission.objects.get(content_type__app_label=app, codename=codename))
        self.client = Client(enforce_csrf_checks=checks_csrf, raise_request_exception=False)
        self.client.force_login(self.login)

    @classmethod
    def of(cls, login_id: int) -> "Person":
        """Somebody who has a staff login already."""
        person = cls.__new__(cls)
        person.login = get_user_model().objects.get(pk=login_id)
        person.client = Client(raise_request_exception=False)
        person.client.force_login(person.login)
        return person

    def get(self, path: str, **data: Any) -> Any:
        return self.client.get(path, data)

    def post(self, path: str, follow: bool = True, **data: Any) -> Any:
        """Sends a form, and by default reads the page it leads to."""
        return self.client.post(path, data, follow=follow)

    def click(self, path: str, **data: Any) -> Any:
        """Presses a button that htmx sends."""
        return self.client.post(path, data, headers={"HX-Request": "true"})


def root() -> Person:
    return Person(superuser=True)


def text(response: Any) -> str:
    """What the page says, without markup, in single spaces."""
    content = _HIDDEN.sub(" ", response.content.decode())
    return " ".join(html.unescape(_TAGS.sub(" ", content)).split())


def told(response: Any) -> list[str]:
    """The messages on top of the page."""
    return [str(message) for message in response.context["messages"]]


def errors(response: Any) -> dict[str, list[str]]:
    """What the form complains about, by field."""
    return {field: list(said) for field, said in response.context["adminform"].form.errors.items()}


def rows_of(response: Any) -> list[list[str]]:
    """A CSV file that was sent, line by line."""
    return list(csv.reader(io.StringIO(b"".join(response.streaming_content).decode("utf-8-sig"))))
