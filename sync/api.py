"""Sync in the JSON API: /api/sync. Each endpoint calls one operation and says what came of it."""

import uuid
from datetime import datetime
from typing import Annotated

from django.http import HttpRequest
from ninja import P, PathEx, Router, Status
from ninja import Query as QueryParameters
from ninja.errors import HttpError
from pydantic import Field

from ssodash.jsonapi.auth import Caller, may
from ssodash.jsonapi.schema import READ_ERRORS, WRITE_ERRORS, Answer, Body, Error, Query, SiteResult, SyncStatus, Text, one_of
from sync import operations, redact, status
from sync.models import SyncRun
from users.models import UserProfile

CAUSE = "api"
MAX_SITES = 1000
RunId = PathEx[str, P(alias="runId")]
RunState = Annotated[str, one_of(*SyncRun.State.values)]
RunScope = Annotated[str, one_of(*SyncRun.Scope.values)]


class SyncUserBody(Body):
    """Whom to sync."""

    user_id: Text = Field(min_length=1, max_length=254, description="A public user id, or an email.", examples=["user_123"])


class UserSynced(Answer):
    """What came of syncing one user, within the push deadline. `pending` goes on in the worker."""

    success: bool
    message: str
    user_id: str
    results: list[SiteResult]


class SyncAllBody(Body):
    """Which part of everything to sync."""

    sites: list[Text] | None = Field(None, min_length=1, max_length=MAX_SITES, description="Names of sites. Left out: all active sites.")
    only_pending: bool = Field(False, description="Only what is out of date.")


class RunStarted(Answer):
    """A run that was started, or one over the same sites that was under way already."""

    success: bool
    message: str
    run_id: uuid.UUID


class RunPart(Answer):
    """A run's counts at one site."""

    site: str
    display_name: str
    total: int
    succeeded: int
    failed: int
    left_owed: int
    finished: bool = Field(description="Nothing more is to come here; look at failed and leftOwed for whether all was delivered.")


class RunOut(Answer):
    """How far a run is. Counts are deliveries: users times sites."""

    run_id: uuid.UUID
    state: RunState
    scope: RunScope
    message: str
    cause: str
    actor: str
    total: int
    succeeded: int
    failed: int
    left_owed: int = Field(description="Not sent by the run, because a site is in quarantine, say: the worker delivers them.")
    percent: int = Field(description="How far it is; once it is over, how much of it was delivered: 100 only where all was.")
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    sites: list[RunPart]


class RunCancelled(Answer):
    """What came of cancelling a run."""

    success: bool
    message: str
    run_id: uuid.UUID
    state: RunState


class RunResumed(RunCancelled):
    """What came of resuming a run."""


class StatusQuery(Query):
    """Whose status to show."""

    user_id: Text = Field(min_length=1, max_length=254, description="A public user id, or an email.")


class SiteStatusOut(Answer):
    """Where a user stands at a site."""

    site: str
    display_name: str
    status: SyncStatus
    last_synced_at: datetime | None
    attempts: int
    next_attempt_at: datetime | None
    error_message: str | None


class UserStatusOut(Answer):
    """Where a user stands at every active site. `status` is the one that needs attention most."""

    user_id: str
    email: str
    full_name: str
    status: SyncStatus
    sites: list[SiteStatusOut]


router = Router(tags=["sync"], by_alias=True)


@router.post("/user", auth=may("sync.change_delivery"), response={200: UserSynced, WRITE_ERRORS: Error}, summary="Sync one user")
def sync_user(request: HttpRequest, payload: SyncUserBody) -> UserSynced:
    """Sends the user again to every active site, also where nothing changed, and waits for the answers until the push deadline at most."""
    try:
        result = operations.sync_user(payload.user_id, cause=CAUSE, actor=_actor(request))
    except operations.UnknownUser as error:
        raise HttpError(404, str(error)) from None
    rows = [_result(row) for row in result.sites]
    return UserSynced(success=result.success, message=result.message, user_id=result.user_id, results=rows)


@router.get("/user", auth=may("sync.view_delivery"), response={200: UserStatusOut, READ_ERRORS: Error}, summary="View a user's sync status")
def user_status(request: HttpRequest, query: QueryParameters[StatusQuery]) -> UserStatusOut:
    try:
        user_id = operations.find_user_id(query.user_id)
    except operations.UnknownUser as error:
        raise HttpError(404, str(error)) from None
    state = status.of_user(user_id) or _without_sites(user_id)
    return UserStatusOut(
        user_id=state.user_id, email=state.email, full_name=state.full_name, status=state.status, sites=[_site(row) for row in state.sites]
    )


@router.post("/all-users", auth=may("sync.change_delivery"), response={202: RunStarted, WRITE_ERRORS: Error}, summary="Sync all users")
def sync_all_users(request: HttpRequest, payload: SyncAllBody | None = None) -> Status[RunStarted]:
    """Starts a run that a worker does; follow it by its runId. A run over the same sites that is under way is joined instead."""
    asked = payload or SyncAllBody.model_validate({})
    try:
        sites = operations.find_sites(list(dict.fromkeys(asked.sites))) if asked.sites else None
    except operations.UnknownSite as error:
        raise HttpError(404, str(error)) from None
    started = operations.sync_all(cause=CAUSE, actor=_actor(request), sites=sites, only_pending=asked.only_pending)
    return Status(202, RunStarted(success=started.run.parts.exists(), message=started.message, run_id=started.run.public_id))


@router.get("/runs/{runId}", auth=may("sync.view_syncrun"), response={200: RunOut, READ_ERRORS: Error}, summary="View a run")
def read_run(request: HttpRequest, run_id: RunId) -> RunOut:
    run = _run(run_id)
    progress = status.progress(run)
    return RunOut(
        run_id=run.public_id,
        state=run.state,
        scope=run.scope,
        message=operations.describe(run),
        cause=run.cause,
        actor=run.actor,
        total=progress.total,
        succeeded=progress.succeeded,
        failed=progress.failed,
        left_owed=progress.left_owed,
        percent=progress.percent,
        created_at=run.created_at,
        started_at=run.started_at,
        finished_at=run.finished_at,
        sites=[
            RunPart(
                site=part.site.name,
                display_name=part.site.display_name,
                total=part.total,
                succeeded=part.succeeded,
                failed=part.failed,
                left_owed=part.unsettled if part.finished or progress.is_over else 0,
                finished=part.finished,
            )
            for part in progress.parts
        ],
    )


@router.post(
    "/runs/{runId}/cancel", auth=may("sync.change_syncrun"), response={200: RunCancelled, READ_ERRORS: Error}, summary="Cancel a run"
)
def cancel_run(request: HttpRequest, run_id: RunId) -> RunCancelled:
    """Stops a run. What it had already queued is still delivered."""
    run = _run(run_id)
    message = operations.cancel_run(run)
    run.refresh_from_db()
    return RunCancelled(success=run.state == SyncRun.State.CANCELLED, message=message, run_id=run.public_id, state=run.state)


@router.post(
    "/runs/{runId}/resume", auth=may("sync.change_syncrun"), response={200: RunResumed, READ_ERRORS: Error}, summary="Resume a run"
)
def resume_run(request: HttpRequest, run_id: RunId) -> RunResumed:
    """Goes on where the run was cancelled, at each site. `runId` is another one where a run over the same is under way."""
    resumed = operations.resume_run(_run(run_id))
    run = resumed.run
    return RunResumed(success=resumed.is_new, message=resumed.message, run_id=run.public_id, state=run.state)


def results(user_id: str) -> list[SiteResult]:
    """Where the user stands at every active site right now; after a removal that is settled, nowhere."""
    state = status.of_user(user_id)
    return [_result(row) for row in state.sites] if state else []


def _result(row: status.SiteStatus) -> SiteResult:
    return SiteResult(site=row.site_name, status=row.status, error_message=_error(row))


def _site(row: status.SiteStatus) -> SiteStatusOut:
    return SiteStatusOut(
        site=row.site_name,
        display_name=row.display_name,
        status=row.status,
        last_synced_at=row.last_synced_at,
        attempts=row.attempts,
        next_attempt_at=row.next_attempt_at,
        error_message=_error(row),
    )


def _error(row: status.SiteStatus) -> str | None:
    # It may quote what the site said, and a site may say back what it was sent.
    return redact.redact(row.error_message) if row.error_message else None


def _without_sites(user_id: str) -> status.UserStatus:
    """A user whom no active site concerns. Raises HttpError where the directory has no such user (any more)."""
    user = UserProfile.objects.filter(user_id=user_id).first()
    if user is None:
        raise HttpError(404, f"There is no user {user_id!r}: give a user id or an email of the directory.")
    return status.UserStatus(user.user_id, user.email, user.full_name, status.worst([]))


def _run(run_id: str) -> SyncRun:
    try:
        return operations.find_run(run_id)
    except operations.UnknownRun:
        raise HttpError(404, f"There is no run {run_id[:100]!r}: give the runId that POST /api/sync/all-users answered with.") from None


def _actor(request: HttpRequest) -> str:
    caller: Caller = request.auth  # type: ignore[attr-defined]
    return caller.name
