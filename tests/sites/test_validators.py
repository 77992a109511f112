"""Which addresses a site may have: what is refused says what to do, in the form, the API and the command alike."""

from typing import Any

import pytest
from django.core.exceptions import ValidationError

from sites.models import ConnectedSite
from sites.validators import validate_site_url
from tests.api import error_of, with_token
from tests.commands import run
from tests.pages import errors, root


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("http://localhost:99999", "There is no port 99999: a port is a number from 1 to 65535."),
        ("http://localhost:0", "There is no port 0"),
        ("http://localhost:http", "There is no port http"),
        ("http://[::1]:70000/app", "There is no port 70000"),
        ("localhost:4300", "Write http:// or https:// before it, such as http://localhost:4300."),
        ("hrms.example.com:8443/app", "such as http://hrms.example.com:8443/app."),
        ("hrms.example.com", "It has no scheme; the address must begin with https://"),
        ("ftp://hrms.example.com", "It begins with ftp:"),
        ("mailto:hr@example.com", "It begins with mailto:"),
        ("http://[::1", "This is not a web address."),
        ("https://hrms example.com", "a space or a control character"),
    ],
)
def test_what_is_wrong_with_an_address_is_said_in_its_own_terms(url: str, said: str) -> None:
    with pytest.raises(ValidationError) as refused:
        validate_site_url(url)
    assert said in refused.value.messages[0]


@pytest.mark.parametrize(
    "url",
    ["https://hrms.example.com", "http://localhost:4300", "http://127.0.0.1:1", "https://[2001:db8::1]:65535/app", "http://10.0.0.8"],
)
def test_an_address_that_is_fine_is_taken(url: str) -> None:
    validate_site_url(url)


BLOCKED = [
    "http://169.254.169.254", "http://169.254.169.254:80/latest", "http://2852039166", "http://0xA9FEA9FE", "http://0251.0376.0251.0376",
    "http://[fe80::1]", "http://[::ffff:169.254.169.254]", "http://0.0.0.0:3000", "http://224.0.0.1",
]  # fmt: skip


@pytest.mark.parametrize("url", BLOCKED)
def test_an_address_that_the_hub_sends_nothing_to_is_refused_in_every_spelling_and_the_setting_is_named(url: str) -> None:
    with pytest.raises(ValidationError) as refused:
        validate_site_url(url)
    assert "where the hub sends nothing (SYNC_BLOCKED_NETWORKS). Give another address" in refused.value.messages[0]


def test_what_is_refused_follows_the_setting(settings: Any) -> None:
    settings.SYNC_BLOCKED_NETWORKS = ["10.0.0.0/8"]
    validate_site_url("http://169.254.169.254")
    with pytest.raises(ValidationError, match="10.0.0.8 is in 10.0.0.0/8"):
        validate_site_url("http://10.0.0.8")


@pytest.mark.django_db(transaction=True)
def test_form_api_and_command_refuse_it_in_the_same_words() -> None:
    said = "The site's address 169.254.169.254 is in 169.254.0.0/16, where the hub sends nothing (SYNC_BLOCKED_NETWORKS)."
    url = "http://169.254.169.254"
    fields = {"display_name": "Meta", "name": "meta", "url": url, "sync_path": "/s", "batch_size": 1, "max_in_flight": 8, "timeout": 10}
    page = root().post("/admin/sites/connectedsite/add/", **fields)
    assert errors(page)["url"][0].startswith(said)
    api = with_token()
    assert said in error_of(api.post("/api/sites", {"name": "meta", "url": url}), 422)
    assert said in run("add_site", "meta", "--url", url).err
    assert not ConnectedSite.objects.exists()
    ConnectedSite.objects.create(name="hrms", display_name="HRMS", url="https://hrms.example.com")
    assert said in error_of(api.patch("/api/sites/hrms", {"url": url}), 422)
