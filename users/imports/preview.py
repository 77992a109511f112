"""Compares an uploaded file with the directory and keeps what came of it, row by row. Nothing is written to a user here."""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from django.conf import settings
from django.db import connection, transaction
from django.db.models import Count, Q
from django.utils import timezone
from django.utils.translation import gettext as _

from users.identifiers import new_user_id
from users.imports import lines, sheet
from users.imports.lines import Existing, Line, Outcome
from users.uploads import UserImport, UserImportRow

CHUNK = 1000
OPEN_AT_A_TIME = 5
"""Uploads kept for one login; an older one makes room."""

FOUND = """
select w.n, u.user_id, u.email, u.full_name, u.role, u.is_active, u.version
from unnest(%s::text[]) with ordinality w (wanted, n) join user_profiles u on {match}
"""
BY_ID = FOUND.format(match="u.user_id = w.wanted")
BY_EMAIL = FOUND.format(match="lower(u.email) = lower(w.wanted)")
COPY = """
copy user_import_row (upload_id, line, kind, written, rechecked, user_id, email, full_name, role, is_active, version,
    cells, changes, problems)
from stdin
"""


@dataclass(frozen=True)
class Counts:
    """How many rows of an upload do what: those that still wait, and those that were written."""

    create: int = 0
    change: int = 0
    unchanged: int = 0
    error: int = 0
    created: int = 0
    changed: int = 0
    rechecked: int = 0
    """Rows that still wait because the directory changed after they were looked at."""

    @property
    def waiting(self) -> int:
        """Rows that "Import these" would write."""
        return self.create + self.change

    @property
    def total(self) -> int:
        return self.create + self.change + self.unchanged + self.error + self.created + self.changed


def upload(file_name: str, data: bytes, login_id: int) -> UserImport:
    """Reads the file, compares it with the directory and keeps both for a day. Raises sheet.Unreadable where it cannot be used at all."""
    read = sheet.read(data)
    where = lines.columns(read.header)
    parsed = []
    for number, cells in read.lines:
        by_field, problems = lines.cut(number, cells, where, len(read.header))
        parsed.append(lines.parse(number, by_field, settings.SYNC_ROLES, problems))
    notes = list(read.notes)
    if where.unknown:
        notes.append(_("Columns that are not imported: %(names)s.") % {"names": ", ".join(where.unknown[:20])})
    with transaction.atomic():
        prune(login_id)
        kept = UserImport.objects.create(login_id=login_id, file_name=file_name[:200] or "users", notes=notes)
        store(kept, outcomes(lines.without_doubles(parsed)))
    return kept


def prune(login_id: int) -> None:
    """Drops uploads whose time is over, and this login's oldest, so that one more has room."""
    UserImport.objects.filter(expires_at__lt=timezone.now()).delete()
    kept = UserImport.objects.filter(login_id=login_id).values("pk")[: OPEN_AT_A_TIME - 1]
    UserImport.objects.filter(login_id=login_id).exclude(pk__in=list(kept.values_list("pk", flat=True))).delete()


def outcomes(parsed: Sequence[Line]) -> Iterator[Outcome]:
    """What importing these lines does to the directory as it is now, in chunks of two queries."""
    claimed: dict[str, int] = {}
    waiting = iter(parsed)
    while chunk := list(islice(waiting, CHUNK)):
        by_id = _found(BY_ID, [line.values.get("user_id") for line in chunk])
        by_email = _found(BY_EMAIL, [line.values.get("email") for line in chunk])
        for place, line in enumerate(chunk, 1):
            outcome = lines.compare(line, by_id.get(place), by_email.get(place), settings.SYNC_ROLES, new_user_id())
            yield _claimed(outcome, claimed)


def _claimed(outcome: Outcome, claimed: dict[str, int]) -> Outcome:
    """One line names a user by id and another by email: only the directory can tell that they are about the same one."""
    target = outcome.existing
    if target is None or outcome.kind == lines.ERROR:
        return outcome
    other = claimed.setdefault(target.user_id, outcome.line.number)
    if other == outcome.line.number:
        return outcome
    return Outcome(outcome.line, lines.ERROR, target, problems=[lines.double("email", other)])


def _found(query: str, wanted: Sequence[Any]) -> dict[int, Existing]:
    with connection.cursor() as cursor:
        cursor.execute(query, [list(wanted)])
        return {place: Existing(*columns) for place, *columns in cursor.fetchall()}


def store(kept: UserImport, found: Iterable[Outcome], *, rechecked: bool = False) -> None:
    """Keeps what was found, by COPY: a file can have 50,000 lines."""
    # First all of them: while a COPY is under way, the connection answers nothing else.
    rows = [_row(kept.pk, outcome, rechecked) for outcome in found]
    with connection.cursor() as cursor, cursor.copy(COPY) as copy:
        for row in rows:
            copy.write_row(row)


def _row(upload_id: int, outcome: Outcome, rechecked: bool) -> tuple[Any, ...]:
    after = dict.fromkeys(lines.FIELDS, "") | {"is_active": True} | (outcome.after or _told(outcome.line))
    version = outcome.existing.version if outcome.existing else None
    cells = {name: text.replace("\0", "\ufffd") for name, text in outcome.line.cells.items()}
    problems = [[problem.field, problem.message] for problem in outcome.problems]
    return (
        upload_id, outcome.line.number, outcome.kind, False, rechecked,
        after["user_id"], after["email"], after["full_name"], after["role"], after["is_active"], version,
        _json(cells), _json(outcome.changes), _json(problems),
    )  # fmt: skip


def _json(value: Any) -> str:
    # Half of a surrogate pair is something that a file can hold and PostgreSQL cannot.
    return json.dumps(value, ensure_ascii=False).encode(errors="replace").decode()


def _told(line: Line) -> dict[str, Any]:
    """What a line with an error says, as far as it fits: it is shown beside the error."""
    return {name: value if name == "is_active" else value[:100] for name, value in line.values.items()}


def counts(kept: UserImport) -> Counts:
    """How many rows do what, in one query."""
    rows = kept.rows.order_by().values("kind", "written").annotate(number=Count("*"), anew=Count("pk", filter=Q(rechecked=True)))
    found: dict[str, int] = {}
    rechecked = 0
    for row in rows:
        name = {"create": "created", "change": "changed"}[row["kind"]] if row["written"] else row["kind"]
        found[name] = row["number"]
        rechecked += 0 if row["written"] else row["anew"]
    return Counts(**found, rechecked=rechecked)


def again(row: UserImportRow) -> Line:
    """A stored row's line, read anew."""
    return lines.parse(row.line, row.cells, settings.SYNC_ROLES)
