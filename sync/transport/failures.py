"""The words for every way a request can fail, the same whichever way it was sent."""

import errno
import os

from sync.transport.values import FailureKind, HttpFailure

NOT_TLS = ("WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE", "HTTP_REQUEST", "PACKET_LENGTH_TOO_LONG")


class Failed(Exception):
    """There will be no answer. Only the transport itself sees this; what leaves it is an HttpFailure."""

    def __init__(self, kind: FailureKind, message: str) -> None:
        super().__init__(message)
        self.kind = kind
        self.message = message

    def after(self, seconds: float) -> HttpFailure:
        return HttpFailure(self.kind, self.message, seconds)


def unsendable(error: ValueError) -> Failed:
    """Nothing goes out: the hub itself refuses."""
    return Failed(FailureKind.BLOCKED, str(error))


def blocked(reason: str) -> Failed:
    return Failed(FailureKind.BLOCKED, reason)


def not_found() -> Failed:
    return Failed(FailureKind.DNS, "The host name cannot be found: check the site's URL")


def not_found_in_time() -> Failed:
    return Failed(FailureKind.DNS, "The host name was not found in time: the DNS server does not answer")


def no_connection(number: int | None) -> Failed:
    """From the system's error number."""
    if number == errno.ECONNREFUSED:
        return Failed(FailureKind.CONNECT, "Connection refused: nothing listens at the site's address")
    reason = os.strerror(number) if number else "the site's address does not answer"
    return Failed(FailureKind.CONNECT, f"No connection: {_short(reason)}")


def no_connection_in_time() -> Failed:
    return Failed(FailureKind.CONNECT, "No connection in time: the site's machine does not answer")


def no_answer(within: float) -> Failed:
    return Failed(FailureKind.TIMEOUT, f"No complete answer within {within:.3g} s")


def tls(detail: str) -> Failed:
    detail = _short(detail)
    if any(sign in detail.upper().replace(" ", "_") for sign in NOT_TLS):
        return Failed(FailureKind.TLS, f"TLS failed: the site does not speak TLS there. Should its URL begin with http://? ({detail})")
    return Failed(FailureKind.TLS, f"TLS failed: {detail}")


def no_ca_file(path: str) -> Failed:
    return Failed(FailureKind.TLS, f"TLS failed: the hub cannot read the certificates of authorities in {path} (SSL_CERT_FILE)")


def cut_short() -> Failed:
    return Failed(FailureKind.CUT_SHORT, "The answer was cut short")


def too_long() -> Failed:
    return Failed(FailureKind.CUT_SHORT, "The answer's headers never end: not the answer of a sync endpoint")


def not_http() -> Failed:
    return Failed(FailureKind.RESET, "What came back is not HTTP: does the URL name the right port?")


def hung_up() -> Failed:
    return Failed(FailureKind.RESET, "The connection broke: the site closed it before its answer was complete")


def broken(detail: str) -> Failed:
    return Failed(FailureKind.RESET, f"The connection broke: {_short(detail)}")


def _short(text: str) -> str:
    return " ".join(text.split())[:200]
