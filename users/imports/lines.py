"""What a line of an import asks for, and what that means for a user. Pure: no model, no database.

Every problem names its field and what to do about it.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.utils.translation import gettext as _

from ssodash.csv_file import unguarded
from users import plain_text
from users.imports.sheet import Unreadable

FIELDS = ("user_id", "email", "full_name", "role", "is_active")
ALSO = {"id": "user_id", "name": "full_name", "active": "is_active", "mail": "email", "e_mail": "email", "email_address": "email"}
"""What people call the columns, beside their names."""
YES = frozenset(["true", "t", "yes", "y", "1", "on", "x", "active", "wahr", "ja", "vrai", "oui"])
NO = frozenset(["false", "f", "no", "n", "0", "off", "inactive", "falsch", "nein", "faux", "non"])
USER_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,99}")
EMAIL = re.compile(r"[^@\s]+@[^@\s]+")

CREATE, CHANGE, UNCHANGED, ERROR = "create", "change", "unchanged", "error"


@dataclass(frozen=True)
class Problem:
    """Why a line cannot be imported: the field at fault, and a sentence with the remedy."""

    field: str
    message: str


@dataclass(frozen=True)
class Columns:
    """Where each field stands, and the headers that mean nothing here."""

    places: dict[str, int]
    unknown: list[str]


@dataclass(frozen=True)
class Line:
    """A line as it was written (`cells`), what it says (`values`: only what is given), and what is wrong with it."""

    number: int
    cells: dict[str, str]
    values: dict[str, Any]
    problems: list[Problem] = field(default_factory=list)


@dataclass(frozen=True)
class Existing:
    """A user as the directory has it now."""

    user_id: str
    email: str
    full_name: str
    role: str
    is_active: bool
    version: int


@dataclass(frozen=True)
class Outcome:
    """What importing a line does: `kind`, the user afterwards, and what differs: field, before, after."""

    line: Line
    kind: str
    existing: Existing | None = None
    after: dict[str, Any] = field(default_factory=dict)
    changes: list[tuple[str, str, str]] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)


def columns(header: Sequence[str]) -> Columns:
    """Recognises the columns, in any order and case. Raises Unreadable where there is no email, or a column twice."""
    places: dict[str, int] = {}
    unknown = []
    for place, title in enumerate(header):
        name = _field(title)
        if name is None:
            if title.strip():
                unknown.append(title.strip()[:60])
        elif name in places:
            raise Unreadable(_("The header has the column %(name)s twice. Remove one of them.") % {"name": name})
        else:
            places[name] = place
    if "email" not in places:
        seen = ", ".join(title.strip()[:60] for title in header[:8])
        raise Unreadable(_("The first line must name the columns, and email must be among them. It says: %(seen)s") % {"seen": seen})
    return Columns(places, unknown)


def _field(title: str) -> str | None:
    words = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", title.strip().strip("\ufeff"))
    name = re.sub(r"[\s_-]+", "_", words).lower()
    return name if name in FIELDS else ALSO.get(name)


def cut(number: int, cells: Sequence[str], where: Columns, width: int) -> tuple[dict[str, str], list[Problem]]:
    """A line's cells by field; a line with more cells than the header is a problem."""
    by_field = {name: cells[place] if place < len(cells) else "" for name, place in where.places.items()}
    if any(cell.strip() for cell in cells[width:]):
        return by_field, [Problem("", _("The line has more cells than the header. Put quotes around a cell that holds a separator."))]
    return by_field, []


def parse(number: int, cells: dict[str, str], roles: Sequence[str], problems: Iterable[Problem] = ()) -> Line:
    """What a line says. An empty cell says nothing. Whether its role exists is for `compare`: a user may keep an old one."""
    found = list(problems)
    values: dict[str, Any] = {}
    for name in FIELDS:
        text = unguarded(cells.get(name, "")).strip()
        if told := plain_text.fault(text):
            found.append(Problem(name, told))
            continue
        value = _READ[name](text, roles, found)
        if value is not None:
            values[name] = value
    return Line(number, cells, values, found)


def _user_id(text: str, roles: Sequence[str], problems: list[Problem]) -> str | None:
    if text and not USER_ID.fullmatch(text):
        problems.append(Problem("user_id", _("Use letters, digits, - and _ (at most 100 characters), or leave it empty.")))
        return None
    return text or None


def _email(text: str, roles: Sequence[str], problems: list[Problem]) -> str | None:
    if not text:
        problems.append(Problem("email", _("Enter the email.")))
        return None
    try:
        validate_email(text)
    except ValidationError:
        text_is_email = False
    else:
        text_is_email = bool(EMAIL.fullmatch(text)) and len(text) <= 254
    if not text_is_email:
        problems.append(Problem("email", _("“%(text)s” is no email. Write it like this: ada@example.com.") % {"text": text[:100]}))
        return None
    return text


def _full_name(text: str, roles: Sequence[str], problems: list[Problem]) -> str | None:
    name = " ".join(text.split())
    if len(name) > 200:
        problems.append(Problem("full_name", _("It has %(length)s characters. Shorten it to 200.") % {"length": len(name)}))
        return None
    return name or None


def _role(text: str, roles: Sequence[str], problems: list[Problem]) -> str | None:
    return next((role for role in roles if role == text), None) or next((r for r in roles if r.lower() == text.lower()), text) or None


def _is_active(text: str, roles: Sequence[str], problems: list[Problem]) -> bool | None:
    word = text.lower()
    if word and word not in YES | NO:
        problems.append(Problem("is_active", _("“%(text)s” is neither yes nor no. Write true or false.") % {"text": text[:40]}))
        return None
    return word in YES if word else None


_READ = {"user_id": _user_id, "email": _email, "full_name": _full_name, "role": _role, "is_active": _is_active}


def without_doubles(lines: Sequence[Line]) -> list[Line]:
    """The same lines; those that name the same id or email are problems, all of them: nobody can tell which one is meant."""
    at: dict[tuple[str, str], list[int]] = {}
    for line in lines:
        for name in ("user_id", "email"):
            if name in line.values:
                at.setdefault((name, line.values[name].lower() if name == "email" else line.values[name]), []).append(line.number)
    for line in lines:
        for name in ("user_id", "email"):
            value = line.values.get(name)
            numbers = at.get((name, value.lower() if name == "email" else value), []) if value else []
            if len(numbers) > 1:
                line.problems.append(double(name, next(number for number in numbers if number != line.number)))
    return list(lines)


def double(name: str, other: int) -> Problem:
    """That another line is about the same user."""
    return Problem(name, _("Line %(line)s is about the same user. Keep one of the two.") % {"line": other})


def compare(line: Line, by_id: Existing | None, by_email: Existing | None, roles: Sequence[str], new_id: str) -> Outcome:
    """What importing this line does to the directory. `by_id` and `by_email` are who has its id and its email now.

    A user is matched by the id where the line gives one, else by the email whatever its case, which then stays as it is stored.
    """
    problems = list(line.problems)
    given = line.values
    target = by_id if "user_id" in given else by_email
    if "user_id" in given and by_email is not None and (by_id is None or by_id.user_id != by_email.user_id):
        problems.append(_taken(by_email))
    role = given.get("role")
    if role is not None and role not in roles and (target is None or role != target.role):
        text = _("There is no role “%(role)s”. Use one of: %(roles)s.") % {"role": role[:60], "roles": ", ".join(roles)}
        problems.append(Problem("role", text))
    if target is None and "full_name" not in given and not any(problem.field == "full_name" for problem in problems):
        problems.append(Problem("full_name", _("Enter the full name: a new user needs one.")))
    if problems:
        return Outcome(line, ERROR, target, problems=problems)
    if target is None:
        start = {"user_id": new_id, "role": roles[0], "is_active": True}
        return Outcome(line, CREATE, after=start | given)
    before = {name: getattr(target, name) for name in FIELDS}
    after = before | given
    if "user_id" not in given:
        after["email"] = target.email
    changes = [(name, shown(before[name]), shown(after[name])) for name in FIELDS if before[name] != after[name]]
    return Outcome(line, CHANGE if changes else UNCHANGED, target, after, changes)


def _taken(other: Existing) -> Problem:
    text = _("%(name)s has this email, under the id %(id)s. Give that id, or leave the id empty; or give another email.")
    return Problem("email", text % {"name": other.full_name or other.email, "id": other.user_id})


def shown(value: Any) -> str:
    """A value as a file has it."""
    return ("true" if value else "false") if isinstance(value, bool) else str(value)
