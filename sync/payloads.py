"""What a site is told about a user. Pure."""

import hashlib
import json
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

_encoder = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


@dataclass(frozen=True, slots=True)
class Message:
    """One user's state for one site: the content of an attempt."""

    message_id: str
    user_id: str
    email: str
    full_name: str
    role: str
    is_active: bool
    action: str
    version: int
    updated_at: datetime | None
    previous_email: str | None = None
    encoded: str = field(init=False, repr=False, compare=False)
    """The object that the site receives, as compact JSON: rendered once, sent and logged."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "encoded", _encoder(body(self)))


def message_id(delivery_id: int, version: int, generation: int) -> str:
    """Stable over retries of one version, new for newer content and for a forced resend. Has no dot, which separates signed parts."""
    return f"msg_{delivery_id}_{version}_{generation}"


def batch_id(message_ids: list[str]) -> str:
    """A batch's id: a hash of its members', so that the same members under the same ids, in any order, are the same message."""
    return "msg_batch_" + hashlib.sha256("\n".join(sorted(message_ids)).encode()).hexdigest()[:40]


def body(message: Message) -> dict[str, Any]:
    """The flat object that a site receives."""
    content: dict[str, Any] = {
        "id": message.user_id,
        "email": message.email,
        "full_name": message.full_name,
        "role": message.role,
        "is_active": message.is_active,
        "action": message.action,
        "version": message.version,
        "updated_at": message.updated_at.isoformat() if message.updated_at else None,
    }
    if message.previous_email:
        content["previous_email"] = message.previous_email
    return content


def digest(message: Message) -> str:
    """A fingerprint of the attributes a site holds, for comparing later; the version is not part of it."""
    attributes = [message.email, message.full_name, message.role, message.is_active, message.action]
    return hashlib.sha256(_encoder(attributes).encode()).hexdigest()[:32]
