"""The dashboard: the admin's index page, and the parts of it that keep themselves up to date."""

import hashlib
import math
import time
from typing import Any
from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.urls import reverse

from ssodash import first_steps
from ssodash.asked import Asked, asked, roles
from sync import status, views

BUSY_SECONDS = 3
IDLE_SECONDS = 15
SHARE = 5
"""A page polls so seldom that computing it takes at most this share (1/5) of the time, however much there is to count."""
CARDS = 12
"""Cards of sites that are shown unasked."""
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
    active = [overview for overview in overviews if overview.site.is_active]
    wanted = asked(request, active)
    matrix = _matrix(wanted, active) if sees_users else None
    no_users = matrix is not None and not matrix.rows and status.is_empty()
    context: dict[str, Any] = {
        "sees_users": sees_users,
        "sees_sites": sees_sites,
        "overviews": overviews if sees_sites else [],
        "active": active,
        "totals": status.totals(overviews),
        "is_moving": any(overview.is_moving for overview in overviews),
        "run": status.current_run(),
        "worker_alive": status.worker_alive(),
        "asked": wanted,
        "matrix": matrix,
        "no_users": no_users,
        "steps": first_steps.steps(user, overviews, has_users=not no_users) if sees_users and sees_sites else [],
        "may_sync": user.has_perm(views.MAY_SYNC),
        "may_cancel": user.has_perm(views.MAY_CANCEL),
        "may_control": user.has_perm(views.MAY_CONTROL),
        "sees_deliveries": user.has_perm("sync.view_delivery"),
        "may_add_site": user.has_perm("sites.add_connectedsite"),
        "may_add_user": user.has_perm("users.add_userprofile"),
    }
    return context | _cards(wanted, overviews if sees_sites else []) | _choices(wanted, active, matrix)


def _matrix(wanted: Asked, active: list[status.SiteOverview]) -> status.Page:
    columns = wanted.columns(active)
    first = wanted.first_column(len(columns))
    return status.page(
        [overview.site for overview in columns[first : first + status.COLUMNS]],
        filters=wanted.filters(active),
        sites=len(active),
        after=wanted.after,
        before=wanted.before,
    )


def _cards(wanted: Asked, overviews: list[status.SiteOverview]) -> dict[str, Any]:
    """The cards of all sites; of very many only some, those that need somebody before all others."""
    shown = overviews
    if len(overviews) > CARDS:
        shown = status.by_urgency(overviews)
        shown = shown if wanted.all_cards else shown[:CARDS]
    traffic = status.traffic() if overviews else None
    sparks = traffic.sparks if traffic else {}
    return {
        "cards": [(overview, sparks.get(overview.site.pk)) for overview in shown],
        "more_cards": wanted.leading(all_cards=True) if len(shown) < len(overviews) else "",
        "fewer_cards": wanted.leading(all_cards=False) if len(shown) > CARDS else "",
        "traffic": traffic,
    }


def _choices(wanted: Asked, active: list[status.SiteOverview], matrix: status.Page | None) -> dict[str, Any]:
    """What the filters offer, and where the pages of users and of columns lead."""
    context: dict[str, Any] = {
        "states": [(key, status.LABELS[key]) for key in status.STATES],
        "roles": roles(wanted.role),
        "here": wanted.address,
        "where": wanted.where,
        "without_filters": wanted.leading(search="", status="", role="", sites=(), column=0),
        "failed_here": wanted.leading(status="failed", column=0),
        "pending_here": wanted.leading(status="pending", column=0),
    }
    if matrix is None:
        return context
    filters, columns = wanted.filters(active), len(wanted.columns(active))
    first = wanted.first_column(columns)
    keys = {"after": wanted.after, "before": wanted.before}
    return context | {
        "filters": filters,
        "chosen_sites": status.listed([str(overview.site) for overview in filters.sites]) if wanted.sites else "",
        "newer": wanted.leading(before=matrix.newer) if matrix.newer is not None else "",
        "older": wanted.leading(after=matrix.older) if matrix.older is not None else "",
        "columns": columns,
        "columns_from": first + 1,
        "columns_to": first + len(matrix.columns),
        "earlier_columns": wanted.leading(column=max(0, first - status.COLUMNS), **keys) if first else "",
        "later_columns": wanted.leading(column=first + status.COLUMNS, **keys) if first + status.COLUMNS < columns else "",
    }


def _poller(context: dict[str, Any], digest: str, cost: float) -> dict[str, Any]:
    """Where and how often to look. `cost`: seconds that computing the page took."""
    seconds = IDLE_SECONDS
    if context["is_moving"] or (context["run"] and not context["run"].is_over):
        seconds = BUSY_SECONDS
    url = f"{reverse('admin:live')}?{urlencode(context['where'] | {'seen': digest}, doseq=True)}"
    return {"url": url, "digest": digest, "seconds": max(seconds, math.ceil(cost * SHARE))}
