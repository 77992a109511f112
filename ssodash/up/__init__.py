"""One command that runs the whole hub: database, dashboard, worker, and with `--demo` four sample sites.

`python -m ssodash.up [--demo] [--port 3000]`, also reachable as `manage.py up`. It needs no settings: what DATABASE_URL and
SECRET_KEY do not say, it provides, and hands to the programs it starts in their environment, never on a command line.
"""

import http.client
import os
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from django.core.exceptions import ImproperlyConfigured

from ssodash import embedded, plain_errors, ports
from ssodash.local import BASE_DIR, kept_secret, read_env_file, var_dir
from ssodash.supervisor import Child, Stopped, Supervisor
from ssodash.up import options as asked
from ssodash.up import welcome
from ssodash.up.database import Database
from ssodash.up.errors import CannotStart
from ssodash.up.lock import RunLock
from ssodash.up.options import Options, SampleSite
from ssodash.up.static import Collected

CHILDREN_STOP_SECONDS = 5
WEB_START_SECONDS = 60
SITES_START_SECONDS = 20
ENDING_SECONDS = 10
"""How long the programs of an `up` that was killed may take to end and give their ports back."""
MANAGE = (sys.executable, "manage.py")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run until Ctrl-C or SIGTERM. The exit status: 0 then, 1 when it cannot start, 2 for a wrong setting."""
    try:
        read_env_file()
        options = asked.parse(arguments)
        with RunLock(var_dir() / "up.lock", options.address) as lock:
            _run(options, patience=ENDING_SECONDS if lock.was_killed else 0)
    except Stopped:
        return 0
    except (ImproperlyConfigured, embedded.EmbeddedError) as error:
        return plain_errors.report(error) or 1
    except (CannotStart, OSError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


def _run(options: Options, patience: float) -> None:
    """`patience`: seconds to wait for ports that are still taken. Raises Stopped at the end that was asked for."""
    with Supervisor(_environment(options), str(BASE_DIR), CHILDREN_STOP_SECONDS) as supervisor, ExitStack() as at_the_end:
        _require_ports(options, supervisor, patience)
        database = Database(supervisor.say, supervisor.raise_if_stopped)
        at_the_end.callback(database.stop)
        at_the_end.callback(supervisor.stop)  # first, for the programs use the database
        try:
            _run_all(options, supervisor, database)
        except Stopped:
            supervisor.say("\nStopping …")
            raise


def _run_all(options: Options, supervisor: Supervisor, database: Database) -> None:
    supervisor.environment["DATABASE_URL"] = database.start()
    supervisor.patrol = database.look_after
    _prepare(options, supervisor)
    for site in options.sites:
        held = var_dir() / "demo" / f"{site.name}.stopped"
        held.unlink(missing_ok=True)
        supervisor.add(site.name, sample_site_command(site), held=held.exists)
    # A worker that is there before them would take them for broken, and look again a minute later.
    supervisor.wait_for(lambda: all(ports.accepts(site.port) for site in options.sites), SITES_START_SECONDS)
    web = supervisor.add("web", (sys.executable, "-m", "gunicorn", "ssodash.wsgi"))
    supervisor.add("worker", (*MANAGE, "sync_worker"))
    _wait_for_web(options, supervisor, web)
    supervisor.say(welcome.text(options, coloured=supervisor.out.isatty()))
    supervisor.run_forever()


def _environment(options: Options) -> dict[str, str]:
    provided = {"DJANGO_SETTINGS_MODULE": "ssodash.settings", "PYTHONUNBUFFERED": "1", "WEB_GRACE_SECONDS": "3"}
    provided |= {"STATIC_ROOT": str(var_dir() / "static")}
    fixed = {"HOST": options.host, "PORT": str(options.port), "VAR_DIR": str(var_dir())}
    if options.sites:
        fixed["DEMO_SITES_PORT"] = str(options.sites[0].port)
    if not os.environ.get("SECRET_KEY"):
        fixed["SECRET_KEY"] = kept_secret("secret_key", 50)
    return provided | os.environ | fixed


def _require_ports(options: Options, supervisor: Supervisor, patience: float) -> None:
    """Before anything is started. Raises CannotStart, naming the port and the remedy."""
    deadline = time.monotonic() + patience
    while taken := _taken(options):
        if time.monotonic() > deadline:
            raise CannotStart(taken)
        supervisor.raise_if_stopped()
        time.sleep(0.1)


def _taken(options: Options) -> str | None:
    command = "make demo" if options.demo else "make run"
    try:
        web = ports.is_taken_on_loopback(options.port) if options.host == ports.LOOPBACK else ports.is_taken(options.port, options.host)
    except OSError as error:
        where = f"{options.host}:{options.port}"
        raise CannotStart(f"The dashboard cannot listen at {where}: {error.strerror or error}. Change HOST or PORT.") from error
    if web:
        return f"Port {options.port} is taken by another program. Stop it, or choose another port: PORT={options.port + 1} {command}"
    for site in options.sites:
        if site.port == options.port or ports.is_taken_on_loopback(site.port):
            return (
                f"Port {site.port}, which the sample site {site.title} needs, is taken by another program. "
                f"Stop it, or choose other ports for the {len(options.sites)} sample sites: DEMO_SITES_PORT=4101 {command}"
            )
    return None


def _prepare(options: Options, supervisor: Supervisor) -> None:
    """Bring database and files to the state of this code. Raises CannotStart, after the program's own words."""
    (var_dir() / "demo").mkdir(exist_ok=True)
    supervisor.say("Migrating the database …")
    _manage(supervisor, "migrate", "--no-input")
    collected = Collected(Path(supervisor.environment["STATIC_ROOT"]), supervisor.environment)
    if not collected.is_current():
        supervisor.say("Collecting the pages' files …")
        collected.forget()
        _manage(supervisor, "collectstatic", "--no-input", "--clear")
        collected.remember()
    _manage(supervisor, "first_login", str(welcome.password_file()))
    if options.demo:
        supervisor.say("Making sample users and sites …")
        _manage(supervisor, "seed_demo")


def _manage(supervisor: Supervisor, *command: str) -> None:
    status, printed = supervisor.run(command[0], (*MANAGE, *command))
    if status:
        supervisor.say(printed)
        raise CannotStart(f"`manage.py {command[0]}` failed (exit status {status}), see above. The hub did not start.")


def sample_site_command(site: SampleSite) -> tuple[str, ...]:
    """How a sample site is started. Its secret is in a file, which the seed keeps up to date."""
    folder = var_dir() / "demo"
    command = (sys.executable, "-m", "examples.sample_site", "--name", site.name, "--title", site.title, "--port", str(site.port))
    return (*command, "--data", str(folder / f"{site.name}.data"), "--secret-file", str(folder / f"{site.name}.secret"))


def _wait_for_web(options: Options, supervisor: Supervisor, web: Child) -> None:
    """Raises CannotStart when a wrong setting keeps the web server from running."""
    if supervisor.wait_for(lambda: _answers(options, web), WEB_START_SECONDS):
        return
    supervisor.say(f"The dashboard does not answer at {options.address} after {WEB_START_SECONDS} s; what it said is above.")


def _answers(options: Options, web: Child) -> bool:
    if web.process is not None and web.process.poll() == plain_errors.WRONG_SETTING:
        raise CannotStart("The dashboard cannot start with these settings, see above.")
    host = ports.LOOPBACK if options.host in asked.THIS_MACHINE else options.host
    connection = http.client.HTTPConnection(host, options.port, timeout=1)
    try:
        connection.request("GET", "/admin/login/", headers={"Host": "localhost"})
        connection.getresponse()
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
    return True
