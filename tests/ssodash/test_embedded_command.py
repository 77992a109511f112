"""`python -m ssodash.embedded`: the embedded database from the command line."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import PROJECT, eventually_true
from tests.ssodash.keepers import Keeper, is_gone, postmaster


@pytest.fixture
def environment(stopped: Path) -> dict[str, str]:
    """Points the command at the tests' database: VAR_DIR is the folder that `pg` lies in."""
    kept = {name: value for name, value in os.environ.items() if name not in {"DATABASE_URL", "EMBEDDED_PORT"}}
    return kept | {"VAR_DIR": str(stopped.parent)}


def command(environment: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    line = [sys.executable, "-m", "ssodash.embedded", *arguments]
    return subprocess.run(line, cwd=PROJECT, env=environment, capture_output=True, text=True, timeout=60, check=False)


def test_psql_opens_a_console_on_a_database_started_for_it(environment: dict[str, str], stopped: Path) -> None:
    done = command(environment, "psql", "-XAtc", "select current_database(), current_user")
    assert (done.returncode, done.stdout.strip(), done.stderr) == (0, "ssodash|ssodash", "")
    assert is_gone(stopped)


def test_psql_leaves_a_database_running_that_others_use(environment: dict[str, str], stopped: Path) -> None:
    with Keeper(stopped):
        assert command(environment, "psql", "-XAtc", "select 1").stdout.strip() == "1"
        assert postmaster(stopped)


def test_psql_goes_to_database_url_where_that_is_set(environment: dict[str, str], stopped: Path) -> None:
    with Keeper(stopped) as keeper:
        elsewhere = environment | {"VAR_DIR": str(stopped.parent / "nothing"), "DATABASE_URL": keeper.url}
        assert command(elsewhere, "psql", "-XAtc", "select current_database()").stdout.strip() == "ssodash"
    assert not (stopped.parent / "nothing").exists()


def test_psql_keeps_the_password_off_the_command_line(environment: dict[str, str], stopped: Path) -> None:
    done = command(environment, "psql", "-XAtc", "\\! cat /proc/$PPID/cmdline | tr '\\0' ' '")
    assert "psql -XAtc" in done.stdout
    assert (stopped / "password").read_text() not in done.stdout


def test_url_prints_the_address_of_the_running_one(environment: dict[str, str], stopped: Path) -> None:
    with Keeper(stopped) as keeper:
        assert command(environment, "url").stdout.strip() == keeper.url


def test_url_of_one_that_is_not_running_says_how_to_start_it(environment: dict[str, str]) -> None:
    done = command(environment, "url")
    assert done.returncode == 1
    assert "Start it with `make run`" in done.stderr
    assert done.stdout == ""


def test_run_gives_a_command_the_address_and_its_exit_status(environment: dict[str, str], stopped: Path) -> None:
    done = command(environment, "run", "--", "sh", "-c", "echo $DATABASE_URL; exit 3")
    assert done.returncode == 3
    assert done.stdout.startswith("postgresql://ssodash:")
    assert is_gone(stopped)


def test_run_throwaway_uses_a_database_of_its_own(environment: dict[str, str], stopped: Path) -> None:
    done = command(environment, "run", "--throwaway", "--", "sh", "-c", "echo $DATABASE_URL")
    assert (stopped / "password").read_text() not in done.stdout
    assert "@127.0.0.1:" in done.stdout


def test_start_keeps_it_until_it_is_told_to_end(environment: dict[str, str], stopped: Path) -> None:
    line = [sys.executable, "-m", "ssodash.embedded", "start"]
    with subprocess.Popen(line, cwd=PROJECT, env=environment, stdout=subprocess.PIPE, text=True) as running:
        assert running.stdout is not None
        assert "Ctrl-C stops it" in running.stdout.readline()
        assert postmaster(stopped)
        again = command(environment, "start")
        assert f"process {running.pid} keeps it" in again.stdout
        refused = command(environment, "stop")
        assert f"`kill {running.pid}`" in refused.stderr
        running.send_signal(signal.SIGINT)
        assert running.wait(20) == 0
    assert is_gone(stopped)


def test_stop_ends_one_that_nobody_keeps(environment: dict[str, str], stopped: Path) -> None:
    assert command(environment, "stop").stdout == "It is not running.\n"
    keeper = Keeper(stopped)
    assert keeper.ours
    os.kill(keeper.process.pid, signal.SIGKILL)
    keeper.process.communicate()
    assert command(environment, "stop").returncode == 0
    eventually_true(lambda: is_gone(stopped))


@pytest.mark.parametrize("port", ["abc", "0", "70000", "1.5"])
def test_a_wrong_embedded_port_is_one_line_that_names_it(environment: dict[str, str], port: str) -> None:
    done = command(environment | {"EMBEDDED_PORT": port}, "psql", "-c", "select 1")
    assert done.returncode == 2
    assert done.stderr.startswith("EMBEDDED_PORT=")
    assert len(done.stderr.splitlines()) == 1


def test_run_without_a_command_says_what_is_missing(environment: dict[str, str]) -> None:
    done = command(environment, "run")
    assert done.returncode == 2
    assert "run needs a command" in done.stderr
