"""The pages that people see when something goes wrong. None of them needs the database or a session."""

import sys
from collections.abc import Callable

from django.db import InterfaceError
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.utils.translation import gettext as _

from ssodash import plain_errors

GetResponse = Callable[[HttpRequest], HttpResponse]
RETRY_SECONDS = 10


def is_database_gone(error: BaseException) -> bool:
    """Whether this error says that the database cannot be reached, or refuses us; not that a statement is wrong."""
    explained = plain_errors.explain(error)
    return isinstance(error, InterfaceError) or (explained is not None and explained[1] == plain_errors.NO_DATABASE)


def one_line(error: BaseException) -> str:
    """The error for the log of the server."""
    explained = plain_errors.explain(error)
    return explained[0] if explained else " ".join(str(error).split())


def server_error(request: HttpRequest) -> HttpResponse:
    """Django's handler500: whatever nobody caught. The database being gone is told apart from a fault of ours.

    Below /api/ the API's own middleware makes JSON of it.
    """
    error = sys.exc_info()[1]
    if error is not None and is_database_gone(error):
        return database_gone(request)
    text = _("Something went wrong in the hub itself. It is in the hub's log, with the time of now.")
    remedy = _("What was saved before is not lost; try again, or go back to the dashboard.")
    return _answer(request, 500, _("Something went wrong"), text, remedy)


def database_gone(request: HttpRequest) -> HttpResponse:
    """503: nothing can be shown or saved until the database answers."""
    text = _("The hub cannot reach its database at the moment, so it can neither show nor save anything.")
    remedy = _("What was saved before is not lost: the sites receive it when the database is back. This page looks again by itself.")
    response = _answer(request, 503, _("The database does not answer"), text, remedy)
    response["Retry-After"] = str(RETRY_SECONDS)
    if request.method in {"GET", "HEAD"}:
        response["Refresh"] = str(RETRY_SECONDS)
    return response


def _answer(request: HttpRequest, status: int, title: str, text: str, remedy: str) -> HttpResponse:
    page: str
    try:
        page = render_to_string("error.html", {"title": title, "text": text, "remedy": remedy, "status": status})
    except Exception:
        # The page's own files may be what is broken.
        page = f"<!doctype html><title>{title}</title><h1>{title}</h1><p>{text}</p><p>{remedy}</p>"
    return HttpResponse(page, status=status, headers={"Cache-Control": "no-store"})
