"""Test connection: one harmless request to a site, and what came of it in words.

The request is the removal of a user who cannot exist, signed and sent like any other. A site that follows the protocol knows no such
user and answers 2xx, so one request shows that address, TLS, path, secret and answer are right. docs/decisions/0013 says why.
"""

import errno
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from django.conf import settings
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.contenttypes.models import ContentType
from django.utils.translation import gettext as _

from sites.models import ConnectedSite
from sync import redact, status
from sync.connectors import CONNECTORS
from sync.connectors.target import Target, Unsendable
from sync.outcomes import HINTS, Outcome, Verdict
from sync.payloads import Message
from sync.status import remedies
from sync.status.remedies import Remedy
from sync.status.waits import Wait
from sync.transport import FailureKind, HttpFailure, HttpRequest, HttpResult, direct, failures

USER_ID = "connection-test"
"""The id of the user whom the test removes. No user of the directory has it."""
EMAIL = "connection-test@example.invalid"
"""An address that nobody can have (RFC 2606)."""
VERSION = 1
WORTH_A_LOOK = 0.1
"""Seconds that must be left of the deadline for a second look."""
NAME_THE_CONNECTION = 0.8
"""The part of the time after which a missing connection is called that, rather than a missing answer."""


PASSED = "Connection test: the connection works."
"""In a site's history. In English, as all that is kept: whoever reads it may read another language than who did it."""


@dataclass(frozen=True)
class ConnectionTest:
    """What came of a test. `level` is success, warning (the site answers, but not all works) or failed."""

    level: str
    cause: str
    """ok, dns, refused, connect, timeout, tls, blocked, secret, forbidden, not_found, method, redirect, not_json, …"""
    title: str
    said: str = ""
    """In the words that the log would have."""
    todo: str = ""
    request: str = ""
    """The method and address that were called."""
    http_code: int | None = None
    duration_ms: int = 0
    answer: str = ""
    """What the site said, cut, with what looks like a secret replaced."""
    notes: list[str] = field(default_factory=list)

    @property
    def good(self) -> bool:
        return self.level == "success"

    @property
    def symbol(self) -> str:
        return {"success": "check_circle", "warning": "warning"}.get(self.level, "error")


def try_connection(site: ConnectedSite) -> ConnectionTest:
    """Sends the test to this site, active or not, and says what came of it. Takes as long as the push deadline at the most.

    Call it outside of transactions. Nothing is written: not to the log, nor to the site's health. `remember` does where a login is known.
    """
    ends = time.monotonic() + min(site.timeout, settings.SYNC_PUSH_DEADLINE)
    target, message = _target(site), _message()
    connector = CONNECTORS[site.connector]
    try:
        request = connector.build(target, [message])
    except Unsendable as unsendable:
        return ConnectionTest("failed", "unsendable", _("Nothing can be sent to this site"), str(unsendable), _make_secret())
    result = direct.send(_within(request, ends))
    (verdict,) = connector.read(target, [message], result)
    wait = status.waits([site.pk]).get(site.pk)
    remedy, level = _judge(site, target, verdict, result, ends, wait)
    answered = not isinstance(result, HttpFailure)
    return ConnectionTest(
        level,
        remedy.cause,
        remedy.title,
        "" if level == "success" else _said(verdict, remedy, result),
        remedy.todo,
        f"{request.method} {request.url}",
        None if isinstance(result, HttpFailure) else result.status,
        round(result.duration * 1000),
        "" if isinstance(result, HttpFailure) else redact.response_text(result.body),
        _notes(site, verdict, wait, answered and level == "success"),
    )


def remember(site: ConnectedSite, test: ConnectionTest, login_id: int) -> None:
    """Writes what came of a test into the site's history, beside who did it."""
    told = PASSED if test.good else f"Connection test: {test.said or test.cause}"
    kind = ContentType.objects.get_for_model(ConnectedSite)
    LogEntry.objects.create(
        user_id=login_id, content_type=kind, object_id=str(site.pk), object_repr=str(site)[:200], action_flag=CHANGE, change_message=told
    )


def ever_passed(site_ids: Sequence[int]) -> bool:
    """Whether the connection to one of these sites was ever tested on its page, and worked."""
    kind = ContentType.objects.get_for_model(ConnectedSite)
    keys = [str(key) for key in site_ids]
    return LogEntry.objects.filter(content_type=kind, object_id__in=keys, change_message=PASSED).exists()


def _target(site: ConnectedSite) -> Target:
    fields = {name: getattr(site, name) for name in ("url", "sync_path", "connector", "batch_size", "max_in_flight", "timeout", "epoch")}
    secrets = tuple(site.credentials.signing().values_list("secret", flat=True))
    return Target(
        site_id=site.pk, name=site.name, display_name=str(site), secrets=secrets, connect_timeout=settings.SYNC_CONNECT_TIMEOUT, **fields
    )


def _message() -> Message:
    """The same as the removal of a user whose row is gone. A new id each time, so that no site takes it for one it knows."""
    return Message(
        message_id=f"{USER_ID}_{uuid.uuid4().hex}",
        user_id=USER_ID,
        email=EMAIL,
        full_name="",
        role="",
        is_active=False,
        action="delete",
        version=VERSION,
        updated_at=None,
    )


def _within(request: HttpRequest, ends: float) -> HttpRequest:
    left = max(0.001, ends - time.monotonic())
    return replace(request, timeout=left, connect_timeout=min(request.connect_timeout, left * NAME_THE_CONNECTION))


def _judge(site: ConnectedSite, target: Target, verdict: Verdict, result: HttpResult, ends: float, wait: Wait | None) -> tuple[Remedy, str]:
    if isinstance(result, HttpFailure):
        refused = result.kind is FailureKind.CONNECT and result.message == failures.no_connection(errno.ECONNREFUSED).message
        return remedies.of_failure(result.kind, refused=refused), "failed"
    if verdict.outcome is Outcome.DELIVERED:
        return Remedy("ok", _("The connection works"), _works(site, wait)), "success"
    if result.status in {404, 405}:
        return _path(site, result.status, _something_answers(target, ends))
    remedy = remedies.of_code(result.status, verdict.outcome)
    if verdict.outcome is Outcome.PERMANENT:
        todo = _(
            "The site is reached and knows the secret. But the test is the removal of a user that the site does not know, "
            "and the protocol asks to answer that with success: otherwise a real removal that comes twice shows as failed."
        )
        return replace(remedy, title=_("The site answers, but refuses to remove a user it does not know"), todo=todo), "warning"
    return remedy, "warning" if remedy.cause == "throttled" else "failed"


def _said(verdict: Verdict, remedy: Remedy, result: HttpResult) -> str:
    """What the log would say; of a path that is not there, what the site said: it does not tell whether the site can remove users."""
    if remedy.cause in {"not_found", "method"} and not isinstance(result, HttpFailure):
        return f"HTTP {result.status}: {HINTS[result.status]}"
    return verdict.error


def _works(site: ConnectedSite, wait: Wait | None) -> str:
    if not site.is_active:
        return _("Make the site active, and it is sent everyone in its scope.")
    if wait and wait.kind == "waiting":
        return _("The site asked the hub to wait. Press Resume to send what waits now.")
    if wait:
        return _("The hub still waits with this site: it is %(why)s. Press Resume to send what waits now.") % {"why": wait.phrase}
    return _("Nothing to do: what this site is owed is sent by itself.")


def _path(site: ConnectedSite, code: int, something_answers: bool) -> tuple[Remedy, str]:
    """404 or 405 to the test: a wrong path, or a site without the removal (or the batch) beside its sync path."""
    called = "batch" if site.batch_size > 1 else "delete"
    names = {"path": site.sync_path, "called": f"{site.sync_path.rstrip('/')}/{called}"}
    remedy = remedies.of_code(code, Outcome.SITE_BROKEN)
    if not something_answers:
        todo = _("Is the path right? Neither %(called)s nor %(path)s is there. If %(path)s is right, add %(called)s at the site.") % names
        return replace(remedy, todo=todo), "failed"
    if called == "batch":
        todo = _("There is something at %(path)s, but not at %(called)s. Set the batch size to 1, or add that path at the site.") % names
        return replace(remedy, cause="no_batches", title=_("The site takes no batches"), todo=todo), "failed"
    todo = _("There is something at %(path)s, but not at %(called)s: leavers would keep their access. Add that path at the site.") % names
    return replace(remedy, cause="no_removals", title=_("The site cannot remove users"), todo=todo), "warning"


def _something_answers(target: Target, ends: float) -> bool:
    """Whether anything is at the sync path itself, by a GET, which changes nothing. Any answer but 404 is something."""
    if ends - time.monotonic() < WORTH_A_LOOK:
        return False
    url = target.url.rstrip("/") + target.sync_path
    look = HttpRequest(url, {"Accept": "application/json"}, b"", target.timeout, target.connect_timeout, method="GET")
    result = direct.send(_within(look, ends))
    return not isinstance(result, HttpFailure) and result.status != 404


def _notes(site: ConnectedSite, verdict: Verdict, wait: Wait | None, good: bool) -> list[str]:
    """What else there is to know, now that the site answered."""
    notes = []
    if good and verdict.names_user:
        notes.append(_("The site answers with the user's id, which confirms that it knows users by it."))
    if not site.is_active:
        notes.append(_("The site is inactive: apart from this test it is sent nothing."))
        if wait and wait.kind == "paused":
            notes.append(_("It is also %(why)s: active again, it is sent nothing until somebody presses Resume.") % {"why": wait.phrase})
    return notes


def _make_secret() -> str:
    return _("Make a new secret on the site's page, and put it into the site.")
