"""The JSON API's root: the apps' routers, who may call them, and what every call shares."""

from collections.abc import Callable
from functools import partial, wraps
from typing import Any

from django.contrib.admin.views.decorators import staff_member_required
from django.http import HttpRequest, HttpResponse
from ninja import NinjaAPI
from ninja.errors import AuthenticationError
from ninja.openapi.views import openapi_json

import sites.api
import sync.api
import sync.site_api
import users.api
from ssodash.jsonapi import errors
from ssodash.jsonapi.auth import may
from sync.context import acting

DESCRIPTION = (
    "One hub keeps the users of many sites in step. Send `Authorization: Bearer TOKEN` (`manage.py create_api_token NAME` makes one); "
    "in a browser the session of a staff login works too, with the CSRF token in `X-CSRFToken`. "
    'Every refusal is `{"error": "…"}`, and says what to do.'
)

View = Callable[..., Any]


def at_the_door(view: View) -> View:
    """Refuses a body by its headers, before any of it is read."""

    @wraps(view)
    def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        refused = errors.refusal(request)
        return api.on_exception(request, refused) if refused else view(request, *args, **kwargs)

    return guarded


def under_its_name(view: View) -> View:
    """What a call changes is logged as caused by the API, under the caller's name."""

    @wraps(view)
    def named(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        with acting(sync.api.CAUSE, request.auth.name):  # type: ignore[attr-defined]
            return view(request, *args, **kwargs)

    return named


def for_staff(view: View) -> View:
    """The documentation: the page for staff, who are asked to sign in; the schema for tokens too."""
    if not (isinstance(view, partial) and view.func is openapi_json):
        return staff_member_required(view)

    def schema(request: HttpRequest, **kwargs: Any) -> HttpResponse:
        try:
            if any(auth(request) for auth in may(None)):
                answer: HttpResponse = view(request, **kwargs)
                return answer
        except Exception as error:
            return api.on_exception(request, error)
        return api.on_exception(request, AuthenticationError())

    return schema


api = NinjaAPI(
    title="SSO Dashboard",
    version="1",
    description=DESCRIPTION,
    urls_namespace="api",
    auth=may(None),
    parser=errors.JsonParser(),
    docs_decorator=for_staff,
)
errors.install(api)
api.add_decorator(at_the_door, mode="view")
api.add_decorator(under_its_name)
api.add_router("/users", users.api.build_router(sync.api.results))
api.add_router("/sites", sites.api.router)
api.add_router("/sites", sync.site_api.router)
api.add_router("/sync", sync.api.router)
