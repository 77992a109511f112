"""Every refusal of the JSON API is `{"error": "…"}`: it names the field and the remedy, and never shows a traceback or a secret."""

import json
import logging
from typing import Any, cast

from django.conf import settings
from django.core.exceptions import BadRequest, RequestDataTooBig, SuspiciousOperation
from django.db import InterfaceError, OperationalError
from django.http import Http404, HttpRequest, HttpResponse, UnreadablePostError
from ninja import NinjaAPI
from ninja.errors import AuthenticationError, HttpError, ValidationError
from ninja.parser import Parser

logger = logging.getLogger(__name__)

BROKEN = "Something went wrong here, and was logged. Try again; if it happens again, tell whoever runs this hub."
NO_DATABASE = "The database does not answer right now. Try again in a moment."
RETRY_SECONDS = "5"
MAX_SENTENCES = 3


class JsonParser(Parser):
    """JSON as its standard says: neither NaN nor Infinity, and no name twice, of which one would be ignored."""

    def parse_body(self, request: HttpRequest) -> dict[str, Any]:
        """The body's value. Raises HttpError."""
        try:
            return cast(dict[str, Any], json.loads(request.body, parse_constant=_no_constant, object_pairs_hook=_once))
        except RecursionError:
            raise HttpError(400, "The body is nested too deeply to be read.") from None
        except ValueError as error:
            raise HttpError(400, f"The body is not valid JSON: {error}.") from None


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not a JSON value")


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"{twice[:60]!r} is there twice")
    return found


def refusal(request: HttpRequest) -> HttpError | None:
    """Why this request's body will not even be read; None when it will."""
    limit = settings.DATA_UPLOAD_MAX_MEMORY_SIZE
    try:
        length = int(request.META.get("CONTENT_LENGTH") or 0)
    except ValueError:
        length = 0
    if limit and length > limit:
        return HttpError(413, _too_big())
    if not length and request.META.get("HTTP_TRANSFER_ENCODING"):
        return HttpError(411, "Send the body with a Content-Length, not in chunks.")
    if length > 0 and request.method not in {"GET", "HEAD"} and request.content_type != "application/json":
        found = repr(request.content_type[:100]) if request.content_type else "none"
        return HttpError(415, f"The body must be JSON: send it with Content-Type: application/json (it came with {found}).")
    return None


def answer(api: NinjaAPI, request: HttpRequest, status: int, message: str) -> HttpResponse:
    """A refusal as an answer."""
    response = api.create_response(request, {"error": message}, status=status)
    _add_headers(response)
    return response


def plain(status: int, message: str) -> HttpResponse:
    """The same where no API is at hand, as in a middleware."""
    response = HttpResponse(json.dumps({"error": message}), status=status, content_type="application/json; charset=utf-8")
    _add_headers(response)
    return response


def _add_headers(response: HttpResponse) -> None:
    if response.status_code == 401:
        response["WWW-Authenticate"] = 'Bearer realm="SSO Dashboard"'
    if response.status_code == 503:
        response["Retry-After"] = RETRY_SECONDS


def install(api: NinjaAPI) -> None:
    """Gives the API its answers to everything that can be raised."""

    def on_http_error(request: HttpRequest, error: Any) -> HttpResponse:
        # The framework replaces what a parser raises by an error of its own, which says less.
        cause = error.__cause__
        said = cause if isinstance(cause, HttpError) else error
        message = NO_CREDENTIALS if isinstance(said, AuthenticationError) and said.message == "Unauthorized" else said.message
        return answer(api, request, said.status_code, message)

    def on_invalid(request: HttpRequest, error: Any) -> HttpResponse:
        if any(item["type"] == "missing" and item["loc"][0] == "body" and len(item["loc"]) <= 2 for item in error.errors):
            return answer(api, request, 400, "The body is empty: send a JSON object with Content-Type: application/json.")
        sentences = list(dict.fromkeys(sentence(item) for item in error.errors))
        return answer(api, request, 422, " ".join(sentences[:MAX_SENTENCES]))

    def on_no_database(request: HttpRequest, error: Any) -> HttpResponse:
        logger.error("%s %s: the database does not answer: %s", request.method, request.path, " ".join(str(error).split()))
        return answer(api, request, 503, NO_DATABASE)

    def on_bug(request: HttpRequest, error: Any) -> HttpResponse:
        logger.error("%s %s failed", request.method, request.path, exc_info=error)
        return answer(api, request, 500, BROKEN)

    api.add_exception_handler(HttpError, on_http_error)
    api.add_exception_handler(ValidationError, on_invalid)
    api.add_exception_handler(OperationalError, on_no_database)
    api.add_exception_handler(InterfaceError, on_no_database)
    api.add_exception_handler(Exception, on_bug)
    api.add_exception_handler(Http404, lambda request, error: answer(api, request, 404, str(error) or "There is nothing here."))
    api.add_exception_handler(RequestDataTooBig, lambda request, error: answer(api, request, 413, _too_big()))
    for kind in (SuspiciousOperation, BadRequest, UnreadablePostError):
        api.add_exception_handler(kind, lambda request, error: answer(api, request, 400, "The request could not be read."))


NO_CREDENTIALS = "Sign in, or send the header `Authorization: Bearer TOKEN`; `manage.py create_api_token NAME` makes a token."


def _too_big() -> str:
    return f"The body is too large: send at most {settings.DATA_UPLOAD_MAX_MEMORY_SIZE:,} bytes."


_TYPES = {
    "missing": "is missing: it must be given",
    "string_type": "must be a string",
    "string_unicode": "has half a surrogate pair in it: write the whole character",
    "bool_type": "must be true or false",
    "bool_parsing": "must be true or false",
    "int_type": "must be a whole number",
    "int_parsing": "must be a whole number",
    "int_parsing_size": "must be a whole number of fewer digits",
    "int_from_float": "must be a whole number",
    "float_type": "must be a number",
    "float_parsing": "must be a number",
    "finite_number": "must be a number",
    "list_type": "must be a list",
    "dict_type": "must be a JSON object",
    "model_type": "must be a JSON object",
    "model_attributes_type": "must be a JSON object",
}


def sentence(item: dict[str, Any]) -> str:
    """One of the validation's errors as a sentence that begins with the field's name."""
    kind, bounds = item["type"], item.get("ctx", {})
    if kind in {"unknown_field", "twice"}:
        return f"{item['msg']}."
    if kind in _TYPES:
        words = _TYPES[kind]
    elif kind == "string_too_long":
        words = f"is too long: at most {bounds['max_length']} characters"
    elif kind == "string_too_short":
        words = "must not be empty"
    elif kind == "too_long":
        words = f"has too many items: at most {bounds['max_length']}"
    elif kind == "too_short":
        words = "is an empty list: put something in it, or leave it out"
    elif kind == "greater_than_equal":
        words = f"must be at least {bounds['ge']}"
    elif kind == "less_than_equal":
        words = f"must be at most {bounds['le']}"
    elif kind == "enum":
        words = f"must be one of: {bounds['expected']}"
    elif kind == "value_error":
        words = str(bounds.get("error", "is wrong"))
    else:
        words = item["msg"][:1].lower() + item["msg"][1:]
    return f"{_field(item['loc'])} {words}."


def _field(location: tuple[Any, ...]) -> str:
    source, *path = location
    if source == "body":
        path = path[1:]  # the name of our parameter, which nobody outside knows
    name = ""
    for part in path:
        name += f"[{part}]" if isinstance(part, int) else f".{part}" if name else str(part)
    return name or "The body"
