"""A stand-in for the hub: signs with the `standardwebhooks` library and sends over a connection that it keeps."""

from __future__ import annotations

import base64
import http.client
import itertools
import json
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

from standardwebhooks import Webhook

PATH = "/api/users/sync"
SECRET = "whsec_" + base64.b64encode(b"the secret of one sample site...").decode()
OTHER_SECRET = "whsec_" + base64.b64encode(b"another secret, of another site.").decode()


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    text: str

    @property
    def json(self) -> Any:
        return json.loads(self.text)

    @property
    def error(self) -> str:
        return str(self.json["error"])


def user(id: str = "user_1", version: int = 1, **fields: Any) -> dict[str, Any]:
    """An upsert's body."""
    values = {"email": f"{id}@example.com", "full_name": "Ada Lovelace", "role": "user", "is_active": True}
    return {"id": id, **values, "action": "upsert", "version": version, "updated_at": "2025-01-31T09:30:00Z", **fields}


def removal(id: str = "user_1", version: int = 2, **fields: Any) -> dict[str, Any]:
    return {**user(id, version), "is_active": False, "action": "delete", **fields}


class Sender:
    """One sender to one site. Message ids are made up where none is given."""

    _numbers = itertools.count(1)

    def __init__(self, url: str, secret: str = SECRET) -> None:
        self._connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=10)
        self.secret = secret

    def upsert(self, body: Any, **options: Any) -> Answer:
        return self.post(PATH, body, **options)

    def remove(self, body: Any, **options: Any) -> Answer:
        return self.post(f"{PATH}/delete", body, **options)

    def batch(self, users: list[Any], **options: Any) -> Answer:
        return self.post(f"{PATH}/batch", {"users": users}, **options)

    def post(
        self, path: str, body: Any, message_id: str | None = None, at: float | None = None, headers: dict[str, str | None] | None = None
    ) -> Answer:
        """`body` is sent as it is where it is bytes; `headers` replace the signed ones, and None leaves one out."""
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        signed: dict[str, str | None] = {"Content-Type": "application/json", **self.sign(raw, message_id, at), **(headers or {})}
        return self.request("POST", path, raw, {name: value for name, value in signed.items() if value is not None})

    def sign(self, raw: bytes, message_id: str | None = None, at: float | None = None) -> dict[str, str]:
        message_id = message_id or f"msg_made_up_{next(self._numbers)}"
        moment = int(time.time() if at is None else at)
        # Latin-1 keeps every byte apart, so that a body which is not UTF-8 can be sent at all; its signature is then wrong.
        text = raw.decode() if _is_utf8(raw) else raw.decode("latin-1")
        signature = Webhook(self.secret).sign(message_id, datetime.fromtimestamp(moment, UTC), text)
        return {"webhook-id": message_id, "webhook-timestamp": str(moment), "webhook-signature": signature}

    def request(self, method: str, path: str, body: bytes | None = None, headers: dict[str, str] | None = None) -> Answer:
        self._connection.request(method, path, body, headers or {})
        response = self._connection.getresponse()
        return Answer(response.status, {name.lower(): value for name, value in response.getheaders()}, response.read().decode())

    def close(self) -> None:
        self._connection.close()

    __del__ = close  # most tests make one, use it and forget it


def _is_utf8(raw: bytes) -> bool:
    try:
        raw.decode()
    except UnicodeDecodeError:
        return False
    return True
