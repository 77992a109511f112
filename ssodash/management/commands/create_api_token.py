"""Make a token for the JSON API."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import IntegrityError, transaction

from ssodash.env import integer
from ssodash.models import ApiToken

MAX_LENGTH = 100


class Command(BaseCommand):
    """The token cannot be had again: only its hash is kept."""

    help = "Make a token for the JSON API and show it once. -v 0 prints nothing but the token, for scripts."
    requires_system_checks: list[str] = []  # checks load the code of every page

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name", help="What the token is for, for example payroll. The log names changes made with it so.")

    def handle(self, *_: Any, name: str, verbosity: int, **options: Any) -> None:
        name = name.strip()
        if not name or len(name) > MAX_LENGTH or not name.isprintable():
            raise CommandError(f"Give the token a name of 1 to {MAX_LENGTH} printable characters, for example payroll.")
        try:
            with transaction.atomic():
                token = ApiToken.issue(name)[1]
        except IntegrityError:
            raise CommandError(f"A token named {name!r} exists already: give another name, or delete that one first.") from None
        if not verbosity:
            self.stdout.write(token)
            return
        self.stdout.write(f"The token {name!r}, shown only now; keep it where only its user can read it:\n\n  {token}\n\n")
        url = f"http://localhost:{integer('PORT', 3000, low=1, high=65_535)}/api/users"
        self.stdout.write(f'Try it:\n\n  curl -H "Authorization: Bearer {token}" {url}\n')
