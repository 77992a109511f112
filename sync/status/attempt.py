"""One attempt, explained: what was sent, what came back, why it counts as what it counts as, and what happens next."""

import json
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext as _

from sites.models import ConnectedSite
from sync import payloads
from sync.models import Action, Delivery, UserSyncLog
from sync.outcomes import PERMANENT_CODES, Outcome
from sync.redact import REDACTED
from sync.status import attempts, pairs, remedies, words
from sync.status.pairs import SiteStatus
from users.models import UserProfile

BATCH = "msg_batch_"
FIELDS = ["id", "email", "full_name", "role", "is_active", "action", "version", "updated_at", "previous_email"]


@dataclass(frozen=True)
class AttemptPage:
    """All that the page of one attempt says."""

    row: UserSyncLog
    look: str
    symbol: str
    word: str
    headline: str
    what: str
    cause: str
    user_key: int | None
    """The internal key of the user, if it is in the directory."""
    site: ConnectedSite | None
    request: str
    """Method and address, by the site's settings of now."""
    headers: list[tuple[str, str]]
    sent: str
    """The user's object as JSON, indented; empty where it is not known."""
    in_batch: bool
    answer: str
    """What came back, indented where it is JSON."""
    rule: str
    todo: str
    next: str
    newer: UserSyncLog | None
    """The next attempt for the same user at the same site."""
    can_retry: bool

    @property
    def duration(self) -> str:
        return _("not known") if self.row.duration_ms is None else f"{words.number(self.row.duration_ms)} ms"


def attempt_page(row: UserSyncLog) -> AttemptPage:
    """Everything about this attempt, in five queries."""
    site = ConnectedSite.objects.filter(pk=row.site_id).first()
    user_key, version = UserProfile.objects.filter(user_id=row.user_id).values_list("pk", "version").first() or (None, 0)
    delivery = Delivery.objects.filter(site_id=row.site_id, user_id=row.user_id).first()
    newer = (
        UserSyncLog.objects.filter(user_id=row.user_id, site_id=row.site_id, pk__gt=row.pk)
        .defer("attributes", "response")
        .order_by("pk")
        .first()
    )
    state = pairs.of_pairs([(row.user_id, row.site_id)]).get(row.user_id)
    at = state.sites[0] if state and state.sites else None
    look, symbol, word = attempts.look_of(row)
    delivered = row.status == UserSyncLog.Result.SUCCESS
    return AttemptPage(
        row=row,
        look=look,
        symbol=symbol,
        word=word,
        headline=_headline(row, site),
        what=str(dict(Action.choices).get(row.type, row.type)),
        cause=words.cause(row.cause),
        user_key=user_key,
        site=site,
        request=_request(row, site),
        headers=_headers(row),
        sent=_pretty(_as_sent(row.attributes)),
        in_batch=row.message_id.startswith(BATCH),
        answer=_answer(row.response),
        rule=rule(row),
        todo="" if delivered or row.status == UserSyncLog.Result.LOST else remedies.of_attempt(row.http_code, row.outcome).todo,
        next=what_next(row, site, delivery, at, version),
        newer=newer,
        can_retry=site is not None and site.is_active and at is not None and (at.in_scope or at.look != "none"),
    )


def _headline(row: UserSyncLog, site: ConnectedSite | None) -> str:
    names = {"who": row.email or row.user_id, "site": site or row.site_name}
    if row.status == UserSyncLog.Result.SUCCESS:
        if row.type == Action.DELETE:
            return _("%(site)s removed %(who)s.") % names
        return _("%(site)s accepted %(who)s.") % names
    if row.error:
        return f"{row.error.rstrip('.')}."
    return _("%(site)s did not accept %(who)s.") % names


def _request(row: UserSyncLog, site: ConnectedSite | None) -> str:
    if site is None:
        return ""
    path = site.sync_path
    if row.message_id.startswith(BATCH):
        path = f"{path.rstrip('/')}/batch"
    elif row.type == Action.DELETE:
        path = f"{path.rstrip('/')}/delete"
    return f"POST {site.url.rstrip('/')}{path}"


def _headers(row: UserSyncLog) -> list[tuple[str, str]]:
    return [
        ("Content-Type", "application/json"),
        ("webhook-id", row.message_id or payloads.message_id(0, row.version, row.generation)),
        ("webhook-timestamp", str(int(row.started_at.timestamp()))),
        ("webhook-signature", f"v1,{REDACTED}"),
    ]


def _as_sent(content: Any) -> Any:
    """In the order of the protocol: the database keeps none."""
    if not isinstance(content, dict):
        return content
    return {name: content[name] for name in sorted(content, key=lambda name: FIELDS.index(name) if name in FIELDS else len(FIELDS))}


def _pretty(content: Any) -> str:
    return "" if content is None else json.dumps(content, indent=2, ensure_ascii=False)


def _answer(text: str) -> str:
    try:
        return _pretty(json.loads(text)) if text.lstrip()[:1] in {"{", "["} else text
    except (ValueError, RecursionError):  # cut, or only nearly JSON
        return text


def rule(row: UserSyncLog) -> str:
    """The rule of docs/protocol.md by which the answer counts as what it counts as, in words."""
    code = row.http_code
    if row.status == UserSyncLog.Result.LOST:
        return _(
            "The hub's sender ended before it could write down an answer. The request may have arrived, so it counts neither as "
            "delivered nor as failed, and the user is sent again."
        )
    rules = {
        Outcome.DELIVERED: _(
            'Delivered: a status from 200 to 299 with an empty body, or with a JSON object in which "success" is not false.'
        ),
        Outcome.PERMANENT: _refused(code, row.type),
        Outcome.THROTTLED: _throttled(code),
        Outcome.SITE_BROKEN: _site_broken(code),
        Outcome.TRANSIENT: _transient(code),
    }
    return rules.get(Outcome(row.outcome), "") if row.outcome in list(Outcome) else ""


def _refused(code: int | None, action: str) -> str:
    if action == Action.DELETE and code in {404, 405}:
        return _("Refused for good: 404 or 405 to a removal means that this site cannot remove users; access may remain.")
    if code in PERMANENT_CODES:
        return _("Refused for good: 400, 409, 413 and 422 say that this user is not accepted as it is. It is not tried again by itself.")
    return _('Refused for good: the answer says "success": false. It is not tried again by itself.')


def _throttled(code: int | None) -> str:
    if code in {429, 503}:
        return _("The site asks to wait: 429 or 503 with Retry-After. The whole site waits that long, and no try is used up.")
    return _("The site refused the batch as a whole: its users are sent again at once in smaller ones, and no try is used up.")


def _site_broken(code: int | None) -> str:
    if code is None:
        return _(
            "A fault of the site, not of this user: TLS failed, or the site cannot be called as it is set up. It counts towards quarantine."
        )
    if 200 <= code < 300:
        return _("A fault of the site, not of this user: a success must be empty or a JSON object. It counts towards quarantine.")
    if 300 <= code < 400:
        return _("A fault of the site, not of this user: redirects are never followed. It counts towards quarantine.")
    return _(
        "A fault of the site, not of this user: %(code)d says that the endpoint, not the user, is refused. It counts towards quarantine."
    ) % {"code": code}


def _transient(code: int | None) -> str:
    if code is None:
        return _(
            "For the moment only: no connection, an unknown host, a time-out or a broken answer passes. The hub tries again by itself."
        )
    if 200 <= code < 300:
        return _("For the moment only: the batch's answer says nothing certain about this user. The hub tries again by itself.")
    return _("For the moment only: 408, 425, 429 and 5xx pass. The hub tries again by itself, after longer and longer waits.")


def what_next(row: UserSyncLog, site: ConnectedSite | None, delivery: Delivery | None, at: SiteStatus | None, version: int = 0) -> str:
    """What becomes of it now, by what the site is owed. `version` is the user's own, which may be ahead of the fan-out."""
    names = {"site": site or row.site_name}
    if site is None:
        return _("Nothing: %(site)s is no longer connected.") % names
    if delivery is None:
        return _("Nothing: nothing is owed to %(site)s about this user any more.") % names
    if at is None or not at.site_active:
        return _("Nothing until %(site)s is active again. Then it is sent what it is owed.") % names
    if at.status == "in_progress":
        return _("It is being sent again right now.")
    if at.status == "success":
        if not at.in_scope:
            return _("Nothing: %(site)s is owed nothing about this user.") % names
        if row.status == UserSyncLog.Result.SUCCESS and (row.version, row.generation) == (
            delivery.acked_version,
            delivery.acked_generation,
        ):
            return _("Nothing: %(site)s has the user as it is now, by this very attempt.") % names
        return _("Nothing: %(site)s has the user as it is now, by a later attempt.") % names
    if at.status == "failed":
        return _("Nothing by itself: it is sent again when the user or the site changes, or someone sends it.")
    newer = _("The user has changed since: a newer version is owed.") if max(delivery.wanted_version, version) > row.version else ""
    if at.wait and at.is_paused:
        then = _("%(site)s is %(why)s. It is sent when the site is resumed.") % {**names, "why": at.wait.phrase}
    elif at.wait and at.wait.kind == "quarantined":
        then = _("%(site)s is %(why)s. The next probe is %(when)s.") % {**names, "why": at.wait.phrase, "when": at.next_words or _("due")}
    else:
        then = _("Next try %(when)s.") % {"when": at.next_words or _("now")}
    return f"{newer} {then}".strip()
