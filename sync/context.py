"""Who is acting, and why: known at the surface (request, command), needed where a change is pushed."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Origin:
    """What caused a delivery (`save`, `api`, `cli`, …), and who."""

    cause: str = "save"
    actor: str = ""


DEFAULT = Origin()
_current: ContextVar[Origin] = ContextVar("sync_origin", default=DEFAULT)


def origin() -> Origin:
    """The origin of what happens now."""
    return _current.get()


@contextmanager
def acting(cause: str, actor: str = "") -> Iterator[None]:
    """Within this block, changes are logged as caused by this."""
    token = _current.set(Origin(cause, actor))
    try:
        yield
    finally:
        _current.reset(token)
