"""Who calls: a program with a bearer token, or a member of staff who is signed in."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db.models import Q
from django.http import HttpRequest
from django.utils import timezone
from ninja.errors import AuthenticationError, AuthorizationError
from ninja.security import APIKeyCookie, HttpBearer
from ninja.security.base import AuthBase
from ninja.utils import check_csrf

from ssodash.models import ApiToken, hash_token

LAST_USED_EVERY = timedelta(minutes=1)
"""How exact `last_used_at` is. A write at every call would cost more than the call."""


@dataclass(frozen=True)
class Caller:
    """Who is calling, by the name that the log keeps: the token's, or the staff login's."""

    name: str


class BearerToken(HttpBearer):
    """`Authorization: Bearer TOKEN`. A token may do everything the API can."""

    def __call__(self, request: HttpRequest) -> Caller | None:
        """None where no such header came. Raises AuthenticationError where one came and is no good: a session beside it does not help."""
        given = request.headers.get("Authorization", "").strip()
        if not given:
            return None
        scheme, _, token = given.partition(" ")
        if scheme.lower() != "bearer":
            raise AuthenticationError(message="Send the header as `Authorization: Bearer TOKEN`; no other kind is taken.")
        return self.authenticate(request, token.strip())

    def authenticate(self, request: HttpRequest, token: str) -> Caller:
        found = ApiToken.objects.filter(token_hash=hash_token(token)).first()
        if found is None:
            remedy = "`manage.py create_api_token NAME` makes one"
            raise AuthenticationError(message=f"This token is not known: it was mistyped or deleted; {remedy}.")
        _note_use(found)
        return Caller(found.name)


def _note_use(token: ApiToken) -> None:
    now = timezone.now()
    stale = now - LAST_USED_EVERY
    if token.last_used_at is None or token.last_used_at < stale:
        # Asked again in the database, so that many calls at the same time write once.
        unwritten = Q(last_used_at=None) | Q(last_used_at__lt=stale)
        ApiToken.objects.filter(unwritten, pk=token.pk).update(last_used_at=now)


class StaffSession(APIKeyCookie):
    """The session of a staff login, with a CSRF token on everything but GET. Django's model permissions decide what it may do."""

    param_name = settings.SESSION_COOKIE_NAME

    def __init__(self, permission: str | None = None) -> None:
        super().__init__()
        self.permission = permission

    def __call__(self, request: HttpRequest) -> Caller | None:
        return self.authenticate(request, None)

    def authenticate(self, request: HttpRequest, key: str | None) -> Caller | None:
        """None where nobody is signed in. Raises AuthorizationError naming what is missing."""
        user: Any = request.user
        if not user.is_authenticated:
            return None
        if not user.is_staff:
            raise AuthorizationError(message="This login is not staff: sign in with a staff login, or use a token.")
        if check_csrf(request):
            remedy = "send the csrftoken cookie's value in the header X-CSRFToken, or use a bearer token"
            raise AuthorizationError(message=f"The CSRF token is missing or wrong: {remedy}.")
        if self.permission and not user.has_perm(self.permission):
            remedy = "ask an administrator for it, or use a token"
            raise AuthorizationError(message=f"This login lacks the permission {self.permission}: {remedy}.")
        return Caller(user.get_username())


def may(permission: str | None) -> list[AuthBase]:
    """An endpoint's `auth`: a token, or a staff session with this permission (None: any staff session)."""
    return [BearerToken(), StaffSession(permission)]
