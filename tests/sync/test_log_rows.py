"""Rows of the log: what is copied in, in PostgreSQL's binary form, is read back as it was."""

from datetime import UTC, datetime, timedelta, timezone
from uuid import UUID

import psycopg
import pytest
from django.db import connection, transaction

from sync.deliver import log
from sync.models import UserSyncLog

pytestmark = pytest.mark.django_db

TOKEN = UUID("0a1b2c3d-ffff-0000-8000-00000000007f")
AT = datetime(2026, 11, 23, 1, 2, 3, 456789, tzinfo=timezone(timedelta(hours=2)))
ODD = "tab\t, line\n, back\\slash, \\N, ünï, 🚗"
DOCUMENT = log.document(b'{"full_name": "\\u00e4\\t"}')
ROW = log.Row(
    TOKEN.bytes, "user_1", "ada@example.com", 2**40, "hrms", "upsert", 2**62, 2**31 - 1, DOCUMENT, "pending", "transient", 503, 0, ODD, "",
    "msg_1_2_0", "save", "root", None, log.moment(AT), log.moment(AT) + 1,
)  # fmt: skip


def written(*rows: tuple[object, ...]) -> list[UserSyncLog]:
    with connection.cursor() as cursor:
        log.write(cursor, rows)
    return list(UserSyncLog.objects.order_by("id"))


def test_every_column_is_read_back_as_it_was_written() -> None:
    (row,) = written(ROW)
    assert row.attempt_id == TOKEN
    assert row.attributes == {"full_name": "ä\t"}
    assert (row.started_at, row.completed_at - row.started_at) == (AT, timedelta(microseconds=1))
    others = [name for name in log.Row._fields if name not in {"attempt_id", "attributes", "started_at", "completed_at"}]
    assert [getattr(row, name) for name in others] == [getattr(ROW, name) for name in others]


def test_what_is_unknown_is_null_and_a_run_s_number_may_be_large() -> None:
    (row,) = written(ROW._replace(http_code=None, duration_ms=None, run_id=2**50, attributes=log.document(b"null")))
    assert (row.http_code, row.duration_ms, row.run_id, row.attributes) == (None, None, 2**50, None)


@pytest.mark.parametrize("at", [datetime(1999, 12, 31, 23, 59, 59, 999999, UTC), datetime(2000, 1, 1, tzinfo=UTC), AT])
def test_a_moment_is_the_same_to_the_microsecond(at: datetime) -> None:
    (row,) = written(ROW._replace(started_at=log.moment(at)))
    assert row.started_at == at


def test_a_row_that_does_not_fit_is_refused_with_all_that_are_copied_with_it() -> None:
    with pytest.raises(psycopg.DataError, match="too long"), transaction.atomic():
        written(ROW, ROW._replace(cause="x" * 21))
    assert written() == []
