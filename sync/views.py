"""What the buttons of pages do: POST only, each behind a permission, answered in place by htmx or by a redirect with a message."""

from collections.abc import Callable
from functools import partial, wraps

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST
from django_htmx.http import reswap, retarget, trigger_client_event

from sites.models import ConnectedSite
from sync import operations, retry, site_control, status
from sync.models import SyncRun

MAY_SYNC = "sync.change_delivery"
MAY_CANCEL = "sync.change_syncrun"
MAY_CONTROL = "sites.change_connectedsite"
CAUSE = "admin"

View = Callable[[HttpRequest], HttpResponse]


def button(permission: str) -> Callable[[View], View]:
    """A view behind a button: POST by someone with this permission, else 405 or 403."""

    def decorate(view: View) -> View:
        @require_POST
        @wraps(view)
        def guarded(request: HttpRequest) -> HttpResponse:
            if not request.user.has_perm(permission):
                told = _("Your login lacks the permission %(permission)s. Ask an administrator for it.")
                raise PermissionDenied(told % {"permission": permission})
            return view(request)

        return guarded

    return decorate


@button(MAY_SYNC)
def sync_all(request: HttpRequest) -> HttpResponse:
    """Sync All Users: everyone, or only what is out of date (`scope=pending`), to all active sites, or those chosen (`where=chosen` and
    their names as `site`)."""
    scope, where, names = request.POST.get("scope", "all"), request.POST.get("where", "all"), _texts(request, "site")
    if scope not in {"all", "pending"}:
        return said(request, _("What to send: choose everything, or only what is out of date. Nothing was started."), good=False)
    if where == "chosen" and not names:
        return said(request, _("Sites: tick at least one, or choose all sites. Nothing was started."), good=False)
    try:
        sites = operations.find_sites(names) if where == "chosen" else None
    except operations.UnknownSite as unknown:
        return said(request, _("%(reason)s Nothing was started.") % {"reason": unknown}, good=False)
    started = operations.sync_all(cause="sync_all", actor=request.user.get_username(), sites=sites, only_pending=scope == "pending")
    return said(request, started.message, good=started.as_asked)


@button(MAY_SYNC)
def sync_user(request: HttpRequest) -> HttpResponse:
    """Sends one user (`user_id`) again to every active site, or to one (`site` in the address, its name)."""
    only, actor = request.GET.get("site", "").replace("\x00", ""), request.user.get_username()
    if only:
        sent = retry.resend_to_site(_text(request, "user_id"), only, cause=CAUSE, actor=actor)
    else:
        sent = retry.resend_everywhere(_text(request, "user_id"), cause=CAUSE, actor=actor)
    text, good = sent.message, sent.as_asked
    if not sent.user_id or not by_htmx(request) or "in_place" not in request.POST:
        return said(request, text, good=good)
    sites = list(ConnectedSite.objects.filter(is_active=True))
    shown = set(_text(request, "columns").split())
    columns = [site for site in sites if not shown or str(site.pk) in shown]
    row = status.row(sent.user_id, columns, summarised=len(columns) < len(sites))
    context = {"row": row, "columns": columns, "may_sync": True, "said": text, "good": good, "oob": True}
    return refreshed(HttpResponse(render_to_string("dashboard/synced_user.html", context, request)))


def _text(request: HttpRequest, name: str) -> str:
    return request.POST.get(name, "").replace("\x00", "")


def _texts(request: HttpRequest, name: str) -> list[str]:
    return list(dict.fromkeys(text.replace("\x00", "") for text in request.POST.getlist(name) if text))


@button(MAY_CANCEL)
def cancel_run(request: HttpRequest) -> HttpResponse:
    """Stops a run (`run`, its public id)."""
    run = _run(request)
    return said(request, operations.cancel_run(run)) if run else said(request, _("There is no such run."), good=False)


@button(MAY_CANCEL)
def resume_run(request: HttpRequest) -> HttpResponse:
    """Has a cancelled run (`run`, its public id) go on."""
    run = _run(request)
    if run is None:
        return said(request, _("There is no such run."), good=False)
    resumed = operations.resume_run(run)
    return said(request, resumed.message, good=resumed.is_new)


def _run(request: HttpRequest) -> SyncRun | None:
    try:
        return operations.find_run(request.POST.get("run", ""))
    except operations.UnknownRun:
        return None


@button(MAY_CONTROL)
def pause_site(request: HttpRequest) -> HttpResponse:
    """Has everything for a site (`site`, its name) wait, for a `reason` if one is given."""
    return controlled(request, partial(site_control.pause_site, reason=request.POST.get("reason", "")))


@button(MAY_CONTROL)
def resume_site(request: HttpRequest) -> HttpResponse:
    """Ends the waiting of a paused, quarantined or throttled site (`site`, its name)."""
    return controlled(request, site_control.resume_site)


@button(MAY_CONTROL)
def probe_site(request: HttpRequest) -> HttpResponse:
    """Has a quarantined site (`site`, its name) probed now."""
    return controlled(request, site_control.probe_site)


def controlled(request: HttpRequest, control: Callable[..., site_control.Told]) -> HttpResponse:
    """Does this with the site that the click names, and says what came of it."""
    site = ConnectedSite.objects.filter(name=request.POST.get("site", "").replace("\x00", "")).first()
    if site is None:
        return said(request, _("There is no such site."), good=False)
    told = control(site, actor=request.user.get_username())
    return said(request, told.message, good=told.changed)


def by_htmx(request: HttpRequest) -> bool:
    """Whether the page asks in place, instead of the browser going there."""
    return bool(getattr(request, "htmx", False))


def said(request: HttpRequest, text: str, good: bool = True) -> HttpResponse:
    """Answers a click with what happened: in place for htmx, else as a message on the page the click came from."""
    if by_htmx(request):
        response = HttpResponse(render_to_string("dashboard/said.html", {"said": text, "good": good}, request))
        if "in_place" in request.POST:  # there is no line to put it into
            response = reswap(retarget(response, "#hub-said"), "innerHTML")
        return refreshed(response)
    messages.add_message(request, messages.SUCCESS if good else messages.WARNING, text)
    target = request.POST.get("next", "")
    allowed = url_has_allowed_host_and_scheme(target, allowed_hosts={request.get_host()}, require_https=request.is_secure())
    return redirect(target if allowed else reverse("admin:index"))


def refreshed(response: HttpResponse) -> HttpResponse:
    """Has the page look for the news at once instead of at its next poll."""
    return trigger_client_event(response, "hub-refresh", after="settle")
