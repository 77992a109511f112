"""`manage.py create_api_token`."""

import re
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from ssodash.models import ApiToken
from tests.api import ApiCaller

pytestmark = pytest.mark.django_db


def run(*arguments: str) -> str:
    out = StringIO()
    call_command("create_api_token", *arguments, stdout=out)
    return out.getvalue()


def test_it_shows_a_token_that_works_and_a_curl_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PORT", "3210")
    shown = run("payroll")
    token = re.findall(r"^  (sso_\S+)$", shown, re.MULTILINE)[0]
    assert ApiCaller(token).get("/api/users").status_code == 200
    assert f'curl -H "Authorization: Bearer {token}" http://localhost:3210/api/users' in shown


def test_quiet_it_prints_the_token_alone() -> None:
    token = run("payroll", "-v", "0")
    assert ApiCaller(token.strip()).get("/api/users").status_code == 200


def test_a_taken_name_is_a_clear_error() -> None:
    run("payroll")
    with pytest.raises(CommandError, match="'payroll' exists already: give another name") as refused:
        run("payroll")
    assert refused.value.returncode == 1
    assert ApiToken.objects.count() == 1


@pytest.mark.parametrize("name", ["", "  ", "x" * 101, "a\x00b", "a\nb"])
def test_a_name_that_nobody_can_read_is_refused(name: str) -> None:
    with pytest.raises(CommandError, match="1 to 100 printable characters"):
        run(name)
