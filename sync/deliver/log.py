"""The log's rows, as attempts become them: by COPY, in PostgreSQL's binary form, which it takes in for less than text."""

import functools
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple, get_type_hints

_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


class Row(NamedTuple):
    """One attempt, in the order of the log's columns. What Python would have to take apart first is given as it is sent: see
    `moment`, `document`; a uuid is its sixteen bytes."""

    attempt_id: bytes
    user_id: str
    email: str
    site_id: int
    site_name: str
    type: str
    version: int
    generation: int
    attributes: bytes
    status: str
    outcome: str
    http_code: int | None
    duration_ms: int | None
    error: str
    response: str
    message_id: str
    cause: str
    actor: str
    run_id: int | None
    started_at: int
    completed_at: int


_FOUR_BYTES = {"generation", "http_code", "duration_ms"}
_TYPES = {bytes: "bytea", str: "text", int: "int8", int | None: "int8"}
# What goes over the wire is the same for a uuid and its bytes, and for a moment and its microseconds.
_SENT_AS = ["int4" if name in _FOUR_BYTES else _TYPES[kind] for name, kind in get_type_hints(Row).items()]

_COPY = f"copy user_sync_log ({', '.join(Row._fields)}) from stdin (format binary)"


def write(cursor: Any, rows: Iterable[tuple[Any, ...]]) -> None:
    """Inserts rows, each a `Row` or a tuple like one: one statement whatever their number."""
    with cursor.copy(_COPY) as copy:
        copy.set_types(_SENT_AS)
        for row in rows:
            copy.write_row(row)


@functools.lru_cache(maxsize=1024)
def moment(at: datetime) -> int:
    """A moment in time as PostgreSQL sends it: microseconds since 2000 (its documentation, "Date/Time Types")."""
    return (at - _EPOCH) // _MICROSECOND


def document(encoded: bytes) -> bytes:
    """JSON as PostgreSQL takes in a jsonb: behind the number of the form's version (`jsonb_recv`)."""
    return b"\x01" + encoded
