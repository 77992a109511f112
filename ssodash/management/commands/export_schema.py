"""`manage.py export_schema`: write user-sync-schema.sql, or check that it is up to date."""

import sys
from pathlib import Path
from typing import Any

import psycopg
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from ssodash import schema

NAME = "user-sync-schema.sql"


class Command(BaseCommand):
    """See ssodash.schema."""

    help = f"Write {NAME}, the whole database in one paste, from the migrations. --check only says whether it is up to date."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--check", action="store_true", help="change nothing; exit status 1 when the file is out of date")
        parser.add_argument(
            "--output", type=Path, default=Path(settings.BASE_DIR) / NAME, metavar="FILE", help=f"default: {NAME} beside manage.py"
        )

    def handle(self, *_: Any, check: bool, output: Path, **options: Any) -> None:
        try:
            text = schema.generate()
        except psycopg.errors.InsufficientPrivilege:
            raise CommandError(
                "The role in DATABASE_URL may not create databases, and the migrations are run on a scratch one. "
                "Use another server, for example the embedded one: `make schema`."
            ) from None
        if not check:
            self._write(output, text)
            self.stdout.write(f"Wrote {output}.")
            return
        found = output.read_text() if output.exists() else None
        if found == text:
            self.stdout.write(f"{output} is up to date.")
            return
        self.stderr.write(f"{output} {'is not there' if found is None else 'does not match the migrations'}: run `make schema`.")
        sys.exit(1)

    def _write(self, output: Path, text: str) -> None:
        try:
            output.write_text(text)
        except OSError as error:
            raise CommandError(f"{output} cannot be written: {error.strerror}. Name another file with --output.", returncode=2) from None
