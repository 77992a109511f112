"""A wrong setting or an absent database is one line for a person, from whatever is started, and never a traceback."""

import json
import os
import subprocess
import sys

import pytest

from tests.conftest import PROJECT

NOWHERE = "postgresql://hub:of-no-use@127.0.0.1:1/hub"
GOOD = {"SECRET_KEY": "a-key", "DATABASE_URL": NOWHERE}


def manage(*arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
    return run(sys.executable, "manage.py", *arguments, **settings)


def run(*command: str, **settings: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"DEBUG": "false", "SECRET_KEY": "", "DATABASE_URL": ""} | settings
    return subprocess.run(command, cwd=PROJECT, env=environment, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize("command", ["check", "migrate", "sync_users", "runserver", "help", "no_such_command", "first_login"])
def test_without_a_secret_key_every_command_names_it_and_exits_2(command: str) -> None:
    done = manage(command)
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
    assert done.stderr.startswith("SECRET_KEY is not set.")
    assert "make run" in done.stderr


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"DATABASE_URL": ""}, "DATABASE_URL is not set."),
        ({"DATABASE_URL": "mysql://u:of-no-use@h/d"}, "DATABASE_URL names a 'mysql' database"),
        ({"DATABASE_URL": "postgresql://u:of-no-use@h:port/d"}, "DATABASE_URL cannot be read: is its port a number"),
        ({"DATABASE_URL": "postgresql://u:of-no-use@h:5432"}, "DATABASE_URL names no database"),
        ({"DEBUG": "perhaps"}, "DEBUG='perhaps' is neither true nor false."),
        ({"SYNC_PUSH_DEADLINE": "soon"}, "SYNC_PUSH_DEADLINE='soon' is not a number."),
        ({"SYNC_BLOCKED_NETWORKS": "10.0.0.0/8,foo"}, "SYNC_BLOCKED_NETWORKS: 'foo' is not a network. Write networks like 169.254.0.0/16"),
    ],
)
def test_a_wrong_setting_is_named_with_its_remedy(settings: dict[str, str], named: str) -> None:
    done = manage("check", **(GOOD | settings))
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
    assert done.stderr.startswith(named)
    assert "of-no-use" not in done.stderr


@pytest.mark.parametrize(
    "command", [["migrate"], ["showmigrations"], ["runserver", "--noreload", "0"], ["runserver", "0"], ["first_login", "x"]]
)
def test_without_its_database_a_command_names_the_address_and_the_remedy(command: list[str]) -> None:
    done = manage(*command, **GOOD)
    assert done.returncode == 1
    assert "Traceback" not in done.stdout + done.stderr
    assert done.stderr.splitlines()[-1] == (
        "cannot reach PostgreSQL at 127.0.0.1:1: Connection refused. Start it, or correct DATABASE_URL; "
        "`make run` brings an embedded PostgreSQL when DATABASE_URL is not set."
    )


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (("hub_url_user", ""), "Correct the user and the password in DATABASE_URL"),
        (("", "no_such_database"), 'database "no_such_database" does not exist. Create it'),
    ],
)
def test_a_refused_sign_in_and_an_absent_database_have_remedies_of_their_own(change: tuple[str, str], named: str) -> None:
    address = os.environ["DATABASE_URL"]
    user, database = change
    before, _, after = address.partition("@")
    if user:
        before = f"postgresql://{user}:of-no-use"
    if database:
        after = after.replace(after.split("/")[1].split("?")[0], database)
    done = manage("migrate", SECRET_KEY="a-key", DATABASE_URL=f"{before}@{after}")
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1
    assert named in done.stderr
    assert "of-no-use" not in done.stderr


def test_an_option_that_postgresql_does_not_know_is_named() -> None:
    done = manage("migrate", SECRET_KEY="a-key", DATABASE_URL=f"{NOWHERE}?sslmoed=require")
    assert done.returncode == 2
    assert 'DATABASE_URL has an option that PostgreSQL does not know: invalid connection option "sslmoed"' in done.stderr


@pytest.mark.parametrize("command", ["sync_users", "sync_status"])
@pytest.mark.parametrize(
    ("settings", "status", "named"),
    [({}, 1, "cannot reach PostgreSQL at 127.0.0.1:1"), ({"SYNC_PUSH_DEADLINE": "soon"}, 2, "SYNC_PUSH_DEADLINE='soon' is not a number.")],
)
def test_who_asked_for_json_is_told_in_json(command: str, settings: dict[str, str], status: int, named: str) -> None:
    done = manage(command, "--json", **(GOOD | settings))
    assert (done.returncode, done.stderr) == (status, "")
    assert json.loads(done.stdout)["error"].startswith(named)


def test_whoever_asks_for_the_traceback_gets_it() -> None:
    done = manage("migrate", "--traceback", **GOOD)
    assert "Traceback" in done.stderr


def test_gunicorn_refuses_wrong_settings_in_one_line() -> None:
    done = run(sys.executable, "-m", "gunicorn", "ssodash.wsgi", PORT="0")
    assert (done.returncode, done.stderr) == (2, "PORT=0 is out of range. Set it to a number from 1 to 65535.\n")
    done = run(sys.executable, "-m", "gunicorn", "ssodash.wsgi")
    assert done.returncode == 2
    assert done.stderr.startswith("SECRET_KEY is not set.")
    assert "Traceback" not in done.stderr


def test_gunicorn_says_that_the_database_is_not_there_and_waits_for_it(free_port: int) -> None:
    command = [sys.executable, "-m", "gunicorn", "ssodash.wsgi"]
    environment = os.environ | GOOD | {"DEBUG": "false", "PORT": str(free_port)}
    with subprocess.Popen(command, cwd=PROJECT, env=environment, stderr=subprocess.PIPE, text=True) as server:
        assert server.stderr is not None
        assert server.stderr.readline().startswith("cannot reach PostgreSQL at 127.0.0.1:1: Connection refused.")
        assert server.poll() is None
        server.terminate()
        server.wait(20)
