"""What an answer means. Pure; the table is in docs/protocol.md."""

from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from enum import StrEnum

from sync.transport.values import FailureKind, HttpFailure, HttpResponse

MAX_RETRY_AFTER = 3600.0


class Outcome(StrEnum):
    """What becomes of a delivery after an attempt."""

    DELIVERED = "delivered"
    TRANSIENT = "transient"
    PERMANENT = "permanent"
    THROTTLED = "throttled"
    SITE_BROKEN = "site_broken"


@dataclass(frozen=True, slots=True)
class Verdict:
    """An outcome and its reason in words for a person."""

    outcome: Outcome
    error: str = ""
    retry_after: float | None = None
    """Seconds for which the whole site waits; only with THROTTLED."""
    connection_failed: bool = False
    """No connection or no TLS: nothing of the site was reached."""
    remote_id: str | None = None
    names_user: bool = False
    """The answer named the user's public id: the site keys users by it."""


HINTS = {
    401: "the site refused the signature: check its secret",
    403: "the site forbids it: check its secret and its firewall",
    404: "nothing at this path: is the sync path right?",
    405: "the path does not accept POST: is the sync path right?",
    410: "the endpoint is gone: is the URL right?",
    415: "the site does not accept JSON",
}
SITE_BROKEN_CODES = frozenset(HINTS)
TRANSIENT_CODES = frozenset({408, 425})
_CONNECTION = frozenset({FailureKind.CONNECT, FailureKind.DNS, FailureKind.TLS})


def of_failure(failure: HttpFailure) -> Verdict:
    """The meaning of no answer."""
    site_broken = failure.kind in {FailureKind.TLS, FailureKind.BLOCKED}
    return Verdict(
        Outcome.SITE_BROKEN if site_broken else Outcome.TRANSIENT, failure.message, connection_failed=failure.kind in _CONNECTION
    )


def of_status(response: HttpResponse, now: datetime) -> Verdict | None:
    """The meaning of an answer's status; None for 2xx, whose body decides."""
    code = response.status
    if 200 <= code < 300:
        return None
    if code in {429, 503} and (wait := retry_after(response.headers.get("retry-after"), now)) is not None:
        return Verdict(Outcome.THROTTLED, f"HTTP {code}: the site asks to wait {wait:g} s", retry_after=wait)
    if 300 <= code < 400:
        target = response.headers.get("location", "nowhere")[:200]
        return Verdict(
            Outcome.SITE_BROKEN, f"HTTP {code}: the site redirects to {target}, which is not followed. Put the right address in its URL"
        )
    if code in SITE_BROKEN_CODES:
        return Verdict(Outcome.SITE_BROKEN, f"HTTP {code}: {HINTS[code]}")
    if code == 429:
        return Verdict(Outcome.TRANSIENT, "HTTP 429: too many requests")
    if code >= 500 or code in TRANSIENT_CODES or code < 200:
        return Verdict(Outcome.TRANSIENT, f"HTTP {code}: the site failed")
    return Verdict(Outcome.PERMANENT, f"HTTP {code}: the site refused this user")


def retry_after(value: str | None, now: datetime) -> float | None:
    """Seconds from a Retry-After header (RFC 9110, 10.2.3: seconds or a date), at most an hour; None when it cannot be read."""
    if not value:
        return None
    value = value.strip()
    if value.isdigit():
        return min(float(value), MAX_RETRY_AFTER)
    try:
        moment = parsedate_to_datetime(value)
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return min(max((moment - now).total_seconds(), 0.0), MAX_RETRY_AFTER)
