"""What is wrong where a site does not take what it is sent, and what to do: the same words wherever a cause is named."""

from dataclasses import dataclass

from django.utils.translation import gettext as _

from sync.outcomes import PERMANENT_CODES, Outcome
from sync.transport.values import FailureKind


@dataclass(frozen=True)
class Remedy:
    """A cause: its key for programs, in a few words, and what a person does about it."""

    cause: str
    title: str
    todo: str


def of_code(code: int, outcome: str) -> Remedy:
    """Why a site that answered with this HTTP status did not take a user."""
    if 200 <= code < 300:
        return refuses_user() if outcome == Outcome.PERMANENT else not_json()
    if 300 <= code < 400:
        return Remedy(
            "redirect",
            _("The site redirects"),
            _(
                "The hub follows no redirects. Put the address that answers by itself into the site's URL: "
                "https:// instead of http://, say."
            ),
        )
    if outcome == Outcome.THROTTLED:
        return Remedy("throttled", _("The site asks to wait"), _("Nothing: the hub waits as long as the site asked, then sends by itself."))
    if code in PERMANENT_CODES:
        return refuses_user()
    if code >= 500 or code in {408, 425, 429}:
        return Remedy(
            "site_failed",
            _("The site answers that it fails (HTTP %(code)d)") % {"code": code},
            _("Look into the site's own log at the time of this request. The hub tries again by itself."),
        )
    return _of_client_error(code)


def _of_client_error(code: int) -> Remedy:
    if code == 401:
        return Remedy(
            "secret",
            _("The site refuses the signature (HTTP 401)"),
            _(
                "Put the site's present secret into the site, and see that its clock is right. Is the secret lost, "
                "make a new one on the site's page."
            ),
        )
    if code == 403:
        return Remedy(
            "forbidden",
            _("The site forbids it (HTTP 403)"),
            _("Put the site's present secret into the site, and have its firewall and its login let the sync path through."),
        )
    if code == 404:
        return Remedy(
            "not_found",
            _("Nothing is found at this path (HTTP 404)"),
            _("Is the path right? Compare the site's URL and sync path with what the site itself serves."),
        )
    if code == 405:
        return Remedy(
            "method",
            _("The path does not accept POST (HTTP 405)"),
            _("Is the path right? Have the site answer POST at the sync path."),
        )
    if code == 410:
        return Remedy("gone", _("The endpoint is gone (HTTP 410)"), _("Put the site's present address into its URL."))
    if code == 415:
        return Remedy(
            "media_type", _("The site does not accept JSON (HTTP 415)"), _("Have the site accept application/json at the sync path.")
        )
    return Remedy(
        "unexpected",
        _("This is not the answer of a sync endpoint (HTTP %(code)d)") % {"code": code},
        _("Is the path right? Look into the site's own log at the time of this request."),
    )


def refuses_user() -> Remedy:
    return Remedy(
        "refused_user",
        _("The site refuses this user"),
        _("Mend what the site complains of, in the user or at the site. A change of the user is sent by itself; else send it again."),
    )


def not_json() -> Remedy:
    return Remedy(
        "not_json",
        _("The site answers, but not with a JSON object"),
        _("This may be a login page, or a page for everything that is not found. Is the sync path right, and open without a login?"),
    )


def of_failure(kind: FailureKind, *, refused: bool = False) -> Remedy:
    """Why there was no answer. `refused`: the machine is there, and nothing listens at the port."""
    if refused:
        return Remedy(
            "refused",
            _("The connection is refused"),
            _("The machine is there, but nothing listens at this port. Is the site running, and is the port in its URL right?"),
        )
    table = {
        FailureKind.DNS: (
            _("The host name is not found (DNS)"),
            _("Check the host name in the site's URL. Is it spelt right, and can the hub's machine look it up?"),
        ),
        FailureKind.CONNECT: (
            _("No connection to the site's machine"),
            _("Is the address right, is the machine running, and does the firewall between let the hub through?"),
        ),
        FailureKind.TLS: (
            _("The secure connection fails (TLS)"),
            _(
                "Renew or mend the site's certificate; it must be valid for the host name in the URL. For an authority of your own, "
                "set SSL_CERT_FILE at the hub. A site without TLS needs http:// in its URL."
            ),
        ),
        FailureKind.TIMEOUT: (
            _("No answer in time"),
            _("The site took the connection and did not answer. Is it overloaded? Have it answer first and do slow work after."),
        ),
        FailureKind.BLOCKED: (
            _("The hub may not send to this address"),
            _("Give the site another URL, or take its network out of the setting SYNC_BLOCKED_NETWORKS."),
        ),
    }
    title, todo = table.get(
        kind,
        (
            _("The connection broke before the answer was complete"),
            _("Does the URL name the right port? Look into the site's own log, and that of a proxy before it."),
        ),
    )
    return Remedy(kind.value, title, todo)


def of_attempt(http_code: int | None, outcome: str) -> Remedy:
    """What to do about an attempt in the log that did not deliver."""
    if http_code:
        return of_code(http_code, outcome)
    return Remedy("no_answer", _("The site did not answer"), _("Press Test connection on the site's page: it names the cause."))
