"""`manage.py add_site`."""

import re

import pytest

from sites.models import ConnectedSite, SiteCredential
from tests.commands import run

pytestmark = pytest.mark.django_db


def test_a_site_is_added_and_its_secret_is_shown_with_what_to_do_at_the_site() -> None:
    added = run("add_site", "hrms", "--url", "https://hrms.example.com/")
    assert added.status == 0
    site = ConnectedSite.objects.get()
    assert (site.name, site.display_name, site.url, site.sync_path, site.is_active) == (
        "hrms", "hrms", "https://hrms.example.com", "/api/users/sync", True,
    )  # fmt: skip
    [secret] = re.findall(r"whsec_\S+", added.out)
    assert site.credentials.get().secret == secret
    assert "shown only this once" in added.out
    assert "POST https://hrms.example.com/api/users/sync with" in added.out
    assert "POST https://hrms.example.com/api/users/sync/delete" in added.out


def test_every_option_is_kept() -> None:
    options = {
        "--url": "http://127.0.0.1:4001", "--display-name": "Human resources", "--category": "People", "--icon": "badge",
        "--sync-path": "/hooks/users", "--batch-size": "50",
    }  # fmt: skip
    given = [part for option in options.items() for part in option]
    assert run("add_site", "hrms", *given, "--role", "staff", "--role", "lead", "--role", "staff", "--inactive").status == 0
    site = ConnectedSite.objects.get()
    assert [site.url, site.display_name, site.category, site.icon, site.sync_path, str(site.batch_size)] == list(options.values())
    assert site.roles == ["staff", "lead"]
    assert site.is_active is False


def test_an_inactive_site_is_said_to_receive_nothing() -> None:
    assert "It receives nothing until it is activated" in run("add_site", "hrms", "--url", "https://a.example.com", "--inactive").out


def test_json_is_one_document_with_the_secret() -> None:
    added = run("add_site", "hrms", "--url", "https://hrms.example.com", "--json")
    assert added.document == {
        "name": "hrms",
        "displayName": "hrms",
        "url": "https://hrms.example.com",
        "syncPath": "/api/users/sync",
        "isActive": True,
        "signingSecret": SiteCredential.objects.get().secret,
    }


def test_a_name_that_is_taken_is_refused_and_the_site_keeps_its_secret() -> None:
    run("add_site", "hrms", "--url", "https://hrms.example.com")
    before = SiteCredential.objects.get()
    again = run("add_site", "hrms", "--url", "https://other.example.com")
    assert again.status == 2
    assert "NAME: A site named 'hrms' exists already. Choose another name" in again.err
    assert SiteCredential.objects.get() == before
    assert ConnectedSite.objects.get().url == "https://hrms.example.com"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["hrms", "--url", "hrms.example.com"], "--url: It has no scheme; the address must begin with https://"),
        (["hrms", "--url", "file:///etc/passwd"], "--url: It begins with file:"),
        (["hrms", "--url", "https://bob:pw@hrms.example.com"], "--url: The address has a user name or password in it"),
        (["hrms", "--url", "https://hrms.example.com?a=1"], "--url: The address has a ? or # part"),
        (["h r", "--url", "https://hrms.example.com"], "NAME: "),
        (["hrms", "--url", "https://hrms.example.com", "--sync-path", "sync"], "--sync-path: The sync path must begin with one /"),
        (["hrms", "--url", "https://hrms.example.com", "--batch-size", "0"], "--batch-size: "),
        (["hrms", "--url", "https://hrms.example.com", "--batch-size", "1001"], "--batch-size: "),
        (
            ["hrms", "--url", "https://hrms.example.com", "--role", "boss"],
            "--role: boss: no user can have it. Known roles (SYNC_ROLES): user",
        ),
        (["hrms", "--url", "https://hrms.example.com", "--category", "x" * 101], "--category: "),
    ],
)
def test_what_is_wrong_is_named_by_its_option_and_nothing_is_added(arguments: list[str], said: str) -> None:
    refused = run("add_site", *arguments)
    assert refused.status == 2
    assert said in refused.err
    assert not ConnectedSite.objects.exists()


def test_all_that_is_wrong_is_said_at_once() -> None:
    refused = run("add_site", "h r", "--url", "ftp://x", "--batch-size", "0")
    assert [line.partition(":")[0] for line in refused.err.splitlines()[1:]] == ["NAME", "--url", "--batch-size"]


def test_with_json_a_refusal_is_the_document() -> None:
    refused = run("add_site", "hrms", "--url", "nowhere", "--json")
    assert refused.status == 2
    assert "--url: It has no scheme" in refused.document["error"]


def test_without_an_address_the_usage_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("add_site", "hrms").status != 0
