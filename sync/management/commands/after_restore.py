"""`manage.py after_restore`: to be run once after the database was restored from a backup, before web and workers start."""

from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from sync import operations, status
from sync.management.screen import Screen


class Command(BaseCommand):
    help = (
        "After the database was restored from a backup: give every user a version above anything that was sent before, "
        "so that the sites, which ignore what is not newer, take what the worker then sends them: everyone."
    )
    requires_system_checks: list[str] = []  # checks load the code of every page

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--floor", type=int, metavar="N", help="go on above this version (default: by the clock, above any before)")
        parser.add_argument("--json", action="store_true", help="print one JSON document and nothing else")

    def handle(self, *_: Any, floor: int | None, json: bool, **options: Any) -> None:
        done = operations.after_restore(floor)
        screen = Screen(self.stdout)
        if json:
            screen.json({"floor": done.floor, "users": done.users, "removals": done.removals, "sites": done.sites})
            return
        owed = f"{status.count(done.users, 'user')} and {status.count(done.removals, 'removal')}"
        screen.line(f"Versions go on above {done.floor}. {owed} are owed to {status.count(done.sites, 'site')}.")
        screen.line("Start web and workers: the workers send all of it.")
