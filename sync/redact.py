"""Keep what a site answered, without what must not be kept. Pure."""

import re

MAX_KEPT = 2000
_SECRETS = re.compile(
    r"whsec_[A-Za-z0-9+/=_-]{8,}"
    r"|(?<=Bearer )[A-Za-z0-9._~+/=-]{8,}"
    r"|v1,[A-Za-z0-9+/=]{20,}"
    r"|eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*"
)
_FIELDS = re.compile(r'("(?:[^"]*(?:password|passwd|secret|token|api_?key|authorization)[^"]*)"\s*:\s*)"(?:[^"\\]|\\.)*"', re.IGNORECASE)


def response_text(body: bytes) -> str:
    """An answer's body as text of at most 2,000 characters, secrets replaced, fit for a PostgreSQL text column."""
    text = body.decode("utf-8", "replace").replace("\x00", "")
    return redact(text[: MAX_KEPT * 2])[:MAX_KEPT]


def redact(text: str) -> str:
    """The text with everything that looks like a secret replaced."""
    return _FIELDS.sub(r'\1"[redacted]"', _SECRETS.sub("[redacted]", text))
