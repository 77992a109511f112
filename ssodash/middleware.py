"""Times in the viewer's time zone, and, when the database is gone, a page that says so and comes back by itself."""

import logging
import zoneinfo
from functools import lru_cache

from django.db import Error
from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from ssodash import errors

logger = logging.getLogger(__name__)
TIME_ZONE_COOKIE = "hub_timezone"


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


class TimeZoneMiddleware:
    """Shows times in the zone that the browser told (a cookie that hub.js keeps); in settings.TIME_ZONE where it told none we know."""

    def __init__(self, get_response: "errors.GetResponse") -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        zone = _zone(request.COOKIES.get(TIME_ZONE_COOKIE, ""))
        # Left on afterwards: an answer that is streamed is still being written. The next request begins by setting its own.
        if zone:
            timezone.activate(zone)
        else:
            timezone.deactivate()
        return self.get_response(request)


def _zone(name: str) -> zoneinfo.ZoneInfo | None:
    # Only names from the list: any other would have the file of that name looked for.
    return zoneinfo.ZoneInfo(name) if name in _zone_names() else None


@lru_cache(maxsize=1)
def _zone_names() -> frozenset[str]:
    # Reading the list walks through hundreds of files.
    return frozenset(zoneinfo.available_timezones())
