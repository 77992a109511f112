"""When the database is gone, a page that says so and comes back by itself, instead of an error."""

import logging

from django.db import Error
from django.http import HttpRequest, HttpResponse

from ssodash import errors

logger = logging.getLogger(__name__)


class DatabaseGoneMiddleware:
    """Answers 503 for a view that could not reach the database, also while DEBUG is on. `errors.server_error` does for the rest."""

    def __init__(self, get_response: "errors.GetResponse") -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        if not isinstance(exception, Error) or not errors.is_database_gone(exception):
            return None
        logger.error("%s", errors.one_line(exception))
        return errors.database_gone(request)
