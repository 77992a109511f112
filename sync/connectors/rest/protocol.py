"""Requests and answers of the `rest` protocol."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import orjson

from sync import outcomes, payloads, redact
from sync.connectors.rest import signing
from sync.connectors.target import Target
from sync.outcomes import Outcome, Verdict
from sync.payloads import Message
from sync.transport.values import HttpFailure, HttpRequest, HttpResponse, HttpResult

CANNOT_REMOVE = "this site cannot remove users; access may remain"
USER_AGENT = "SSO-Dashboard/1"


class RestConnector:
    """`POST {sync_path}` for an upsert, `{sync_path}/delete` for a removal, `{sync_path}/batch` for several users."""

    def build(self, target: Target, messages: Sequence[Message]) -> HttpRequest:
        """The signed request. A removal alone never goes to `sync_path`: a handler that ignores `action` would bring the user back."""
        if target.batch_size > 1:
            path, message_id = "/batch", payloads.batch_id([message.message_id for message in messages])
            payload = b'{"users":[' + b",".join([message.encoded for message in messages]) + b"]}"
        else:
            (message,) = messages
            path, message_id = "/delete" if message.action == "delete" else "", message.message_id
            payload = message.encoded
        headers = {
            "Content-Type": "application/json",
            "Accept": "application/json",
            "User-Agent": USER_AGENT,
            **signing.headers(target, message_id, payload),
        }
        sync_path = target.sync_path.rstrip("/") + path if path else target.sync_path
        url = target.url.rstrip("/") + sync_path
        return HttpRequest(url, headers, payload, target.timeout, target.connect_timeout)

    def read(self, target: Target, messages: Sequence[Message], result: HttpResult) -> list[Verdict]:
        """One verdict a message."""
        verdict, answer = _whole(result)
        if target.batch_size > 1:
            return [verdict] * len(messages) if verdict else _members(messages, answer)
        (message,) = messages
        return [_single(message, verdict, answer, result)]


def _whole(result: HttpResult) -> tuple[Verdict | None, dict[str, Any]]:
    """The verdict on the request as a whole, or None and the answer's JSON object when it was accepted."""
    if isinstance(result, HttpFailure):
        return outcomes.of_failure(result), {}
    verdict = outcomes.of_status(result, datetime.now(UTC))
    if verdict:
        reason = _reason(_json(result.body))
        if reason and verdict.outcome is not Outcome.THROTTLED:
            verdict = Verdict(verdict.outcome, f"{verdict.error} ({reason})")
        return verdict, {}
    if result.truncated:
        return Verdict(Outcome.SITE_BROKEN, f"HTTP {result.status} with more than 64 kB: not the answer of a sync endpoint"), {}
    if not result.body.strip():
        return None, {}
    answer = _json(result.body)
    if not isinstance(answer, dict):
        return Verdict(Outcome.SITE_BROKEN, _no_object(result)), {}
    return None, answer


def _no_object(response: HttpResponse) -> str:
    found = f"HTTP {response.status} without a JSON object"
    packed = response.headers.get("content-encoding", "identity")
    if packed.lower() != "identity":
        return f"{found}: it is packed ({packed[:20]}), although the request asked for it not to be"
    return f"{found} ({response.headers.get('content-type', 'no content type')[:60]}): a login page? Is the sync path right?"


def _single(message: Message, verdict: Verdict | None, answer: dict[str, Any], result: HttpResult) -> Verdict:
    if verdict is None:
        return _accepted(message, answer)
    if message.action == "delete" and not isinstance(result, HttpFailure) and result.status in {404, 405}:
        return Verdict(Outcome.PERMANENT, f"HTTP {result.status}: {CANNOT_REMOVE}")
    return verdict


def _accepted(message: Message, answer: dict[str, Any], text: bytes | None = None) -> Verdict:
    if answer.get("success") is False:
        return Verdict(Outcome.PERMANENT, f"The site refused this user: {_reason(answer) or 'it gave no reason'}", answer=text)
    remote_id = answer.get("remote_id")
    return Verdict(
        Outcome.DELIVERED,
        remote_id=None if remote_id is None else _remote_id(remote_id),
        names_user=answer.get("id") == message.user_id,
        answer=text,
    )


def _remote_id(given: Any) -> str | None:
    return str(given) if isinstance(given, str | int) and not isinstance(given, bool) else None


def _members(messages: Sequence[Message], answer: dict[str, Any]) -> list[Verdict]:
    """Each user by its own result; one that the answer leaves out is tried again, and never fails its neighbours."""
    results = answer.get("results")
    if not isinstance(results, list):
        said = _reason(answer)
        error = 'The answer has no list "results": does this path take batches?' + (f" ({said})" if said else "")
        return [Verdict(Outcome.SITE_BROKEN, error)] * len(messages)
    by_id: dict[str, list[dict[str, Any]]] = {}
    for item in results:
        if isinstance(item, dict) and isinstance(item.get("id"), str) and isinstance(item.get("success"), bool):
            by_id.setdefault(item["id"], []).append(item)
    return [_member(message, by_id.get(message.user_id, [])) for message in messages]


def _member(message: Message, items: list[dict[str, Any]]) -> Verdict:
    if not items:
        return Verdict(Outcome.TRANSIENT, "The site's answer says nothing about this user")
    if len(items) > 1 and any(item["success"] is not items[0]["success"] for item in items):
        error = "The site's answer says both that it took this user and that it did not"
        return Verdict(Outcome.TRANSIENT, error, answer=orjson.dumps(items))
    return _accepted(message, items[0], orjson.dumps(items[0]))


def _json(body: bytes) -> Any:
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        pass
    try:  # with a byte order mark, in UTF-16, or with a NaN in it: read all the same
        return json.loads(body)
    except (ValueError, RecursionError):
        return None


def _reason(answer: Any) -> str:
    """What the site itself says is wrong: its `error`, `message` or `detail`, or the `message` within its `error`."""
    if not isinstance(answer, dict):
        return ""
    for key in ("error", "message", "detail"):
        said = answer.get(key)
        if isinstance(said, dict):
            said = said.get("message")
        if isinstance(said, str) and said.strip():
            return redact.line(said, 300)
    return ""
