"""`python -m examples.sample_site`: read the options, serve until SIGTERM or Ctrl-C."""

from __future__ import annotations

import argparse
import re
import signal
import sys
import threading
from pathlib import Path

from .server import SampleSite
from .store import Store


def main() -> None:
    options = _options()
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    store, site = _open(options)
    serving = threading.Thread(target=site.serve_forever, kwargs={"poll_interval": 0.1}, daemon=True)
    serving.start()
    host = f"[{options.host}]" if ":" in options.host else options.host
    sys.stdout.write(f"{options.title} listens at http://{host}:{options.port}/ and holds {len(store.holding().users)} users.\n")
    sys.stdout.flush()
    stop.wait()
    site.shutdown()
    store.close()
    site.server_close()


def _open(options: argparse.Namespace) -> tuple[Store, SampleSite]:
    """The port first: a second start on the same port must not touch the first one's data file."""
    try:
        site = SampleSite((options.host, options.port), options.name, options.title, options.sync_path, options.secret_file)
    except OSError as error:
        at = f"{options.host}:{options.port}"
        sys.exit(f"{options.title}: cannot listen at {at}: {error.strerror or error}. Stop what uses it, or give another --port.")
    try:
        site.store = Store(options.data)
    except OSError as error:
        sys.exit(f"{options.title}: cannot use the data file {options.data}: {error.strerror or error}. Give a --data that can be written.")
    if site.store.notice:
        sys.stderr.write(f"{options.title}: {site.store.notice}\n")
    return site.store, site


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m examples.sample_site", description="Keeps the users it is sent and shows them.")
    parser.add_argument("--name", required=True, help="short name, such as hrms; gives the page its colour")
    parser.add_argument("--title", help="name on the page (default: the name in capitals)")
    parser.add_argument("--port", required=True, type=_port)
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    parser.add_argument("--data", required=True, type=Path, help="file that keeps the users; made when absent")
    parser.add_argument("--secret-file", required=True, type=Path, help="file with the whsec_ secret; may appear later")
    parser.add_argument("--sync-path", default="/api/users/sync", type=_path, help="where users are received (default: %(default)s)")
    options = parser.parse_args()
    options.title = options.title or options.name.upper()
    return options


def _port(text: str) -> int:
    if not re.fullmatch(r"[0-9]{1,5}", text) or not 0 < int(text) < 65_536:
        raise argparse.ArgumentTypeError(f"{text!r} is not a port: give a number from 1 to 65535")
    return int(text)


def _path(text: str) -> str:
    if not text.startswith("/") or len(text) < 2:
        raise argparse.ArgumentTypeError(f"{text!r} is not a path: it must start with / and go on")
    return text.rstrip("/")


if __name__ == "__main__":
    main()
