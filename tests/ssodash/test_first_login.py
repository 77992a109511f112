"""The first staff login: made once, its password kept for as long as it is valid."""

import stat
from pathlib import Path

import pytest
from django.contrib.auth import authenticate, get_user_model
from django.core.management import call_command

pytestmark = pytest.mark.django_db


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "admin-password"


def first_login(file: Path) -> None:
    call_command("first_login", str(file), verbosity=0)


def test_without_any_staff_login_admin_is_made_with_a_password_that_only_we_can_read(file: Path) -> None:
    first_login(file)
    user = authenticate(username="admin", password=file.read_text().strip())
    assert user is not None
    assert user.is_superuser
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_a_second_time_changes_nothing(file: Path) -> None:
    first_login(file)
    password = file.read_text()
    first_login(file)
    assert file.read_text() == password
    assert get_user_model().objects.count() == 1


def test_a_password_that_was_changed_is_no_longer_kept(file: Path) -> None:
    first_login(file)
    admin = get_user_model().objects.get()
    admin.set_password("another one")
    admin.save()
    first_login(file)
    assert not file.exists()
    assert authenticate(username="admin", password="another one")


def test_where_there_is_another_staff_login_none_is_made(file: Path) -> None:
    get_user_model().objects.create_user("grace", is_staff=True)
    first_login(file)
    assert not file.exists()
    assert get_user_model().objects.count() == 1


def test_a_new_database_gets_the_password_that_people_know(file: Path) -> None:
    file.write_text("known-to-people\n")
    first_login(file)
    assert authenticate(username="admin", password="known-to-people")


def test_an_admin_who_was_locked_out_stays_locked_out(file: Path) -> None:
    first_login(file)
    get_user_model().objects.update(is_active=False)
    first_login(file)
    assert not file.exists()
    assert not get_user_model().objects.filter(is_active=True).exists()
