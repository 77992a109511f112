"""What comes in: who signed it, and whether it says what the protocol says. Nothing here changes anything."""

from __future__ import annotations

import json
from email.message import Message
from pathlib import Path
from typing import Any

from standardwebhooks import Webhook, WebhookVerificationError

from .store import Change

LARGEST_VERSION = 2**63 - 1


class Refused(Exception):
    """The message is not accepted: an HTTP status, and a sentence for whoever reads the sender's log."""

    def __init__(self, status: int, why: str) -> None:
        super().__init__(why)
        self.status = status
        self.why = why


class SecretFile:
    """The signing secret, read from a file that may appear or change at any time."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._seen: tuple[int, int, int] | None = None
        self._webhook: Webhook | None = None

    def webhook(self) -> Webhook:
        """The verifier for the secret now in the file. Raises Refused (401) where there is none, or none that is usable."""
        try:
            stat = self._path.stat()
            seen = (stat.st_mtime_ns, stat.st_size, stat.st_ino)
            if self._webhook is None or seen != self._seen:
                secret = self._path.read_text(encoding="ascii").strip()
                self._webhook = None
                if not secret:
                    raise Refused(401, "no secret yet: this site's secret file is empty")
                if not secret.startswith("whsec_"):
                    raise Refused(401, "no usable secret: what is in this site's secret file does not start with whsec_")
                self._webhook, self._seen = Webhook(secret), seen
        except FileNotFoundError:
            raise Refused(401, "no secret yet: this site's secret file does not exist") from None
        except OSError as error:
            raise Refused(401, f"no secret: this site's secret file cannot be read ({error.strerror})") from None
        except (ValueError, RuntimeError):  # not ASCII, or not base64 after the prefix
            raise Refused(401, "no usable secret: what is in this site's secret file is not whsec_ and base64") from None
        except Refused:
            raise
        except Exception:  # EmptyWebhookSecretError, which the library does not export
            raise Refused(401, "no usable secret: there is nothing after whsec_ in this site's secret file") from None
        return self._webhook

    def verify(self, body: bytes, headers: Message) -> str:
        """The message id of a message that the hub signed less than five minutes ago. Raises Refused (401)."""
        webhook = self.webhook()
        try:
            webhook.verify(body, dict(headers.items()), json_parse=False)
        except WebhookVerificationError as error:
            raise Refused(401, f"signature refused: {str(error)[0].lower()}{str(error)[1:]}") from None
        except ValueError:
            # The library raises a bare ValueError at a signature without a comma, at bad base64, at a body that is not UTF-8.
            raise Refused(401, "signature refused: webhook-signature is not `v1,<base64>`, or the body is not UTF-8") from None
        return str(headers["webhook-id"])


def read_json(body: bytes) -> Any:
    """Raises Refused (400)."""
    try:
        return json.loads(body)
    except (ValueError, RecursionError) as error:
        raise Refused(400, f"the body is not JSON: {error}") from None


def read_user(data: Any, removal: bool) -> Change:
    """One flat user. A removal needs no more than `id` and `version`. Raises Refused (422) naming the field."""
    if not isinstance(data, dict):
        raise Refused(422, "a user must be a JSON object")
    expected = "delete" if removal else "upsert"
    if data.get("action", expected) != expected:
        where = "the path that ends in /delete" if data["action"] == "delete" else "the path without /delete"
        raise Refused(422, f"action must be {expected!r} here; send {data['action']!r} to {where}")
    user_id, version, active = data.get("id"), data.get("version"), data.get("is_active", True)
    if not isinstance(user_id, str) or not user_id:
        raise Refused(422, "id must be a text that is not empty")
    if not isinstance(version, int) or isinstance(version, bool) or not 0 <= version <= LARGEST_VERSION:
        raise Refused(422, "version must be a whole number, 0 or more")
    if removal:
        email = data.get("email")  # only to name the user on the page
        return Change(user_id, version, removal=True, email=email if isinstance(email, str) else "")
    texts = {}
    for field in ("email", "full_name", "role", "updated_at"):
        texts[field] = data.get(field, "")
        if not isinstance(texts[field], str):
            raise Refused(422, f"{field} must be a text")
    if "@" not in texts["email"]:
        raise Refused(422, "email must be an email address")
    if not isinstance(active, bool):
        raise Refused(422, "is_active must be true or false")
    return Change(user_id, version, removal=False, is_active=active, **texts)


def read_batch(data: Any) -> list[Any]:
    """The members of `{"users":[…]}`, unread: each may still be refused without its neighbours. Raises Refused (422)."""
    if not isinstance(data, dict) or not isinstance(data.get("users"), list):
        raise Refused(422, 'a batch must be {"users": [...]}')
    members: list[Any] = data["users"]
    return members
