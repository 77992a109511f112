"""Attempts in words."""

from collections.abc import Iterable
from dataclasses import dataclass

from django.utils.translation import gettext_lazy, pgettext_lazy

from sync.models import Action, UserSyncLog
from sync.status import words

LOOKS = {
    "success": ("success", "check_circle", gettext_lazy("Delivered")),
    "pending": ("pending", "schedule", pgettext_lazy("attempt", "Tried again")),
    "failed": ("failed", "error", gettext_lazy("Failed")),
    "lost": ("warning", "help", pgettext_lazy("attempt", "Lost")),
}
SHOWN = 10


@dataclass(frozen=True)
class AttemptLine:
    """An attempt in a list."""

    row: UserSyncLog
    when: str
    what: str
    look: str
    symbol: str
    word: str

    @property
    def why(self) -> str:
        """What caused it."""
        return words.cause(self.row.cause)


def last_attempts(*, user_id: str | None = None, site_id: int | None = None, limit: int = SHOWN) -> list[AttemptLine]:
    """The latest attempts for a user, or at a site."""
    rows = UserSyncLog.objects.all()
    if user_id is not None:
        rows = rows.filter(user_id=user_id)
    if site_id is not None:
        rows = rows.filter(site_id=site_id)
    return lines(rows[:limit])


def lines(rows: Iterable[UserSyncLog]) -> list[AttemptLine]:
    """These attempts, in this order, as a list shows them."""
    names = dict(Action.choices)
    return [AttemptLine(row, words.ago(row.completed_at), str(names.get(row.type, row.type)), *look_of(row)) for row in rows]


def look_of(row: UserSyncLog) -> tuple[str, str, str]:
    """An attempt's look, icon and word."""
    look, symbol, word = LOOKS[row.status]
    return look, symbol, str(word)
