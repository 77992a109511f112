"""Writes what a preview showed, and nothing else: in a few statements, in one transaction, firing the same triggers as any change."""

import uuid
from collections.abc import Callable
from dataclasses import dataclass, field

from django.db import IntegrityError, OperationalError, connection, transaction
from django.db.models import QuerySet

from users.imports import preview
from users.uploads import UserImport, UserImportRow

CHUNK = 1000
TRIES = 4
DEADLOCK = "40P01"

# In key order, before anything is changed: two imports at a time, or an import and another bulk change, do not wait for each other.
LOCK = """
select u.id from user_profiles u join user_import_row r on r.user_id = u.user_id
where r.upload_id = %(upload)s and r.kind = 'change' and not r.written
order by u.id for no key update of u
"""
# A user who changed after the preview has another version. An email that somebody else took meanwhile is left to be compared anew.
CHANGE = """
update user_profiles u set email = r.email, full_name = r.full_name, role = r.role, is_active = r.is_active
from user_import_row r
where r.upload_id = %(upload)s and r.kind = 'change' and not r.written and r.line between %(low)s and %(high)s
    and u.user_id = r.user_id and u.version = r.version
    and not exists (select from user_profiles o where lower(o.email) = lower(r.email) and o.id <> u.id)
returning u.user_id
"""
CREATE = """
insert into user_profiles (user_id, email, full_name, role, is_active)
select r.user_id, r.email, r.full_name, r.role, r.is_active from user_import_row r
where r.upload_id = %(upload)s and r.kind = 'create' and not r.written and r.line between %(low)s and %(high)s
order by r.line
on conflict do nothing
returning user_id
"""
WRITTEN = """
update user_import_row set written = true
where upload_id = %(upload)s and kind in ('create', 'change') and line between %(low)s and %(high)s and user_id = any (%(ids)s)
"""


@dataclass
class Written:
    """What an import wrote, by public id, and how many rows were left because the directory had changed since their preview."""

    created: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)
    left: int = 0

    @property
    def number(self) -> int:
        return len(self.created) + len(self.changed)


class Superseded(Exception):
    """This preview was confirmed already, or is gone."""


def write(token: uuid.UUID, login_id: int, revision: int, done: Callable[[UserImport, Written], None]) -> Written:
    """Writes the rows that the preview of this revision showed as creates and changes, and calls `done` in the same transaction.

    Rows that cannot be written as they were shown, because the directory changed meanwhile, stay, compared anew with what there is now.
    Raises Superseded.
    """
    for left in range(TRIES, 0, -1):
        try:
            with transaction.atomic():
                kept = UserImport.objects.select_for_update().filter(token=token, login_id=login_id, revision=revision).first()
                if kept is None:
                    raise Superseded
                written = _write(kept)
                done(kept, written)
                return written
        except IntegrityError:
            # Someone took an email between our look and our write. The next look sees it.
            if left == 1:
                raise
        except OperationalError as error:
            if left == 1 or getattr(error.__cause__, "sqlstate", "") != DEADLOCK:
                raise
    raise AssertionError("the last try returns or raises")


def _write(kept: UserImport) -> Written:
    written = Written()
    waiting = kept.rows.filter(kind__in=["create", "change"], written=False)
    numbers = list(waiting.order_by("line").values_list("line", flat=True))
    with connection.cursor() as cursor:
        cursor.execute(LOCK, {"upload": kept.pk})
        for start in range(0, len(numbers), CHUNK):
            part = {"upload": kept.pk, "low": numbers[start], "high": numbers[start : start + CHUNK][-1]}
            for statement, into in ((CHANGE, written.changed), (CREATE, written.created)):
                cursor.execute(statement, part)
                ids = [user_id for (user_id,) in cursor.fetchall()]
                if ids:
                    cursor.execute(WRITTEN, part | {"ids": ids})
                    into += ids
    written.left = _recheck(kept, waiting)
    kept.revision += 1
    kept.save(update_fields=["revision"])
    return written


def _recheck(kept: UserImport, waiting: QuerySet[UserImportRow]) -> int:
    """Compares what was not written with the directory as it is now, and keeps that in its place."""
    left = [preview.again(row) for row in waiting.order_by("line")]
    if left:
        waiting.delete()
        preview.store(kept, preview.outcomes(left), rechecked=True)
    return len(left)
