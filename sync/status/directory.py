"""The matrix of users and sites, a page at a time."""

import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field

from django.db import connection
from django.db.models import Q, QuerySet

from sites.models import ConnectedSite
from sync.status import pairs
from sync.status.pairs import SiteStatus, UserStatus
from users.models import UserProfile

PAGE_SIZE = 50
GONE_SHOWN = 20


@dataclass(frozen=True)
class Row:
    """A user's line: one cell a column, None where the site does not concern the user (someone who is gone)."""

    user_id: str
    email: str
    full_name: str
    status: str
    cells: list[SiteStatus | None]
    key: int | None = None
    """The user's internal key; None for one who is gone."""
    role: str = ""
    is_active: bool = False
    elsewhere: list[SiteStatus] = field(default_factory=list)
    """Sites without a column (inactive ones) that still owe this user's removal."""

    @property
    def dom_id(self) -> str:
        """The line's name on the page: the same in every rendering."""
        return f"u{self.key}" if self.key else f"g{zlib.crc32(self.user_id.encode()):x}"

    @property
    def note_id(self) -> str:
        """The name of what was said about this line; another one as soon as its state is another."""
        return f"{self.dom_id}-{zlib.crc32(repr([cell and cell.status for cell in self.cells]).encode()):x}"


@dataclass(frozen=True)
class Page:
    """A page of the matrix. `newer` and `older` are the keys to page on with, None at the ends."""

    columns: list[ConnectedSite]
    rows: list[Row]
    gone: list[Row]
    """Users who are no longer in the directory while a site has not yet removed them; on the first page only."""
    newer: int | None
    older: int | None


GONE = """
select d.user_id from (
    -- Each state apart: that is what the partial indexes are made for.
    select id, user_id, wanted_action, attempted_version from user_sync_delivery where status = 'pending'
    union all
    select id, user_id, wanted_action, attempted_version from user_sync_delivery where status = 'in_progress'
    union all
    select id, user_id, wanted_action, attempted_version from user_sync_delivery where status = 'failed'
) d
where d.wanted_action = 'delete' and d.attempted_version is not null
    and not exists (select from user_profiles u where u.user_id = d.user_id)
group by d.user_id order by max(d.id) desc limit %s
"""


def find(text: str) -> QuerySet[UserProfile]:
    """The users whose name, email or id contains this; everyone for an empty text."""
    text = text.replace("\x00", "").strip()
    if not text:
        return UserProfile.objects.all()
    return UserProfile.objects.filter(Q(full_name__icontains=text) | Q(email__icontains=text) | Q(user_id__icontains=text))


def page(
    columns: Sequence[ConnectedSite], *, search: str = "", after: int | None = None, before: int | None = None, size: int = PAGE_SIZE
) -> Page:
    """The newest users first, `size` of them: those older than the key `after`, or newer than `before`. In three queries."""
    found = find(search)
    newer: int | None
    older: int | None
    if before is not None:
        taken = list(found.filter(pk__gt=before).order_by("pk")[: size + 1])
        more = len(taken) > size
        people = taken[:size][::-1]
        newer, older = (people[0].pk if more and people else None), before
        older = people[-1].pk if people else older
    else:
        older_ones = found if after is None else found.filter(pk__lt=after)
        taken = list(older_ones.order_by("-pk")[: size + 1])
        people = taken[:size]
        older = people[-1].pk if len(taken) > size else None
        newer = None if after is None else (people[0].pk if people else after - 1)
    first = after is None and before is None
    gone = _gone(search) if first else []
    states = pairs.of_users([*(person.user_id for person in people), *gone])
    return Page(
        columns=list(columns),
        rows=[_row(person, states.get(person.user_id), columns) for person in people],
        gone=[_gone_row(states[user_id], columns) for user_id in gone if user_id in states],
        newer=newer,
        older=older,
    )


def row(user_id: str, columns: Sequence[ConnectedSite]) -> Row | None:
    """One user's line; None when nobody of that id is known any more."""
    state = pairs.of_user(user_id)
    person = UserProfile.objects.filter(user_id=user_id).first()
    if person is not None:
        return _row(person, state, columns)
    return _gone_row(state, columns) if state else None


def is_empty() -> bool:
    """Whether the directory has no user at all."""
    return not UserProfile.objects.exists()


def _gone(search: str) -> list[str]:
    if search:
        return []
    with connection.cursor() as cursor:
        cursor.execute(GONE, [GONE_SHOWN])
        return [user_id for (user_id,) in cursor.fetchall()]


def _row(person: UserProfile, state: UserStatus | None, columns: Sequence[ConnectedSite]) -> Row:
    cells = _cells(state, columns)
    status = state.status if state else "success"
    return Row(person.user_id, person.email, person.full_name, status, cells, person.pk, person.role, person.is_active)


def _gone_row(state: UserStatus, columns: Sequence[ConnectedSite]) -> Row:
    shown = {site.pk for site in columns}
    elsewhere = [site for site in state.sites if site.site_id not in shown]
    return Row(state.user_id, state.email, state.full_name, state.status, _cells(state, columns), elsewhere=elsewhere)


def _cells(state: UserStatus | None, columns: Sequence[ConnectedSite]) -> list[SiteStatus | None]:
    by_site = {site.site_id: site for site in state.sites} if state else {}
    return [by_site.get(column.pk) for column in columns]
