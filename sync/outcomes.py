"""What an answer means. Pure; the table is in docs/protocol.md."""

from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from enum import StrEnum

from sync import redact
from sync.transport.values import FailureKind, HttpFailure, HttpResponse

MAX_REMOTE_ID = 200
MIN_RETRY_AFTER = 1.0
MAX_RETRY_AFTER = 3600.0
"""Seconds. A site that asks for no wait at all would otherwise be asked again and again without a pause, as no try is counted."""


class Outcome(StrEnum):
    """What becomes of a delivery after an attempt."""

    DELIVERED = "delivered"
    TRANSIENT = "transient"
    PERMANENT = "permanent"
    THROTTLED = "throttled"
    SITE_BROKEN = "site_broken"


@dataclass(slots=True)  # not frozen, which takes six times as long to make; nothing changes it
class Verdict:
    """An outcome and its reason in words for a person.

    Texts of the site's own may be put in as they came: here they lose secrets and what a database cannot store.
    """

    outcome: Outcome
    error: str = ""
    retry_after: float | None = None
    """Seconds for which the whole site waits; only with THROTTLED."""
    connection_failed: bool = False
    """No connection or no TLS: nothing of the site was reached."""
    remote_id: str | None = None
    names_user: bool = False
    """The answer named the user's public id: the site keys users by it."""
    answer: bytes | None = None
    """What the site said of this user, where it answered for several; None stands for all that it said."""

    def __post_init__(self) -> None:
        if self.error:
            self.error = redact.line(self.error)
        if self.remote_id is not None:
            self.remote_id = redact.clean(self.remote_id)[:MAX_REMOTE_ID] or None


HINTS = {
    401: "the site refused the signature: check its secret",
    403: "the site forbids it: check its secret and its firewall",
    404: "nothing at this path: is the sync path right?",
    405: "the path does not accept POST: is the sync path right?",
    410: "the endpoint is gone: is the URL right?",
    415: "the site does not accept JSON",
}
TRANSIENT_CODES = frozenset({408, 425, 429})
PERMANENT_CODES = frozenset({400, 409, 413, 422})
"""Those by which a site refuses this one user. Any other 4xx (402, say) speaks of the site, and is no reason to give up on a user."""
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
    if code in PERMANENT_CODES:
        return Verdict(Outcome.PERMANENT, f"HTTP {code}: the site refused this user")
    if code == 429:
        return Verdict(Outcome.TRANSIENT, "HTTP 429: too many requests")
    if code in TRANSIENT_CODES or code >= 500 or code < 200:
        return Verdict(Outcome.TRANSIENT, f"HTTP {code}: the site failed")
    if code < 400:
        target = response.headers.get("location", "")[:200] or "an address it does not name"
        return Verdict(
            Outcome.SITE_BROKEN, f"HTTP {code}: the site redirects to {target}, which is not followed. Put the right address in its URL"
        )
    return Verdict(Outcome.SITE_BROKEN, f"HTTP {code}: {HINTS.get(code, 'not an answer of a sync endpoint')}")


def retry_after(value: str | None, now: datetime) -> float | None:
    """Seconds from a Retry-After header (RFC 9110, 10.2.3: seconds or a date), from 1 to 3,600; None when it cannot be read."""
    value = (value or "").strip()
    if value.isascii() and value.isdigit():
        wait = float(value)
    else:
        try:
            moment = parsedate_to_datetime(value)
            # A date without an offset is in UTC.
            wait = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() - now.timestamp()
        except (ValueError, TypeError, IndexError, OverflowError):
            return None
    return min(max(wait, MIN_RETRY_AFTER), MAX_RETRY_AFTER)
