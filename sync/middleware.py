"""Tell the log who changed something."""

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse

from sync.context import acting


class OriginMiddleware:
    """Changes made while a request is answered are logged under its user's name. Must come after authentication."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        user = getattr(request, "user", None)
        with acting("save", user.get_username() if user is not None and user.is_authenticated else ""):
            return self.get_response(request)
