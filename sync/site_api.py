"""Sites as the hub sees them, in the JSON API: how each is doing, what happened to it, and pause, resume, probe."""

from collections.abc import Callable
from datetime import datetime
from functools import partial
from typing import Annotated

from django.http import HttpRequest
from ninja import Query as QueryParameters
from ninja import Router
from ninja.errors import HttpError
from pydantic import Field

from sites.models import ConnectedSite
from ssodash.jsonapi.auth import Caller, may
from ssodash.jsonapi.schema import READ_ERRORS, WRITE_ERRORS, Answer, Body, Error, Page, PageQuery, Text, one_of
from sync import operations, redact, site_control, status
from sync.models import SiteEvent

MAY_SEE, MAY_CONTROL = "sites.view_connectedsite", "sites.change_connectedsite"

State = Annotated[str, one_of("ok", "empty", "pending", "failing", "paused", "quarantined", "waiting", "inactive")]
Kind = Annotated[str, one_of(*SiteEvent.Kind.values)]


class SiteStateOut(Answer):
    """How a site is doing. Counts are users."""

    name: str
    display_name: str
    state: State
    message: str = Field(description="The state in words: why, since when, and what becomes of it.")
    in_sync: int
    pending: int
    in_progress: int
    failed: int
    last_success_at: datetime | None
    next_attempt_at: datetime | None = Field(description="When the hub tries the site again, where it waits with all of it.")
    paused_at: datetime | None
    paused_by: str | None
    pause_reason: str | None


class PauseBody(Body):
    """Why, if you like."""

    reason: Text = Field("", max_length=site_control.MAX_REASON, description="Shown wherever the pause is.")


class SiteControlled(Answer):
    """What came of it. `success` is false where nothing changed; `message` says why."""

    success: bool
    message: str
    name: str
    state: State


class SiteEventOut(Answer):
    """When the hub began or ceased to wait with a site. `actor` is null where it did so by itself."""

    kind: Kind
    reason: str
    actor: str | None
    at: datetime


class SiteEventPage(Page):
    """Events, the newest first."""

    items: list[SiteEventOut]


router = Router(tags=["sites"], by_alias=True)


@router.get("/{name}/status", auth=may(MAY_SEE), response={200: SiteStateOut, READ_ERRORS: Error}, summary="View how a site is doing")
def site_status(request: HttpRequest, name: str) -> SiteStateOut:
    site = _get(name)
    overview = status.site_overview(site)
    paused = overview.wait if overview.wait and overview.wait.kind == "paused" else None
    return SiteStateOut(
        name=site.name,
        display_name=site.display_name,
        state=overview.state,
        message=redact.redact(overview.words),
        in_sync=overview.counts.success,
        pending=overview.counts.pending,
        in_progress=overview.counts.in_progress,
        failed=overview.counts.failed,
        last_success_at=overview.health.last_success_at if overview.health else None,
        next_attempt_at=overview.next_attempt_at,
        paused_at=paused.since if paused else None,
        paused_by=paused.by if paused else None,
        pause_reason=paused.reason if paused else None,
    )


@router.get("/{name}/events", auth=may(MAY_SEE), response={200: SiteEventPage, READ_ERRORS: Error}, summary="View a site's history")
def site_events(request: HttpRequest, name: str, query: QueryParameters[PageQuery]) -> SiteEventPage:
    """Quarantines opened and closed, waits that the site asked for, pauses, resumes and probes."""
    site = _get(name)
    items = [
        SiteEventOut(kind=line.row.kind, reason=line.row.reason, actor=line.row.actor or None, at=line.row.at)
        for line in status.site_events(site.pk, query.limit, query.offset)
    ]
    total = SiteEvent.objects.filter(site_id=site.pk).count()
    return SiteEventPage(items=items, total=total, limit=query.limit, offset=query.offset)


@router.post("/{name}/pause", auth=may(MAY_CONTROL), response={200: SiteControlled, WRITE_ERRORS: Error}, summary="Pause a site")
def pause_site(request: HttpRequest, name: str, payload: PauseBody | None = None) -> SiteControlled:
    """What the site is owed waits, removals too, without using up tries, until it is resumed."""
    return _controlled(request, name, partial(site_control.pause_site, reason=payload.reason if payload else ""))


@router.post("/{name}/resume", auth=may(MAY_CONTROL), response={200: SiteControlled, READ_ERRORS: Error}, summary="Resume a site")
def resume_site(request: HttpRequest, name: str) -> SiteControlled:
    """Ends a pause, a quarantine, or a wait that the site asked for: what it is owed is due at once."""
    return _controlled(request, name, site_control.resume_site)


@router.post("/{name}/probe", auth=may(MAY_CONTROL), response={200: SiteControlled, READ_ERRORS: Error}, summary="Probe a site now")
def probe_site(request: HttpRequest, name: str) -> SiteControlled:
    """Has the worker send a quarantined site one delivery now. If it is answered, the quarantine ends and all that waits follows."""
    return _controlled(request, name, site_control.probe_site)


def _controlled(request: HttpRequest, name: str, control: Callable[..., site_control.Told]) -> SiteControlled:
    site = _get(name)
    caller: Caller = request.auth  # type: ignore[attr-defined]
    told = control(site, actor=caller.name)
    return SiteControlled(success=told.changed, message=told.message, name=site.name, state=status.site_overview(site).state)


def _get(name: str) -> ConnectedSite:
    try:
        (site,) = operations.find_sites([name.replace("\x00", "\ufffd")[:100]], also_inactive=True)
    except operations.UnknownSite as unknown:
        raise HttpError(404, str(unknown)) from None
    return site
