"""The supervisor, with small programs in the place of the hub's."""

import io
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from ssodash.supervisor import Stopped, Supervisor
from tests.conftest import eventually_true

SLEEP = ("sleep", "600")


@pytest.fixture
def out() -> io.StringIO:
    return io.StringIO()


@pytest.fixture
def supervisor(out: io.StringIO) -> Iterator[Supervisor]:
    with Supervisor(dict(os.environ), "/", stop_seconds=2, out=out) as supervisor:
        yield supervisor


def shell(script: str) -> tuple[str, str, str]:
    return ("sh", "-c", script)


def is_running(pid: int) -> bool:
    try:
        return "Z" not in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False


def test_what_a_program_prints_is_shown_with_its_name(supervisor: Supervisor, out: io.StringIO) -> None:
    supervisor.add("one", shell("echo hello; echo oops >&2; exec sleep 600"))
    assert supervisor.wait_for(lambda: "oops" in out.getvalue(), 10)
    assert out.getvalue() == "one    | hello\none    | oops\n"


def test_a_line_is_shown_whole_also_when_it_comes_in_pieces_or_is_long(supervisor: Supervisor, out: io.StringIO) -> None:
    supervisor.add("one", shell("printf a; sleep 0.3; printf 'b\\n'; head -c 200000 /dev/zero | tr '\\0' x; echo; printf last"))
    assert supervisor.wait_for(lambda: "last" in out.getvalue(), 10)
    assert out.getvalue().splitlines()[:2] == ["one    | ab", "one    | " + "x" * 200_000]
    assert "one    | last\n" in out.getvalue()


def test_a_program_that_is_run_to_its_end_gives_its_status_and_words(supervisor: Supervisor, out: io.StringIO) -> None:
    assert supervisor.run("step", shell("echo done; exit 3")) == (3, "done")
    assert out.getvalue() == ""
    assert supervisor.run("step", shell("echo shown"), quiet=False)[0] == 0
    assert out.getvalue() == "step   | shown\n"


def test_a_program_that_ends_is_started_again_with_growing_pauses(supervisor: Supervisor, out: io.StringIO) -> None:
    supervisor.add("weak", shell("exit 7"))
    assert supervisor.wait_for(lambda: out.getvalue().count("ended") == 3, 15)
    assert out.getvalue().splitlines() == [f"weak   | ended (exit status 7); it starts again in {pause} s" for pause in (1, 2, 4)]


def test_while_one_program_rests_the_others_are_looked_after(supervisor: Supervisor, out: io.StringIO) -> None:
    supervisor.add("weak", ("false",))
    supervisor.add("well", shell("while true; do echo tick; sleep 0.1; done"))
    assert supervisor.wait_for(lambda: out.getvalue().count("tick") > 20, 15)


def test_patrol_is_called_about_once_a_second(supervisor: Supervisor) -> None:
    calls: list[float] = []
    supervisor.patrol = lambda: calls.append(time.monotonic())
    assert supervisor.wait_for(lambda: len(calls) == 3, 10)
    assert calls[2] - calls[0] >= 2


def test_what_does_not_happen_in_time_is_said_to_have_not(supervisor: Supervisor) -> None:
    assert not supervisor.wait_for(lambda: False, 0.3)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_it_and_all_programs(out: io.StringIO, number: signal.Signals) -> None:
    with pytest.raises(Stopped), Supervisor(dict(os.environ), "/", out=out) as supervisor:
        first, second = supervisor.add("one", SLEEP), supervisor.add("two", SLEEP)
        threading.Timer(0.5, os.kill, (os.getpid(), number)).start()
        supervisor.run_forever()
    for child in (first, second):
        assert child.process is not None
        assert child.process.returncode == -signal.SIGTERM
    assert "ended" not in out.getvalue()


def test_a_step_under_way_ends_too(out: io.StringIO) -> None:
    began = time.monotonic()
    with pytest.raises(Stopped), Supervisor(dict(os.environ), "/", out=out) as supervisor:
        threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGINT)).start()
        supervisor.run("step", SLEEP)
    assert time.monotonic() - began < 5


def test_one_that_will_not_end_is_killed_with_its_own_children(supervisor: Supervisor, out: io.StringIO) -> None:
    supervisor.add("deaf", shell("trap '' TERM; sleep 601 & echo child $!; while true; do sleep 0.1; done"))
    assert supervisor.wait_for(lambda: "child" in out.getvalue(), 10)
    grandchild = int(out.getvalue().split()[-1])
    began = time.monotonic()
    supervisor.stop()
    assert 2 <= time.monotonic() - began < 6
    eventually_true(lambda: not is_running(grandchild), 5)


def test_a_second_ctrl_c_does_not_wait(out: io.StringIO) -> None:
    began = time.monotonic()
    with pytest.raises(Stopped), Supervisor(dict(os.environ), "/", stop_seconds=60, out=out) as supervisor:
        supervisor.add("deaf", shell("trap '' TERM; echo ready; while true; do sleep 0.1; done"))
        assert supervisor.wait_for(lambda: "ready" in out.getvalue(), 10)
        for after in (0.3, 1.0):
            threading.Timer(after, os.kill, (os.getpid(), signal.SIGINT)).start()
        supervisor.run_forever()
    assert time.monotonic() - began < 20


def test_a_terminal_that_went_away_is_a_reason_to_stop() -> None:
    read, write = os.pipe()
    os.close(read)
    with os.fdopen(write, "w") as gone, pytest.raises(Stopped), Supervisor(dict(os.environ), "/", out=gone) as supervisor:
        supervisor.add("one", shell("echo hello; exec sleep 600"))
        supervisor.run_forever()


def test_signals_mean_what_they_meant_before_when_it_is_left() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with Supervisor(dict(os.environ), "/"):
        assert signal.getsignal(signal.SIGTERM) != before
    assert signal.getsignal(signal.SIGTERM) == before


def test_the_environment_reaches_the_programs_and_may_grow(out: io.StringIO) -> None:
    with Supervisor({"PATH": os.defpath}, "/", out=out) as supervisor:
        supervisor.environment["DATABASE_URL"] = "postgresql://here"
        status, printed = supervisor.run("step", (sys.executable, "-c", "import os; print(os.environ['DATABASE_URL'])"))
    assert (status, printed) == (0, "postgresql://here")


def test_a_program_that_somebody_holds_is_stopped_and_starts_again_when_it_is_let_go(
    supervisor: Supervisor, out: io.StringIO, tmp_path: Path
) -> None:
    held = tmp_path / "one.stopped"
    child = supervisor.add("one", shell("echo up; exec sleep 600"), held=held.exists)
    assert supervisor.wait_for(lambda: "up" in out.getvalue(), 10)
    held.touch()
    assert supervisor.wait_for(lambda: "is stopped, as you asked" in out.getvalue(), 10)
    assert not supervisor.wait_for(lambda: child.is_running, 1.5)
    held.unlink()
    assert supervisor.wait_for(lambda: out.getvalue().count("up") == 2, 10)
