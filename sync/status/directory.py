"""The matrix of users and sites, a page at a time."""

import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from django.db import connection

from sites.models import ConnectedSite
from sync.status import matching, pairs
from sync.status.matching import Filters
from sync.status.pairs import SiteStatus, UserStatus
from users.models import UserProfile

PAGE_SIZE = 50
WIDE, WIDE_PAGE_SIZE = 8, 25
"""With more than so many sites a page has fewer lines: what is looked up is users times sites, and what a browser lays out, and a screen
reader walks, are cells."""
COLUMNS = 12
"""Sites that are shown side by side. The others are a page of columns further."""
GONE_SHOWN = 20


class Summary(NamedTuple):
    """Where a user stands at all sites taken together."""

    look: str
    symbol: str
    words: str


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
    summary: Summary | None = None
    """At all sites, where not each has a column."""

    @property
    def dom_id(self) -> str:
        """The line's name on the page: the same in every rendering."""
        return f"u{self.key}" if self.key else f"g{zlib.crc32(self.user_id.encode()):x}"

    @property
    def note_id(self) -> str:
        """The name of what was said about this line; another one as soon as its state is another."""
        return f"{self.dom_id}-{zlib.crc32(repr([*(cell and cell.status for cell in self.cells), self.status]).encode()):x}"


@dataclass(frozen=True)
class Page:
    """A page of the matrix. `newer` and `older` are the keys to page on with, None at the ends."""

    columns: list[ConnectedSite]
    rows: list[Row]
    gone: list[Row]
    """Users who are no longer in the directory while a site has not yet removed them; on the first page only."""
    newer: int | None
    older: int | None
    summarised: bool = False
    """There are sites without a column: each line says in a word where the user stands at all of them."""
    walked: bool = False
    """The users were walked for their status, and the walk stopped for the page's sake: there may be more further on."""

    @property
    def column_ids(self) -> str:
        """The columns for a form: a line that is rendered anew has the same ones."""
        return " ".join(str(column.pk) for column in self.columns)


EVERYONE = Filters()

GONE = """
select d.user_id from (
    -- Each state apart: that is what the partial indexes are made for.
    select id, user_id, wanted_action, attempted_version from user_sync_delivery where status = 'pending'
    union all
    select id, user_id, wanted_action, attempted_version from user_sync_delivery where status = 'failed'
) d
where d.wanted_action = 'delete' and d.attempted_version is not null
    and not exists (select from user_profiles u where u.user_id = d.user_id)
group by d.user_id order by max(d.id) desc limit %s
"""


def page(
    columns: Sequence[ConnectedSite],
    *,
    filters: Filters = EVERYONE,
    sites: int | None = None,
    after: int | None = None,
    before: int | None = None,
    size: int | None = None,
) -> Page:
    """The newest users first, `size` of them: those older than the key `after`, or newer than `before`. In three queries; in four where
    users must be walked for their status. `sites`: how many active ones there are, if not all have a column."""
    size = size or (PAGE_SIZE if max(sites or 0, len(columns)) <= WIDE else WIDE_PAGE_SIZE)
    taken = _taken(filters, after, before, size)
    gone = _gone() if after is None and before is None and not filters else []
    summarised = (sites or 0) > len(columns)
    user_ids = [*(person.user_id for person in taken.people), *gone]
    if summarised:
        shown = {site.pk for site in columns}
        # Of the others only some are read; asked at some of the sites only, whether a user matches shows at all of those.
        asked = filters.site_ids if filters.status and len(filters.sites) < (sites or 0) else []
        states = pairs.of_list(user_ids, shown.union(asked))
    else:
        states = pairs.of_users(user_ids)
    people = [person for person in taken.people if filters.matches(states.get(person.user_id))]
    return Page(
        columns=list(columns),
        rows=[_row(person, states.get(person.user_id), columns, summarised) for person in people],
        gone=[_gone_row(states[user_id], columns, summarised) for user_id in gone if user_id in states],
        newer=taken.newer,
        older=taken.older,
        summarised=summarised,
        walked=taken.walked,
    )


@dataclass(frozen=True)
class _Taken:
    people: list[UserProfile]
    newer: int | None
    older: int | None
    walked: bool = False


def _taken(filters: Filters, after: int | None, before: int | None, size: int) -> _Taken:
    backwards = before is not None
    walks = bool(filters.status) and filters.must_walk
    found = filters.users() if walks else matching.by_status(filters)
    if before is not None:
        found = found.filter(pk__gt=before).order_by("pk")
    else:
        found = (found if after is None else found.filter(pk__lt=after)).order_by("-pk")
    if walks:
        walked = matching.walk(filters, found, size)
        people, reached = walked.found, walked.reached
    else:
        taken = list(found[: size + 1])
        people = taken[:size]
        reached = people[-1].pk if len(taken) > size else None
    if backwards:
        people = people[::-1]
        return _Taken(people, reached, people[-1].pk if people else before, walks)
    newer = None if after is None else (people[0].pk if people else after - 1)
    return _Taken(people, newer, reached, walks and reached is not None and len(people) < size)


def row(user_id: str, columns: Sequence[ConnectedSite], *, summarised: bool = False) -> Row | None:
    """One user's line; None when nobody of that id is known any more."""
    state = pairs.of_user(user_id)
    person = UserProfile.objects.filter(user_id=user_id).first()
    if person is not None:
        return _row(person, state, columns, summarised)
    return _gone_row(state, columns, summarised) if state else None


def is_empty() -> bool:
    """Whether the directory has no user at all."""
    return not UserProfile.objects.exists()


def _gone() -> list[str]:
    with connection.cursor() as cursor:
        cursor.execute(GONE, [GONE_SHOWN])
        return [user_id for (user_id,) in cursor.fetchall()]


def _row(person: UserProfile, state: UserStatus | None, columns: Sequence[ConnectedSite], summarised: bool) -> Row:
    return Row(
        person.user_id,
        person.email,
        person.full_name,
        state.status if state else "success",
        _cells(state, columns),
        person.pk,
        person.role,
        person.is_active,
        summary=_summary(state, summarised),
    )


def _gone_row(state: UserStatus, columns: Sequence[ConnectedSite], summarised: bool) -> Row:
    shown = {site.pk for site in columns}
    elsewhere = [] if summarised else [site for site in state.sites if site.site_id not in shown]
    summary = _summary(state, summarised)
    return Row(state.user_id, state.email, state.full_name, state.status, _cells(state, columns), elsewhere=elsewhere, summary=summary)


def _summary(state: UserStatus | None, wanted: bool) -> Summary | None:
    return Summary(*pairs.in_short(state)) if wanted and state and state.sites else None


def _cells(state: UserStatus | None, columns: Sequence[ConnectedSite]) -> list[SiteStatus | None]:
    by_site = {site.site_id: site for site in state.sites} if state else {}
    return [by_site.get(column.pk) for column in columns]
