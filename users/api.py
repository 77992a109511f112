"""The directory in the JSON API: /api/users."""

from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import IntegrityError, models, transaction
from django.http import HttpRequest
from ninja import P, PathEx, Query, Router, Status
from ninja.errors import HttpError
from pydantic import AfterValidator, ConfigDict, Field

from ssodash.jsonapi import saving
from ssodash.jsonapi.auth import may
from ssodash.jsonapi.schema import LEFT_OUT, READ_ERRORS, WRITE_ERRORS, Answer, Body, Error, Page, PageQuery, SiteResult, Text, one_role
from users.models import UserProfile, default_role

SyncResults = Callable[[str], list[SiteResult]]
"""Where a user stands at every site, by public id. Handed in by the API's root: the directory knows nothing of sync."""

FIELDS = ["email", "full_name", "role", "is_active"]
UserId = PathEx[str, P(alias="userId", description="A public user id.")]
USER_ID: dict[str, Any] = {"pattern": "^[A-Za-z0-9][A-Za-z0-9_-]{0,99}$"}
EMAIL: dict[str, Any] = {"format": "email"}


class UserOut(Answer):
    """A user of the directory."""

    user_id: str
    email: str
    full_name: str
    role: str
    is_active: bool
    version: int
    created_at: datetime
    updated_at: datetime


class ChangedUser(UserOut):
    """A user after a change, and what came of telling the sites, so far."""

    sync: list[SiteResult]


class RemovedUser(Answer):
    """What came of deleting a user. `sync` lists the sites that have not acknowledged the removal yet."""

    success: bool
    message: str
    user_id: str
    sync: list[SiteResult]


class UserPage(Page):
    """Users, in the order in which they were added."""

    items: list[UserOut]


class UserQuery(PageQuery):
    """Which users to list."""

    email: Text | None = Field(None, description="Exactly this email, whatever its case.")
    role: Text | None = Field(None, description="Exactly this role.")
    is_active: bool | None = None


def _one_line(text: str) -> str:
    return " ".join(text.split())


FullName = Annotated[Text, AfterValidator(_one_line)]
"""Spaces in a row, and line ends, are one space: as the admin's form has it."""


class NewUser(Body):
    """A user to add."""

    user_id: Text | None = Field(
        None, description="The id that sites know the user by. Left out: one is made.", examples=["user_123"], json_schema_extra=USER_ID
    )
    email: Text = Field(min_length=1, max_length=254, examples=["ada@example.com"], json_schema_extra=EMAIL)
    full_name: FullName = Field(min_length=1, max_length=200, examples=["Ada Lovelace"])
    role: Text = Field(default_factory=default_role, max_length=100, examples=["user"], json_schema_extra=one_role)
    is_active: bool = True


class UserChange(Body):
    """What to change; what is left out stays."""

    model_config = ConfigDict(json_schema_extra={"minProperties": 1})

    user_id: Text = Field(LEFT_OUT, description="Cannot change; accepted where it is the user's own.")
    email: Text = Field(LEFT_OUT, min_length=1, max_length=254, examples=["ada@example.com"], json_schema_extra=EMAIL)
    full_name: FullName = Field(LEFT_OUT, min_length=1, max_length=200, examples=["Ada Lovelace"])
    role: Text = Field(LEFT_OUT, max_length=100, examples=["manager"], json_schema_extra=one_role)
    is_active: bool = Field(LEFT_OUT)


def build_router(sync_results: SyncResults) -> Router:
    """The endpoints of the directory. `sync_results` is asked right after a change, when the sites have been told."""
    router = Router(tags=["users"], by_alias=True)

    def changed(user: UserProfile) -> ChangedUser:
        return ChangedUser(**UserOut.model_validate(user).model_dump(), sync=sync_results(user.user_id))

    @router.get("", auth=may("users.view_userprofile"), response={200: UserPage, READ_ERRORS: Error}, summary="List users")
    def list_users(request: HttpRequest, query: Query[UserQuery]) -> UserPage:
        rows = _matching(query)
        page = rows[query.offset : query.offset + query.limit]
        return UserPage(items=[UserOut.model_validate(user) for user in page], total=rows.count(), limit=query.limit, offset=query.offset)

    @router.post("", auth=may("users.add_userprofile"), response={201: ChangedUser, WRITE_ERRORS: Error}, summary="Add a user")
    def create_user(request: HttpRequest, payload: NewUser) -> Status[ChangedUser]:
        """Adds the user, tells every active site at once, and answers with what came of that within the push deadline."""
        return Status(201, changed(_create(payload)))

    @router.get("/{userId}", auth=may("users.view_userprofile"), response={200: UserOut, READ_ERRORS: Error}, summary="Read a user")
    def read_user(request: HttpRequest, user_id: UserId) -> UserOut:
        return UserOut.model_validate(_get(UserProfile.objects.all(), user_id))

    @router.patch(
        "/{userId}", auth=may("users.change_userprofile"), response={200: ChangedUser, WRITE_ERRORS: Error}, summary="Change a user"
    )
    def change_user(request: HttpRequest, user_id: UserId, payload: UserChange) -> ChangedUser:
        """Changes what is given. `"isActive": false` deactivates: the sites are told to remove the user."""
        return changed(_change(user_id, payload))

    @router.delete(
        "/{userId}", auth=may("users.delete_userprofile"), response={200: RemovedUser, READ_ERRORS: Error}, summary="Delete a user"
    )
    def delete_user(request: HttpRequest, user_id: UserId) -> RemovedUser:
        """Deletes the user for good and sends the removal to every site that ever had the user."""
        _delete(user_id)
        return _removed(user_id, sync_results(user_id))

    return router


def _matching(query: UserQuery) -> models.QuerySet[UserProfile]:
    rows = UserProfile.objects.order_by("id")
    if query.email is not None:
        rows = rows.with_email(query.email)
    if query.role is not None:
        rows = rows.filter(role=query.role)
    if query.is_active is not None:
        rows = rows.filter(is_active=query.is_active)
    return rows


def _get(rows: models.QuerySet[UserProfile], user_id: str) -> UserProfile:
    user = rows.filter(user_id=user_id).first() if "\x00" not in user_id else None
    if user is None:
        raise HttpError(404, f"There is no user {user_id[:100]!r}: give the userId of a user in the directory.")
    return user


def _create(payload: NewUser) -> UserProfile:
    given = payload.model_dump()
    if given["user_id"] is None:
        del given["user_id"]
    user = UserProfile(**given)
    _check_role(user.role)
    _check(user)
    return _save(user, force_insert=True)


@transaction.atomic
def _change(user_id: str, payload: UserChange) -> UserProfile:
    user = _get(UserProfile.objects.select_for_update(), user_id)
    given = payload.model_fields_set
    if "user_id" in given and payload.user_id != user.user_id:
        raise saving.Invalid("userId cannot change: sites know this user by it. Delete the user and add another one instead.")
    if not given:
        raise saving.Invalid("There is nothing to change: give at least one of email, fullName, role, isActive.")
    if "role" in given and payload.role != user.role:
        _check_role(payload.role)
    changed = saving.apply(user, payload, FIELDS)
    if not changed:
        return user
    # What is wrong in another field, by SQL, must not keep anybody from deactivating the user.
    _check(user, changed)
    return _save(user, update_fields=changed)


@transaction.atomic
def _delete(user_id: str) -> None:
    _get(UserProfile.objects.select_for_update(), user_id).delete()


def _check_role(role: str) -> None:
    # The database takes any role, so that SQL may; forms, CSV and the API take those that were agreed on.
    if role not in settings.SYNC_ROLES:
        raise saving.Invalid(f"role: There is no role {role!r}. Give one of: {', '.join(settings.SYNC_ROLES)}.")


def _check(user: UserProfile, changed: list[str] | None = None) -> None:
    saving.check(user, changed)
    others = UserProfile.objects.exclude(pk=user.pk) if user.pk else UserProfile.objects.all()
    if others.with_email(user.email).exists():
        raise _email_taken(user)
    if others.filter(user_id=user.user_id).exists():
        raise _id_taken(user)
    try:
        user.validate_constraints()
    except ValidationError:
        raise saving.Invalid("email: Enter a valid email address, without spaces.") from None


def _save(user: UserProfile, **options: Any) -> UserProfile:
    """Saves, and reads what the database made of it. Raises Conflict where another request was faster."""
    try:
        with transaction.atomic():
            user.save(**options)
            user.refresh_from_db()
    except IntegrityError as error:
        if not saving.is_duplicate(error):
            raise
        raise _email_taken(user) if "email" in saving.constraint(error) else _id_taken(user) from None
    return user


def _email_taken(user: UserProfile) -> saving.Conflict:
    return saving.Conflict(f"A user with the email {user.email!r} exists already: change that one, or give another email.")


def _id_taken(user: UserProfile) -> saving.Conflict:
    remedy = "change that one, or leave userId out to have one made"
    return saving.Conflict(f"A user with the userId {user.user_id!r} exists already: {remedy}.")


def _removed(user_id: str, unsettled: list[SiteResult]) -> RemovedUser:
    open_ones = [result for result in unsettled if result.status != "success"]
    message = "Deleted. No site has this user any more."
    if open_ones:
        message = f"Deleted. Not removed yet at {', '.join(result.site for result in open_ones)}: see sync for why."
    return RemovedUser(success=not open_ones, message=message, user_id=user_id, sync=open_ones)
