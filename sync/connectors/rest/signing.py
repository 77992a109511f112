"""Standard Webhooks headers (https://www.standardwebhooks.com): HMAC-SHA256 over `id.timestamp.body`."""

import base64
import binascii
import functools
import hmac
import re
import time

from sync.connectors.target import Target, Unsendable

_BASE64 = re.compile(r"[A-Za-z0-9+/]+={0,2}")


@functools.lru_cache(maxsize=1024)
def _key(secret: str) -> bytes:
    """Raises ValueError for what is not base64: the decoder itself would drop such characters, and sign with what is left."""
    text = secret.removeprefix("whsec_")
    if not _BASE64.fullmatch(text):
        raise ValueError("not base64")
    return base64.b64decode(text + "==")  # padding may be missing; more than is needed does no harm


def sign(secret: str, message_id: str, timestamp: str, payload: bytes) -> str:
    """One signature, as it stands in the header. Raises ValueError for a broken secret."""
    signed = b"%s.%s.%s" % (message_id.encode(), timestamp.encode(), payload)
    # In one call to OpenSSL: objects that are made anew for every request take ten times as long.
    return "v1," + base64.b64encode(hmac.digest(_key(secret), signed, "sha256")).decode()


def headers(target: Target, message_id: str, payload: bytes) -> dict[str, str]:
    """The three headers, with one signature per secret of the site. Raises Unsendable when it has none, or a broken one."""
    if not target.secrets:
        raise Unsendable(f"{target.display_name} has no signing secret: make one on the site's page")
    now = str(int(time.time()))
    try:
        signatures = " ".join(sign(secret, message_id, now, payload) for secret in target.secrets)
    except (ValueError, binascii.Error):
        raise Unsendable(f"The signing secret of {target.display_name} is not in base64: make a new one on the site's page") from None
    return {"webhook-id": message_id, "webhook-timestamp": now, "webhook-signature": signatures}
