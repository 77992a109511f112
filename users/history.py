"""What the admin's history says of changes to many users at once."""

from collections.abc import Sequence
from dataclasses import dataclass

from django.contrib.admin.models import CHANGE, LogEntry
from django.http import HttpRequest
from django.utils.formats import number_format

from users.models import UserProfile


@dataclass(frozen=True)
class Changed:
    """What a bulk action changed: how many users, and their public ids where there are not too many to name."""

    number: int
    user_ids: list[str]


def log(request: HttpRequest, users: Sequence[UserProfile], flag: int, text: str) -> None:
    """One entry for each of these users."""
    if users:
        LogEntry.objects.log_actions(login(request), users, flag, change_message=text)


def log_many(request: HttpRequest, text: str, number: int) -> None:
    """One history entry for many users: one each would take longer than the change itself."""
    LogEntry.objects.create(user_id=login(request), object_repr=f"{number:,} users", action_flag=CHANGE, change_message=text)


def login(request: HttpRequest) -> int:
    """The key of who is signed in."""
    return int(request.user.pk or 0)  # nobody gets here without being signed in


def grouped(number: int) -> str:
    """`1,200` in English, `1.200` in German."""
    return str(number_format(number, force_grouping=True))
