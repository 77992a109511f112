"""The embedded database from the command line: `python -m ssodash.embedded psql|url|start|stop|run`."""

import argparse
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence

from django.core.exceptions import ImproperlyConfigured
from psycopg import ProgrammingError, conninfo, pq

from ssodash import embedded, plain_errors
from ssodash.embedded import binaries, processes
from ssodash.embedded.patience import Patience
from ssodash.leash import die_with_parent
from ssodash.local import embedded_folder, embedded_port, kept_secret, read_env_file

STOP_SECONDS = 20


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit status: the console's or the command's own, 1 when it cannot be done, 2 for a wrong setting or usage."""
    read_env_file()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # leave the with blocks, which stop the server
    line = list(sys.argv[1:] if arguments is None else arguments)
    for_psql = line[1:] if line[:1] == ["psql"] else []  # argparse would take psql's own options for ours
    given = _parser().parse_args(line[: len(line) - len(for_psql)])
    given.arguments = for_psql
    try:
        status: int = given.do(given)
    except (embedded.EmbeddedError, ImproperlyConfigured) as error:
        return plain_errors.report(error) or 1
    except KeyboardInterrupt:
        return 130
    return status


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m ssodash.embedded", description="The embedded PostgreSQL that `make run` uses.")
    commands = parser.add_subparsers(required=True, metavar="command")
    psql = commands.add_parser("psql", help="a SQL console on the hub's database (DATABASE_URL's, where that is set); options go to psql")
    psql.set_defaults(do=_psql)
    commands.add_parser("url", help="print the address for DATABASE_URL, password included").set_defaults(do=_url)
    commands.add_parser("start", help="run it alone until Ctrl-C").set_defaults(do=_start)
    commands.add_parser("stop", help="stop one that nobody keeps any more").set_defaults(do=_stop)
    run = commands.add_parser("run", help="run a command with DATABASE_URL set to it (to DATABASE_URL's own, where that is set)")
    run.add_argument("--throwaway", action="store_true", help="on an empty database of its own, gone afterwards")
    run.add_argument("command", nargs=argparse.REMAINDER)
    run.set_defaults(do=_run)
    return parser


def _psql(given: argparse.Namespace) -> int:
    url = _given_url()
    if url:
        return _console(url, given.arguments)
    with embedded.start(embedded_folder(), port=embedded_port()) as server:
        return _console(server.url, given.arguments)


def _console(url: str, arguments: Sequence[str]) -> int:
    packaged = binaries.packaged() / "bin" / "psql"
    program = str(packaged) if packaged.exists() else "psql"
    try:
        return _wait([program, *arguments], _libpq_environment(url))
    except FileNotFoundError:
        raise embedded.EmbeddedError("There is no psql here. Run `make venv`, or install PostgreSQL's client.") from None


def _libpq_environment(url: str) -> dict[str, str]:
    """The address in the variables that libpq reads: on a command line, every account of the machine could read the password."""
    try:
        given = conninfo.conninfo_to_dict(url)
    except ProgrammingError:
        raise ImproperlyConfigured("DATABASE_URL cannot be read. Write it as postgresql://user:password@host:5432/database.") from None
    names = {option.keyword.decode(): option.envvar.decode() for option in pq.Conninfo.get_defaults() if option.envvar}
    return {names[keyword]: str(value) for keyword, value in given.items() if keyword in names}


def _url(given: argparse.Namespace) -> int:
    server = embedded.find(embedded_folder())
    if server is None:
        raise embedded.EmbeddedError(
            "The embedded database is not running. Start it with `make run`, or alone with `python -m ssodash.embedded start`."
        )
    sys.stdout.write(server.url + "\n")
    return 0


def _start(given: argparse.Namespace) -> int:
    with embedded.start(embedded_folder(), port=embedded_port()) as server:
        if not server.ours:
            sys.stdout.write(f"It already runs on 127.0.0.1:{server.port}; process {server.home.holder()} keeps it.\n")
            return 0
        sys.stdout.write(f"Embedded PostgreSQL on 127.0.0.1:{server.port}, data in {server.home.data}. Ctrl-C stops it.\n")
        sys.stdout.flush()
        try:
            while server.is_alive():
                time.sleep(0.2)
        except KeyboardInterrupt:
            return 0
        raise embedded.EmbeddedError(f"The embedded PostgreSQL ended. Its log is {server.home.log}.")


def _stop(given: argparse.Namespace) -> int:
    home = embedded.find_home(embedded_folder())
    if home is not None and (keeper := home.holder()):
        raise embedded.EmbeddedError(f"Process {keeper} keeps it, and stops it when it ends. Stop that one: `kill {keeper}`.")
    if home is not None and processes.working_in(home.data):
        with home.mutex(Patience(STOP_SECONDS)):
            if not processes.end(home.data, STOP_SECONDS):
                raise embedded.EmbeddedError(f"It does not end. Its processes: {', '.join(map(str, processes.working_in(home.data)))}.")
        sys.stdout.write("Stopped.\n")
    else:
        sys.stdout.write("It is not running.\n")
    return 0


def _run(given: argparse.Namespace) -> int:
    command = given.command[1:] if given.command[:1] == ["--"] else given.command
    if not command:
        raise ImproperlyConfigured("run needs a command: python -m ssodash.embedded run -- manage.py migrate")
    url = _given_url()
    if given.throwaway:
        with embedded.throwaway() as server:
            return _wait(command, {"DATABASE_URL": server.url})
    # The key of `make run`, so that what this signs it accepts.
    key = {} if os.environ.get("SECRET_KEY") else {"SECRET_KEY": kept_secret("secret_key", 50)}
    if url:
        return _wait(command, key)
    with embedded.start(embedded_folder(), port=embedded_port()) as server:
        return _wait(command, key | {"DATABASE_URL": server.url})


def _given_url() -> str:
    return os.environ.get("DATABASE_URL", "").strip()


def _wait(command: Sequence[str], more: dict[str, str]) -> int:
    """Run a program in this terminal. A Ctrl-C is for it: psql stays, and decides itself."""
    process = subprocess.Popen(command, env=os.environ | more, preexec_fn=die_with_parent(signal.SIGTERM))
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        return process.wait()
    finally:
        process.terminate()  # nothing, where it has ended
        process.wait()


if __name__ == "__main__":
    sys.exit(main())
