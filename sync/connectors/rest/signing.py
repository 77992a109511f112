"""Standard Webhooks headers (https://www.standardwebhooks.com): HMAC-SHA256 over `id.timestamp.body`."""

import functools
import re
from datetime import UTC, datetime

from standardwebhooks.webhooks import EmptyWebhookSecretError, Webhook

from sync.connectors.target import Target, Unsendable

_BASE64 = re.compile(r"[A-Za-z0-9+/]+={0,2}")


@functools.lru_cache(maxsize=1024)
def _signer(secret: str) -> Webhook:
    # The library itself drops what is not base64, and would sign with what is left.
    if not _BASE64.fullmatch(secret.removeprefix("whsec_")):
        raise ValueError("not base64")
    return Webhook(secret)


def headers(target: Target, message_id: str, payload: bytes) -> dict[str, str]:
    """The three headers, with one signature per secret of the site. Raises Unsendable when it has none, or a broken one."""
    if not target.secrets:
        raise Unsendable(f"{target.display_name} has no signing secret: make one on the site's page")
    now = datetime.now(UTC)
    text = payload.decode()
    try:
        signatures = " ".join(_signer(secret).sign(message_id, now, text) for secret in target.secrets)
    except (ValueError, EmptyWebhookSecretError):
        raise Unsendable(f"The signing secret of {target.display_name} is not in base64: make a new one on the site's page") from None
    return {"webhook-id": message_id, "webhook-timestamp": str(int(now.timestamp())), "webhook-signature": signatures}
