"""`manage.py seed_demo`: samples for a hub that was never used, and nothing that anybody deleted comes back."""

import stat
from pathlib import Path

import pytest
from django.core.management import call_command

from sites.models import ConnectedSite
from users.models import UserProfile

# The seed asks the tables' sequences whether they were ever used.
pytestmark = pytest.mark.django_db(transaction=True, reset_sequences=True)


@pytest.fixture(autouse=True)
def var(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("VAR_DIR", str(tmp_path))
    monkeypatch.setenv("DEMO_SITES_PORT", "4701")
    return tmp_path


def secret_file(var: Path, name: str) -> Path:
    return var / "demo" / f"{name}.secret"


def test_it_makes_four_sites_at_their_ports_and_users_of_every_role(var: Path, capsys: pytest.CaptureFixture[str]) -> None:
    call_command("seed_demo")
    sites = {site.name: site for site in ConnectedSite.objects.all()}
    assert {name: site.url for name, site in sites.items()} == {
        "hrms": "http://127.0.0.1:4701",
        "cms": "http://127.0.0.1:4702",
        "sales": "http://127.0.0.1:4703",
        "garage": "http://127.0.0.1:4704",
    }
    assert all(site.icon != "apps" and site.category for site in sites.values())
    assert set(UserProfile.objects.values_list("role", flat=True)) == {"user", "staff", "lead", "manager", "admin"}
    assert "4 sample sites and 12 sample users" in capsys.readouterr().out
    for name, site in sites.items():
        assert secret_file(var, name).read_text().strip() == site.credentials.get().secret
        assert stat.S_IMODE(secret_file(var, name).stat().st_mode) == 0o600


def test_a_second_start_changes_nothing_and_brings_nothing_back() -> None:
    call_command("seed_demo")
    ConnectedSite.objects.filter(name="cms").delete()
    UserProfile.objects.filter(email__startswith="ada").delete()
    UserProfile.objects.filter(email__startswith="alan").update(role="boss")
    call_command("seed_demo")
    assert set(ConnectedSite.objects.values_list("name", flat=True)) == {"hrms", "sales", "garage"}
    assert UserProfile.objects.count() == 11
    assert UserProfile.objects.get(email__startswith="alan").role == "boss"


def test_a_hub_emptied_on_purpose_stays_empty() -> None:
    call_command("seed_demo")
    ConnectedSite.objects.all().delete()
    UserProfile.objects.all().delete()
    call_command("seed_demo")
    assert not ConnectedSite.objects.exists()
    assert not UserProfile.objects.exists()


def test_a_hub_with_a_user_of_its_own_is_left_alone() -> None:
    UserProfile.objects.create(email="me@example.com", full_name="Me")
    call_command("seed_demo")
    assert not ConnectedSite.objects.exists()


def test_sample_sites_follow_their_ports_and_files_their_secrets(var: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    call_command("seed_demo")
    ConnectedSite.objects.filter(name="sales").update(url="https://sales.example.com")
    secret_file(var, "hrms").unlink()
    monkeypatch.setenv("DEMO_SITES_PORT", "4801")
    call_command("seed_demo")
    urls = dict(ConnectedSite.objects.values_list("name", "url"))
    assert (urls["hrms"], urls["sales"]) == ("http://127.0.0.1:4801", "https://sales.example.com")
    assert secret_file(var, "hrms").read_text().strip() == ConnectedSite.objects.get(name="hrms").credentials.get().secret
