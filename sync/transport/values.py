"""What goes through the door: one request value, one answer value, one failure value. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

MAX_RESPONSE_BYTES = 64 * 1024
KEEP_ALIVE = 4
"""Seconds for which an idle connection is used again: less than the 5 after which Node, Apache and uvicorn close theirs.
A request on its way while the site closes is lost, and cannot be told from one that was carried out."""


@dataclass(slots=True)  # not frozen, which takes six times as long to make; nothing changes it
class HttpRequest:
    """One request. `timeout` is seconds in total, from the first address look-up to the last byte of the answer."""

    url: str
    headers: Mapping[str, str]
    body: bytes
    timeout: float
    connect_timeout: float
    method: str = "POST"


@dataclass(slots=True)
class HttpResponse:
    """An answer. Header names are lower case; the body is cut at 64 kB (`truncated`); `duration` is seconds."""

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    truncated: bool = False
    duration: float = 0.0


class FailureKind(StrEnum):
    """Why there was no answer."""

    CONNECT = "connect"
    DNS = "dns"
    TLS = "tls"
    TIMEOUT = "timeout"
    RESET = "reset"
    CUT_SHORT = "cut_short"
    BLOCKED = "blocked"


@dataclass(frozen=True, slots=True)
class HttpFailure:
    """No answer, and why, in words for a person. `duration` is seconds."""

    kind: FailureKind
    message: str
    duration: float = 0.0


HttpResult = HttpResponse | HttpFailure
