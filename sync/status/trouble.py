"""Who waits and who failed at one site: the first of each."""

from dataclasses import dataclass
from datetime import datetime

from django.db.models.expressions import RawSQL

from sync.models import UNDER_WAY, Delivery
from sync.status import pairs
from sync.status.pairs import SiteStatus
from users.models import UserProfile

SHOWN = 10


@dataclass(frozen=True)
class Line:
    """One user in such a list. `key` is the internal one of a user who is in the directory."""

    user_id: str
    email: str
    full_name: str
    key: int | None
    at: SiteStatus
    delivery_id: int
    next_attempt_at: datetime | None


@dataclass(frozen=True)
class Trouble:
    """The first few who failed, and of those who wait the first few that are tried next."""

    failed: list[Line]
    pending: list[Line]


def trouble(site_id: int, limit: int = SHOWN) -> Trouble:
    """What is not in sync at this site, by what is owed there. Four queries; changes that nobody fanned out yet are not among them."""
    at_site = Delivery.objects.filter(site_id=site_id).only("user_id", "site_id", "next_attempt_at")
    failed = list(at_site.filter(status="failed").order_by("user_id")[:limit])
    waiting = list(at_site.filter(status="pending").exclude(pk__in=RawSQL(UNDER_WAY, [])).order_by("next_attempt_at")[:limit])  # noqa: S611
    rows = [*failed, *waiting]
    if not rows:
        return Trouble([], [])
    states = pairs.of_pairs([(row.user_id, site_id) for row in rows])
    people = {user.user_id: user for user in UserProfile.objects.filter(user_id__in=[row.user_id for row in rows])}
    lines = []
    for row in rows:
        state, person = states.get(row.user_id), people.get(row.user_id)
        if state and state.sites:
            key = person.pk if person else None
            email = state.email or row.user_id
            lines.append(Line(row.user_id, email, state.full_name, key, state.sites[0], row.pk, row.next_attempt_at))
    # By what every other screen says now: a user who failed and was changed since is pending.
    return Trouble(
        [line for line in lines if line.at.status == "failed"], [line for line in lines if line.at.status in {"pending", "in_progress"}]
    )
