"""What `up` was asked for, from the command line and the environment."""

import argparse
import os
from collections.abc import Sequence
from dataclasses import dataclass

from ssodash import ports
from ssodash.env import integer

SITES = (("hrms", "HRMS"), ("cms", "CMS"), ("sales", "Sales"), ("garage", "Garage"))
THIS_MACHINE = ("127.0.0.1", "localhost", "::1", "0.0.0.0", "::")  # noqa: S104  (compared with, not listened on)


@dataclass(frozen=True, slots=True)
class SampleSite:
    """One sample site and where it listens."""

    name: str
    title: str
    port: int

    @property
    def address(self) -> str:
        return f"http://localhost:{self.port}"


@dataclass(frozen=True, slots=True)
class Options:
    """What was asked for. `sites` is empty without `--demo`."""

    demo: bool
    host: str
    port: int
    sites: tuple[SampleSite, ...]

    @property
    def address(self) -> str:
        """Where a browser on this machine finds the dashboard."""
        return f"http://{'localhost' if self.host in THIS_MACHINE else self.host}:{self.port}"


def parse(arguments: Sequence[str] | None) -> Options:
    """Raises ImproperlyConfigured for a wrong value, and SystemExit (2, with the usage) for an unknown option."""
    parser = argparse.ArgumentParser(prog="manage.py up", description="Run the whole hub. Ctrl-C stops all of it.")
    parser.add_argument("--demo", action="store_true", help="with sample users and four sample sites")
    parser.add_argument("--port", help="the dashboard's port (default: the setting PORT, else 3000)")
    given = parser.parse_args(arguments)
    if given.port is not None:
        os.environ["PORT"] = given.port  # one way to read and check it, and what the web server reads too
    first = integer("DEMO_SITES_PORT", 4001, low=1, high=65_535 - len(SITES) + 1)
    return Options(
        demo=given.demo,
        host=os.environ.get("HOST", "").strip() or ports.LOOPBACK,
        port=integer("PORT", 3000, low=1, high=65_535),
        sites=tuple(SampleSite(name, title, first + step) for step, (name, title) in enumerate(SITES)) if given.demo else (),
    )
