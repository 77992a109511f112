"""The dashboard: the admin's index page, and the parts of it that keep themselves up to date."""

import hashlib
import math
import time
from typing import Any
from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.urls import reverse

from sync import status, views

BUSY_SECONDS = 3
IDLE_SECONDS = 15
SHARE = 5
"""A page polls so seldom that computing it takes at most this share (1/5) of the time, however much there is to count."""
PARTS = ("overview", "run", "matrix")


def page(request: HttpRequest) -> dict[str, Any]:
    """What the whole page shows."""
    return _state(request)


def live(request: HttpRequest) -> HttpResponse:
    """The page's moving parts for htmx; 204 when they are what the browser shows already (`seen`)."""
    context = _state(request)
    if request.GET.get("seen") == context["poller"]["digest"]:
        return HttpResponse(status=204)
    response = HttpResponse(render_to_string("dashboard/live.html", context | {"oob": True}, request))
    if "seen" not in request.GET:  # a search, not a poll: the address follows it
        response["HX-Replace-Url"] = context["here"]
    return response


def live_run(request: HttpRequest) -> HttpResponse:
    """The progress of the run alone, which moves faster than the rest and costs little. Asks for the rest when it is over."""
    run = status.current_run() if request.user.has_perm("users.view_userprofile") else None
    if run is None:
        return HttpResponse(status=204)
    context = {"run": run, "may_cancel": request.user.has_perm(views.MAY_CANCEL)}
    response = HttpResponse(render_to_string("dashboard/run.html", context, request))
    return views.refreshed(response) if run.is_over else response


def _state(request: HttpRequest) -> dict[str, Any]:
    began = time.monotonic()
    context = _numbers(request)
    context["parts"] = {part: render_to_string(f"dashboard/{part}.html", context, request) for part in PARTS}
    digest = hashlib.sha256("\n".join(context["parts"].values()).encode()).hexdigest()[:16]
    context["poller"] = _poller(context, digest, time.monotonic() - began)
    return context


def _numbers(request: HttpRequest) -> dict[str, Any]:
    user = request.user
    sees_users, sees_sites = user.has_perm("users.view_userprofile"), user.has_perm("sites.view_connectedsite")
    overviews = status.sites_overview()
    columns = [overview.site for overview in overviews if overview.site.is_active]
    search = request.GET.get("q", "").strip()[:200]
    after, before = _key(request, "after"), _key(request, "before")
    matrix = status.page(columns, search=search, after=after, before=before) if sees_users else None
    where = {key: value for key, value in (("q", search), ("after", after), ("before", before)) if value}
    return {
        "sees_users": sees_users,
        "sees_sites": sees_sites,
        "overviews": overviews if sees_sites else [],
        "totals": status.totals(overviews),
        "run": status.current_run(),
        "worker_alive": status.worker_alive(),
        "matrix": matrix,
        "no_users": matrix is not None and not matrix.rows and status.is_empty(),
        "search": search,
        "where": where,
        "here": reverse("admin:index") + (f"?{urlencode(where)}" if where else ""),
        "may_sync": user.has_perm(views.MAY_SYNC),
        "may_cancel": user.has_perm(views.MAY_CANCEL),
        "may_control": user.has_perm(views.MAY_CONTROL),
        "sees_deliveries": user.has_perm("sync.view_delivery"),
        "may_add_site": user.has_perm("sites.add_connectedsite"),
        "may_add_user": user.has_perm("users.add_userprofile"),
    }


def _key(request: HttpRequest, name: str) -> int | None:
    text = request.GET.get(name, "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else None


def _poller(context: dict[str, Any], digest: str, cost: float) -> dict[str, Any]:
    """Where and how often to look. `cost`: seconds that computing the page took."""
    seconds = IDLE_SECONDS
    if context["totals"].open or (context["run"] and not context["run"].is_over):
        seconds = BUSY_SECONDS
    url = f"{reverse('admin:live')}?{urlencode(context['where'] | {'seen': digest})}"
    return {"url": url, "digest": digest, "seconds": max(seconds, math.ceil(cost * SHARE))}
