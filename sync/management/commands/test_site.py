"""`manage.py test_site`: send a site one harmless request and name what is wrong."""

import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from django.utils.translation import gettext as _

from sync import connection_test, operations
from sync.management.screen import Screen


class Command(BaseCommand):
    """The same as Test connection on the site's page."""

    help = (
        "Test the connection to a site, active or not: one signed request that changes nothing there. "
        "Exit status: 0 the connection works, 1 it does not (it says why and what to do), 2 an unknown site."
    )
    requires_system_checks: list[str] = []  # checks load the code of every page

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name", help="the site's short name, as sync_status shows it")
        parser.add_argument("--json", action="store_true", help="print one JSON document and nothing else")

    def handle(self, *_args: Any, name: str, json: bool, **options: Any) -> None:
        screen = Screen(self.stdout)
        try:
            (site,) = operations.find_sites([name], also_inactive=True)
        except operations.UnknownSite as unknown:
            screen.refuse(str(unknown), as_json=json)
        test = connection_test.try_connection(site)
        if json:
            screen.json(
                {
                    "success": test.good,
                    "site": site.name,
                    "level": test.level,
                    "cause": test.cause,
                    "message": test.title,
                    "error": test.said,
                    "todo": test.todo,
                    "request": test.request,
                    "httpCode": test.http_code,
                    "durationMs": test.duration_ms,
                    "answer": test.answer,
                    "notes": test.notes,
                }
            )
        else:
            for line in _lines(test):
                screen.line(line)
        if not test.good:
            sys.exit(1)


def _lines(test: connection_test.ConnectionTest) -> list[str]:
    answered = f"HTTP {test.http_code}, {test.duration_ms:,} ms" if test.http_code else f"{test.duration_ms:,} ms"
    lines = [f"{test.title}.", *([test.said] if test.said else [])]
    if test.request:
        lines.append(f"{test.request}: {answered}")
    if test.answer:
        lines.append(_("Answer: %(answer)s") % {"answer": test.answer[:500]})
    return [*lines, test.todo, *test.notes]
