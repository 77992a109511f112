"""Below /api/ nobody gets a page: also what goes wrong before or beside the API itself is answered as JSON."""

from collections.abc import Callable

from django.db import Error, connection
from django.http import HttpRequest, HttpResponse

from ssodash.jsonapi.errors import BROKEN, NO_DATABASE, plain

PREFIX = "/api/"
REASONS = {400: "The request could not be read.", 403: "This is not allowed."}


class JsonErrorsMiddleware:
    """Must be the first: what the others refuse, or fail at, passes it last."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        if not request.path_info.startswith(PREFIX):
            return response
        response.setdefault("Cache-Control", "no-store")
        status = response.status_code
        if status < 400 or response.get("Content-Type", "").startswith("application/json"):
            return response
        if status == 404:
            error = plain(404, f"There is nothing at {request.path_info[:200]}: /api/docs lists what there is.")
        elif status == 405:
            possible = " or ".join(sorted(response.get("Allow", "another method").split(", ")))
            error = plain(405, f"{request.method} is not possible here: use {possible}.")
        elif status < 500:
            error = plain(status, REASONS.get(status, "The request was refused."))
        else:
            error = _broken()
        for name in ("Allow", "Cache-Control"):
            if name in response:
                error[name] = response[name]
        error.cookies = response.cookies
        error["Content-Length"] = str(len(error.content))
        if request.method == "HEAD":
            error.content = b""
        return error


def _broken() -> HttpResponse:
    """What failed was logged where it failed. Whether it was for want of the database is asked here."""
    try:
        connection.ensure_connection()
        if not connection.is_usable():
            connection.close()
            connection.ensure_connection()
    except Error:
        return plain(503, NO_DATABASE)
    return plain(500, BROKEN)
