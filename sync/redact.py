"""Keep what a site answered, without what must not be kept, and fit to be stored and shown. Pure."""

import functools
import re
from collections.abc import Sequence

MAX_KEPT = 2000
"""Characters of an answer that are kept."""
MAX_LINE = 500
"""Characters of an error."""
REDACTED = "[redacted]"

# Control characters (PostgreSQL refuses NUL; others drive a person's terminal), halves of surrogate pairs (no encoding
# takes them), and those that turn the direction of the text around.
_UNFIT = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
_WORDS = r"(?:password|passwd|secret|token|api[_-]?key|authorization|credential|signature)"
_SECRETS = re.compile(
    r"whsec_[A-Za-z0-9+/=_-]{8,}"
    r"|v1a?,[A-Za-z0-9+/=]{20,}"
    r"|(?<![A-Za-z0-9_-])eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}(?:\.[A-Za-z0-9_-]*)?"
    r"|\b(?:sk|rk)_(?:live|test)_[A-Za-z0-9]{8,}|\bgh[pousr]_[A-Za-z0-9]{20,}|\bAKIA[A-Z0-9]{16}\b"
    r"|-----BEGIN [A-Z ]{0,30}PRIVATE KEY-----.*?(?:-----END [A-Z ]{0,30}PRIVATE KEY-----|\Z)",
    re.DOTALL,
)
# A token has a digit somewhere; "Bearer authentication" has none.
_SCHEMES = re.compile(r"\b((?:bearer|basic)\s{1,4})(?=[A-Za-z._~+/=-]*[0-9])[A-Za-z0-9._~+/=-]{8,}", re.IGNORECASE)
# The end of the text ends a string too: it may have been cut there.
_FIELDS = re.compile(
    rf'("[^"]{{0,64}}{_WORDS}[^"]{{0,64}}"\s{{0,8}}:\s{{0,8}})(?:\\?"(?:[^"\\]|\\.)*(?:"|\\?\Z)|-?[0-9][0-9.eE+-]*)',
    re.IGNORECASE | re.DOTALL,
)
_PARAMETERS = re.compile(rf"((?<![\w.-])[\w.-]{{0,64}}{_WORDS}[\w-]{{0,64}}=)[^\s&\"'<>;,]+", re.IGNORECASE)
# One of these, or "://", is in all that the patterns find.
_BEGINNINGS = ("whsec_", "v1", "eyJ", "k_live_", "k_test_", "gh", "AKIA", "-----BEGIN")
_HINTS = ("bearer", "basic", "password", "passwd", "secret", "token", "api", "authorization", "credential", "signature")
_USERINFO = re.compile(r"(://)[^/\s:@]{0,200}:[^/\s@]{1,200}(@)")


@functools.lru_cache(maxsize=32)  # most sites answer the same to everybody
def response_text(body: bytes) -> str:
    """An answer's body as text of at most 2,000 characters, secrets replaced, fit for a PostgreSQL text column."""
    # More than is kept, since it may shrink; but not all of it: a hostile 64 kB would keep the patterns busy.
    return redact(clean(body[: MAX_KEPT * 4].decode("utf-8", "replace")))[:MAX_KEPT]


def response_texts(bodies: Sequence[bytes]) -> list[str]:
    """As `response_text` of each, faster: whether anything in them might be a secret is looked for in all of them together."""
    texts = [clean(body[: MAX_KEPT * 4].decode("utf-8", "replace")) for body in bodies]
    if _is_harmless("\n".join(texts)):
        return [text[:MAX_KEPT] for text in texts]
    return [response_text(body) for body in bodies]


def line(text: str, limit: int = MAX_LINE) -> str:
    """The text on one line of at most `limit` characters, secrets replaced, fit for a PostgreSQL text or jsonb column."""
    return " ".join(redact(clean(text)).split())[:limit] if text else ""


def clean(text: str) -> str:
    """The text without characters that cannot be stored or must not be shown."""
    # What all can be printed has none of them: found out in a hundredth of the time that the pattern takes.
    return text if text.isprintable() else _UNFIT.sub("", text)


def redact(text: str) -> str:
    """The text with everything that looks like a secret replaced."""
    # Most answers have none of these in them, which is found out in a tenth of the time that the patterns take.
    if _is_harmless(text):
        return text
    text = _SECRETS.sub(REDACTED, text)
    text = _SCHEMES.sub(rf"\1{REDACTED}", text)
    text = _FIELDS.sub(rf'\1"{REDACTED}"', text)
    text = _PARAMETERS.sub(rf"\1{REDACTED}", text)
    return _USERINFO.sub(rf"\1{REDACTED}\2", text)


def _is_harmless(text: str) -> bool:
    """Whether nothing is in it that is in all that the patterns find."""
    if any(map(text.__contains__, _BEGINNINGS)) or "://" in text:
        return False
    return not any(map(text.casefold().__contains__, _HINTS))
