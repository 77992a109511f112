"""`manage.py up`: run the whole hub. manage.py hands over before settings are read; this is for `manage.py help`."""

import sys
from argparse import REMAINDER
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from ssodash.up import main


class Command(BaseCommand):
    """See ssodash.up."""

    help = "Run the hub: embedded database (unless DATABASE_URL is set), dashboard, worker; --demo adds users and sites. Ctrl-C stops it."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("arguments", nargs=REMAINDER, help="[--demo] [--port PORT]")

    def handle(self, *_: Any, **options: Any) -> None:
        sys.exit(main(options["arguments"]))
