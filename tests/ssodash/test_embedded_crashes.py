"""Whatever is killed, and whatever it leaves lying about: the next start works and nothing is lost."""

import contextlib
import shutil
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest

from ssodash import embedded
from ssodash.embedded.home import Home
from ssodash.embedded.patience import Patience
from tests.conftest import eventually_true
from tests.ssodash.keepers import Keeper, bystander, is_gone, kill_server

Remember = Callable[[str, int], list[int]]


def test_the_server_is_killed_three_times_and_nothing_is_lost(stopped: Path, remember: Remember) -> None:
    for time in (1, 2, 3):
        with Keeper(stopped) as keeper:
            assert keeper.ours
            assert remember(keeper.url, time) == list(range(1, time + 1))
            kill_server(stopped)
    with embedded.start(stopped) as server:
        assert remember(server.url, 4) == [1, 2, 3, 4]


def test_whoever_started_it_is_killed_three_times_the_server_ends_too_and_the_next_start_works(stopped: Path, remember: Remember) -> None:
    for time in (1, 2, 3):
        keeper = Keeper(stopped)
        assert remember(keeper.url, time) == list(range(1, time + 1))
        keeper.kill()
        eventually_true(lambda: is_gone(stopped), message="The server outlived the one who started it")
    with embedded.start(stopped) as server:
        assert server.ours


def test_a_start_right_after_the_kill_does_not_wait_for_anybody_to_clean_up(stopped: Path, remember: Remember) -> None:
    for time in (1, 2, 3):
        keeper = Keeper(stopped)
        remember(keeper.url, time)
        keeper.kill()
        with embedded.start(stopped) as server:
            assert server.ours
            assert len(remember(server.url, 10 * time)) == 2 * time


def test_a_client_that_still_holds_on_does_not_keep_the_next_start_out(stopped: Path, remember: Remember) -> None:
    keeper = Keeper(stopped)
    with psycopg.connect(keeper.url) as client:
        client.execute("select 1")
        keeper.kill()
        with embedded.start(stopped) as server:
            assert remember(server.url, 1) == [1]
        with pytest.raises(psycopg.OperationalError):
            client.execute("select 1")


def test_a_stale_pid_file_is_seen_through(stopped: Path, remember: Remember) -> None:
    with Keeper(stopped):
        kill_server(stopped)
    assert (stopped / "data" / "postmaster.pid").exists()
    with embedded.start(stopped) as server:
        assert remember(server.url, 1) == [1]


def test_a_pid_that_another_process_has_now_is_seen_through(stopped: Path, remember: Remember) -> None:
    with Keeper(stopped):
        kill_server(stopped)
    other = bystander(stopped)
    try:
        file = stopped / "data" / "postmaster.pid"
        lines = file.read_text().splitlines()
        file.write_text("\n".join([str(other.pid), *lines[1:]]) + "\n")
        with embedded.start(stopped) as server:
            assert remember(server.url, 1) == [1]
        assert other.poll() is None, "the innocent process was ended"
    finally:
        other.kill()
        other.wait()


@pytest.mark.parametrize("left", ["", "\n", "12", "{pid}\n", "{pid}\n/somewhere/else\n1", "no number\n", "-5\n", "99999999999999999999\n"])
def test_a_pid_file_that_was_cut_short_or_spoilt_is_seen_through(stopped: Path, left: str, remember: Remember) -> None:
    other = bystander(stopped)
    try:
        (stopped / "data" / "postmaster.pid").write_text(left.format(pid=other.pid))
        with embedded.start(stopped) as server:
            assert remember(server.url, 1) == [1]
    finally:
        other.kill()
        other.wait()


def test_a_pid_file_spoilt_under_a_running_server_does_not_hide_it(stopped: Path) -> None:
    with Keeper(stopped) as keeper:
        url = keeper.url
        file = stopped / "data" / "postmaster.pid"
        right = file.read_text()
        file.write_text("")
        assert embedded.start(stopped).url == url
        file.write_text(right)


def test_four_starts_at_once_make_one_server_that_all_four_use(reachable: Path, remember: Remember) -> None:
    with contextlib.ExitStack() as stack:
        keepers = [Keeper(reachable / "pg") for _ in range(4)]
        for keeper in keepers:
            stack.callback(keeper.finish)
        assert len({keeper.url for keeper in keepers}) == 1
        assert [keeper.ours for keeper in keepers].count(True) == 1
        assert remember(keepers[0].url, 1) == [1]
    assert is_gone(reachable / "pg")


def test_a_first_start_that_was_killed_half_way_is_started_over(reachable: Path, made_database: Path, remember: Remember) -> None:
    folder = reachable / "pg"
    (folder / "data.half").mkdir(parents=True)
    shutil.copy(made_database / "data" / "PG_VERSION", folder / "data.half")
    folder.chmod(0o711)
    with embedded.start(folder) as server:
        assert remember(server.url, 1) == [1]


def test_who_finds_the_server_notices_when_its_keeper_is_gone(stopped: Path) -> None:
    keeper = Keeper(stopped)
    assert keeper.ours
    guest = embedded.start(stopped)
    assert guest.is_alive()
    keeper.kill()
    assert not guest.is_alive()


def test_a_keeper_whose_server_died_is_named_to_whoever_looks_for_it(stopped: Path) -> None:
    with Keeper(stopped) as keeper:
        assert keeper.ours
        kill_server(stopped)
        with pytest.raises(embedded.EmbeddedError, match=f"Process {keeper.process.pid} keeps the embedded PostgreSQL"):
            embedded.start(stopped, timeout=1)


def test_a_server_that_cannot_start_says_why_in_one_line(stopped: Path, remember: Remember) -> None:
    with pytest.raises(embedded.EmbeddedError) as failure:
        embedded.start(stopped, settings={"max_connections": "none"})
    assert "max_connections" in str(failure.value)
    assert "log" in str(failure.value)
    assert "\n" not in str(failure.value)
    with embedded.start(stopped) as server:
        assert remember(server.url, 1) == [1]


def test_a_start_that_never_comes_to_an_end_is_not_waited_for_forever(stopped: Path) -> None:
    with Home(stopped).mutex(Patience(1)), pytest.raises(embedded.EmbeddedError, match="Another process has been starting or stopping"):
        embedded.start(stopped, timeout=0.3)
