"""Which users a person asked for: by what they are called, their role, and where they stand at which sites.

Where a user stands is known per delivery, and there may be ten million of those. So no list by status walks the users: it begins at what is
not in sync, by the partial indexes that the worker uses. Only where that is itself too much, or not written down yet (a site that is
new, moved or re-scoped), the users are walked, newest first and no more than `LOOKED_AT` pairs of them at a time.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from django.db import connection
from django.db.models import Q, QuerySet
from django.db.models.expressions import RawSQL

from sync.models import UNDER_WAY
from sync.status.overview import SiteOverview
from sync.status.pairs import UserStatus
from users.models import UserProfile

MOST = 10_000
"""Deliveries that a list by status begins with."""
LOOKED_AT = 30_000
"""Pairs of user and site that are compared for one page where the users must be walked."""
FEWEST, MOST_WALKED = 100, 1000
"""Users that are looked at then: at least, at most."""

STATES = {
    "success": (),
    "pending": ("pending", "in_progress"),
    "in_progress": ("in_progress",),
    "failed": ("failed",),
}
"""What can be asked for, and the statuses that it means; `success`: nothing else anywhere. Under way is a way of being pending."""
NOT_IN_SYNC = ("pending", "in_progress", "failed")

_STATE = {
    # Each state apart: that is what the partial indexes are made for.
    state: f"(select user_id from user_sync_delivery where status = '{state}' and site_id = any (%s) limit {MOST + 1})"  # noqa: S608
    for state in ("pending", "failed")
}
_STATE["in_progress"] = f"(select user_id from user_sync_delivery where id in {UNDER_WAY} and site_id = any (%s) limit {MOST + 1})"  # noqa: S608
_CHANGED = f"(select user_id from user_sync_outbox limit {MOST + 1})"  # noqa: S608

STANDING = """
select distinct user_id from user_sync_status where user_id = any (%s) and site_id = any (%s) and sync_status = any (%s)
"""


@dataclass(frozen=True)
class Filters:
    """What the list of users is narrowed to; empty: everyone. `status` is one of `STATES`; `sites` are those it is asked at."""

    search: str = ""
    status: str = ""
    role: str = ""
    sites: tuple[SiteOverview, ...] = ()
    """The active sites that count, those chosen or else all."""

    most: ClassVar[int] = MOST

    def __bool__(self) -> bool:
        return bool(self.search or self.status or self.role)

    @property
    def site_ids(self) -> list[int]:
        return [overview.site.pk for overview in self.sites]

    def users(self) -> QuerySet[UserProfile]:
        """Who is called so and has the role."""
        found = find(self.search)
        return found.filter(role=self.role) if self.role else found

    @property
    def open_deliveries(self) -> int:
        """How many deliveries the list by status begins with."""
        wanted = STATES[self.status] or NOT_IN_SYNC
        return sum(getattr(overview.counts, state) for overview in self.sites for state in wanted)

    @property
    def must_walk(self) -> bool:
        """Whether the users must be walked: what differs is not written down, or it is too much to find among it who else is asked for."""
        if any(overview.is_compared for overview in self.sites):
            return True
        return self.open_deliveries > MOST and (self.status == "success" or bool(self.search or self.role))

    @property
    def is_cut(self) -> bool:
        """Whether the list shows only some of those it could: the first of very many."""
        return bool(self.status) and not self.must_walk and self.open_deliveries > MOST

    def matches(self, state: UserStatus | None) -> bool:
        """Whether a user stands where the list by status says, now."""
        if not self.status:
            return True
        ids = set(self.site_ids)
        at = [site.status for site in state.sites if site.site_id in ids] if state else []
        wanted = STATES[self.status]
        return any(each in wanted for each in at) if wanted else all(each == "success" for each in at)


def find(text: str) -> QuerySet[UserProfile]:
    """The users whose name, email or id contains this; everyone for an empty text."""
    text = text.replace("\x00", "").strip()
    if not text:
        return UserProfile.objects.all()
    return UserProfile.objects.filter(Q(full_name__icontains=text) | Q(email__icontains=text) | Q(user_id__icontains=text))


def by_status(filters: Filters) -> QuerySet[UserProfile]:
    """Those that may match, by what is not in sync. Whom it names is to be compared with `Filters.matches` once their status is read."""
    users = filters.users()
    if not filters.status:
        return users
    wanted = STATES[filters.status]
    parts = [_STATE[state] for state in wanted or ("pending", "failed")]
    parameters = [filters.site_ids] * len(parts)
    if filters.status != "failed":
        parts.append(_CHANGED)  # changed, and not written down for the sites yet
    # An array: the users are then looked up by it, whatever the planner believes of its size.
    known = RawSQL(f"select unnest(array({' union '.join(parts)}))", parameters)  # noqa: S611  (constants of this module)
    return users.filter(user_id__in=known) if wanted else users.exclude(user_id__in=known)


@dataclass(frozen=True)
class Walked:
    """A piece of the walk: who matched, and the key it came to; None where it came to the end."""

    found: list[UserProfile]
    reached: int | None


def walk(filters: Filters, users: QuerySet[UserProfile], size: int) -> Walked:
    """Looks at the next users in this order until `size` match, within the limit. Two queries."""
    sites = filters.site_ids
    limit = min(MOST_WALKED, max(FEWEST, LOOKED_AT // max(1, len(sites))))
    looked = list(users[: limit + 1])
    wanted = STATES[filters.status]
    with connection.cursor() as cursor:
        cursor.execute(STANDING, [[user.user_id for user in looked[:limit]], sites, list(wanted or NOT_IN_SYNC)])
        named = {row[0] for row in cursor.fetchall()}
    found = [user for user in looked[:limit] if (user.user_id in named) == bool(wanted)]
    if len(found) > size:
        return Walked(found[:size], found[size - 1].pk)
    return Walked(found, looked[limit - 1].pk if len(looked) > limit else None)


def sites_with(overviews: Sequence[SiteOverview], status: str) -> list[SiteOverview]:
    """Those of these sites where somebody is in this state; all of them where nobody is, or everybody is asked for."""
    wanted = STATES.get(status, ())
    some = [overview for overview in overviews if any(getattr(overview.counts, state) for state in wanted)]
    return some or list(overviews)
