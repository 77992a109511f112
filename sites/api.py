"""The connected sites in the JSON API: /api/sites."""

import base64
import binascii
import re
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.conf import settings
from django.db import IntegrityError, models, transaction
from django.http import HttpRequest
from ninja import Query, Router, Status
from ninja.errors import HttpError
from pydantic import ConfigDict, Field

from sites.models import ConnectedSite, SiteCredential, issue_signing_secret
from ssodash.jsonapi import saving
from ssodash.jsonapi.auth import may
from ssodash.jsonapi.schema import LEFT_OUT, READ_ERRORS, WRITE_ERRORS, Answer, Body, Error, Page, PageQuery, Text, some_roles

FIELDS = [
    "name",
    "display_name",
    "url",
    "icon",
    "category",
    "is_active",
    "connector",
    "sync_path",
    "batch_size",
    "max_in_flight",
    "timeout",
    "auth_method",
    "roles",
]
MAX_ROLES = 100
NAME: dict[str, Any] = {"pattern": "^[-a-zA-Z0-9_]+$"}
ICON: dict[str, Any] = {"pattern": "^[a-z0-9_]*$"}
URL: dict[str, Any] = {"format": "uri"}
PATH: dict[str, Any] = {"pattern": r"^/([^/\s?#\\][^\s?#\\]*)?$"}


class SiteOut(Answer):
    """A connected site, without its secret."""

    name: str
    display_name: str
    url: str
    icon: str
    category: str
    is_active: bool
    connector: str
    sync_path: str
    batch_size: int
    max_in_flight: int
    timeout: float
    auth_method: str
    roles: list[str]
    created_at: datetime
    updated_at: datetime


class NewSiteOut(SiteOut):
    """A site that was just connected, with its secret: the only time that it is shown."""

    signing_secret: str | None = Field(description="The generated secret, shown only now; null where the caller supplied it.")


class IssuedSecret(Answer):
    """A site's new secret: the only time that it is shown."""

    name: str
    signing_secret: str


class RemovedSite(Answer):
    """What came of disconnecting a site."""

    success: bool
    message: str
    name: str


class SitePage(Page):
    """Sites, in the order in which they were connected."""

    items: list[SiteOut]


class SiteQuery(PageQuery):
    """Which sites to list."""

    is_active: bool | None = None


class NewSite(Body):
    """A site to connect."""

    name: Text = Field(min_length=1, max_length=50, description="For URLs, commands and SQL.", examples=["hrms"], json_schema_extra=NAME)
    display_name: Text = Field("", max_length=100, description="What people see. Left out: the name.", examples=["HRMS"])
    url: Text = Field(min_length=1, max_length=500, examples=["https://hrms.example.com"], json_schema_extra=URL)
    icon: Text = Field("apps", max_length=50, description="The name of a Material Symbol.", json_schema_extra=ICON)
    category: Text = Field("", max_length=100)
    is_active: bool = True
    connector: ConnectedSite.Connector = Field(ConnectedSite.Connector.REST, strict=False)
    sync_path: Text = Field("/api/users/sync", max_length=200, json_schema_extra=PATH)
    batch_size: int = Field(1, ge=1, le=1000, description="Users per request.")
    max_in_flight: int = Field(8, ge=1, le=100, description="Requests under way at the same time at most.")
    timeout: float = Field(10.0, ge=0.5, le=120, description="Seconds that one request may take in total.")
    auth_method: ConnectedSite.AuthMethod = Field(ConnectedSite.AuthMethod.SIGNATURE, strict=False)
    roles: list[Text] = Field(
        default_factory=list, max_length=MAX_ROLES, json_schema_extra=some_roles, description="Only users with one of these. Empty: all."
    )
    signing_secret: Text | None = Field(
        None,
        max_length=200,
        description="A secret of your own: whsec_ and 24 to 64 bytes in base64. Left out: one is made, and shown once.",
        json_schema_extra={"writeOnly": True, "pattern": "^whsec_[A-Za-z0-9+/]{32,86}={0,2}$"},
    )


class SiteChange(Body):
    """What to change; what is left out stays. The secret has an endpoint of its own."""

    model_config = ConfigDict(json_schema_extra={"minProperties": 1})

    name: Text = Field(LEFT_OUT, min_length=1, max_length=50, json_schema_extra=NAME)
    display_name: Text = Field(LEFT_OUT, min_length=1, max_length=100)
    url: Text = Field(LEFT_OUT, min_length=1, max_length=500, json_schema_extra=URL)
    icon: Text = Field(LEFT_OUT, max_length=50, json_schema_extra=ICON)
    category: Text = Field(LEFT_OUT, max_length=100)
    is_active: bool = Field(LEFT_OUT)
    connector: ConnectedSite.Connector = Field(LEFT_OUT, strict=False)
    sync_path: Text = Field(LEFT_OUT, max_length=200, json_schema_extra=PATH)
    batch_size: int = Field(LEFT_OUT, ge=1, le=1000)
    max_in_flight: int = Field(LEFT_OUT, ge=1, le=100)
    timeout: float = Field(LEFT_OUT, ge=0.5, le=120)
    auth_method: ConnectedSite.AuthMethod = Field(LEFT_OUT, strict=False)
    roles: list[Text] = Field(LEFT_OUT, max_length=MAX_ROLES, json_schema_extra=some_roles)


router = Router(tags=["sites"], by_alias=True)


@router.get("", auth=may("sites.view_connectedsite"), response={200: SitePage, READ_ERRORS: Error}, summary="List sites")
def list_sites(request: HttpRequest, query: Query[SiteQuery]) -> SitePage:
    rows = ConnectedSite.objects.order_by("id")
    if query.is_active is not None:
        rows = rows.filter(is_active=query.is_active)
    page = rows[query.offset : query.offset + query.limit]
    return SitePage(items=[SiteOut.model_validate(site) for site in page], total=rows.count(), limit=query.limit, offset=query.offset)


@router.post("", auth=may("sites.add_connectedsite"), response={201: NewSiteOut, WRITE_ERRORS: Error}, summary="Connect a site")
def create_site(request: HttpRequest, payload: NewSite) -> Status[NewSiteOut]:
    """Connects a site and answers with its signing secret, which is shown only now. The worker then sends it everyone in its scope."""
    given = payload.model_dump(exclude={"signing_secret"})
    site = ConnectedSite(**{**given, "display_name": given["display_name"] or given["name"]})
    if payload.signing_secret is not None:
        _check_secret(payload.signing_secret)
    _check(site)
    # In one transaction: the worker must not find the site without its secret.
    with transaction.atomic():
        _save(site, force_insert=True)
        if payload.signing_secret is None:
            secret = issue_signing_secret(site)
        else:
            secret = None
            site.credentials.create(kind=SiteCredential.Kind.SIGNING, secret=payload.signing_secret)
    return Status(201, NewSiteOut(**SiteOut.model_validate(site).model_dump(), signing_secret=secret))


@router.get("/{name}", auth=may("sites.view_connectedsite"), response={200: SiteOut, READ_ERRORS: Error}, summary="Read a site")
def read_site(request: HttpRequest, name: str) -> SiteOut:
    return SiteOut.model_validate(_get(ConnectedSite.objects.all(), name))


@router.patch("/{name}", auth=may("sites.change_connectedsite"), response={200: SiteOut, WRITE_ERRORS: Error}, summary="Change a site")
def change_site(request: HttpRequest, name: str, payload: SiteChange) -> SiteOut:
    """Changes what is given. A site that was activated, moved or given another scope is reconciled by the worker."""
    if not payload.model_fields_set:
        raise saving.Invalid("There is nothing to change: give at least one field of the site.")
    with transaction.atomic():
        site = _get(ConnectedSite.objects.select_for_update(), name)
        before = site.roles
        changed = saving.apply(site, payload, FIELDS)
        if changed:
            _check(site, had_roles=before)
            _save(site, update_fields=[*changed, "updated_at"])
    return SiteOut.model_validate(site)


@router.delete(
    "/{name}", auth=may("sites.delete_connectedsite"), response={200: RemovedSite, READ_ERRORS: Error}, summary="Disconnect a site"
)
def delete_site(request: HttpRequest, name: str) -> RemovedSite:
    """Forgets the site and what it is owed. It is sent nothing: the users it received stay there."""
    with transaction.atomic():
        _get(ConnectedSite.objects.select_for_update(), name).delete()
    message = "Disconnected. The users that this site received are still there: remove them there."
    return RemovedSite(success=True, message=message, name=name)


@router.post(
    "/{name}/secret",
    auth=may("sites.change_connectedsite"),
    response={200: IssuedSecret, READ_ERRORS: Error},
    summary="Replace a site's secret",
)
def replace_secret(request: HttpRequest, name: str) -> IssuedSecret:
    """Replaces the signing secret by a new one, which is shown only now. From the next request on only the new one signs."""
    with transaction.atomic():
        site = _get(ConnectedSite.objects.select_for_update(), name)
        return IssuedSecret(name=site.name, signing_secret=issue_signing_secret(site))


def _get(rows: models.QuerySet[ConnectedSite], name: str) -> ConnectedSite:
    site = rows.filter(name=name).first() if "\x00" not in name else None
    if site is None:
        raise HttpError(404, f"There is no site {name[:100]!r}: GET /api/sites lists those there are.")
    return site


def _check(site: ConnectedSite, *, had_roles: Sequence[str] = ()) -> None:
    if not re.fullmatch(ICON["pattern"], site.icon):
        raise saving.Invalid("icon: Use the name of a Material Symbol: small letters, digits and _ only, for example badge.")
    site.icon = site.icon or "apps"
    # A role that is no longer among SYNC_ROLES may stay where it is, as in the admin.
    site.roles = list(dict.fromkeys(site.roles))
    for role in site.roles:
        if role not in settings.SYNC_ROLES and role not in had_roles:
            known = ", ".join(settings.SYNC_ROLES)
            raise saving.Invalid(f"roles: There is no role {role!r}. Give some of: {known}; or none, for all users.")
    saving.check(site)
    if ConnectedSite.objects.filter(name=site.name).exclude(pk=site.pk).exists():
        raise _taken(site)


def _check_secret(secret: str) -> None:
    """Raises Invalid, without quoting the secret."""
    remedy = "Give whsec_ followed by 24 to 64 random bytes in base64, or leave it out to have one made."
    if not secret.startswith("whsec_"):
        raise saving.Invalid(f"signingSecret does not begin with whsec_. {remedy}")
    try:
        size = len(base64.b64decode(secret.removeprefix("whsec_"), validate=True))
    except (binascii.Error, ValueError):
        raise saving.Invalid(f"signingSecret is not base64 behind whsec_. {remedy}") from None
    if not 24 <= size <= 64:
        raise saving.Invalid(f"signingSecret is {size} bytes long. {remedy}")


def _save(site: ConnectedSite, **options: Any) -> None:
    """Saves, and reads what the database made of it. Raises Conflict where another request was faster."""
    try:
        with transaction.atomic():
            site.save(**options)
            site.refresh_from_db()
    except IntegrityError as error:
        if not saving.is_duplicate(error):
            raise
        raise _taken(site) from None


def _taken(site: ConnectedSite) -> saving.Conflict:
    return saving.Conflict(f"A site named {site.name!r} exists already: change that one, or give another name.")
