"""Running a management command within a test, and what came of it."""

import json
from dataclasses import dataclass
from io import StringIO
from typing import Any

from django.core.management import CommandError, call_command

from users.models import UserProfile


@dataclass(frozen=True)
class Ran:
    """A command that ended. `status` is its exit status."""

    status: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        """Its output, which must be one JSON document and nothing else."""
        return json.loads(self.out)


def run(*arguments: str) -> Ran:
    """`run("sync_users", "--pending")`, in this process."""
    out, err = StringIO(), StringIO()
    status = 0
    try:
        call_command(*arguments, stdout=out, stderr=err)
    except SystemExit as end:
        status = int(end.code or 0)
    except CommandError as error:  # manage.py writes it to standard error and exits so
        err.write(f"{error}\n")
        status = error.returncode
    return Ran(status, out.getvalue(), err.getvalue())


def numbers(ran: Ran) -> dict[str, list[str]]:
    """The rows of `sync_users`' table, by the site's name: delivered, failed, left to the worker."""
    rows = [line.split() for line in ran.out.splitlines()]
    return {row[0]: row[1:] for row in rows if len(row) == 4 and row[1].isdigit()}


def people(number: int) -> None:
    """Adds user_000, user_001, … as a bulk import does: nothing is pushed."""
    UserProfile.objects.bulk_create(UserProfile(user_id=f"user_{n:03}", email=f"u{n:03}@example.com", full_name="U") for n in range(number))
