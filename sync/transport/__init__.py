"""The only HTTP door: `direct` sends one request and waits (requests), `multi` keeps many under way (pycurl)."""

from sync.transport.values import MAX_RESPONSE_BYTES, FailureKind, HttpFailure, HttpRequest, HttpResponse, HttpResult

__all__ = ["MAX_RESPONSE_BYTES", "FailureKind", "HttpFailure", "HttpRequest", "HttpResponse", "HttpResult"]
