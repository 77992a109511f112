"""How many deliveries the last 24 hours had, by the hour and by what came of them: the numbers and the shapes of the charts."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from django.db import connection
from django.utils import timezone
from django.utils.translation import gettext as _

from sync.outcomes import Outcome
from sync.status import words

HOURS = 24
TAIL = 5000
"""Attempts that are read from the log because they are not in the hourly figures yet. A longer tail is left out and said to be."""

ROWS = """
with tail as materialized (
    select site_id, outcome, completed_at from user_sync_log
    where id > coalesce((select last_id from user_sync_hour_cursor where id = 1), 0) order by id limit %(tail)s + 1
)
select site_id, hour, outcome, count, false from user_sync_hour where hour >= %(since)s
union all
select site_id, date_trunc('hour', completed_at, 'UTC') as hour, outcome, count(*), true from tail group by site_id, hour, outcome
"""
"""One statement, so that no attempt is seen both in the tail and in the figures, or in neither."""

HEIGHT = 120
"""Units of the chart's height; a bar has `BAR` of the `SLOT` units of its hour."""
SLOT, BAR = 20, 14
SPARK_HEIGHT, SPARK_SLOT, SPARK_BAR = 24, 5, 4

Triple = tuple[int, int, int]


@dataclass(frozen=True)
class Part:
    """One outcome's piece of a bar, in units of the drawing."""

    look: str
    y: str
    height: str


@dataclass(frozen=True)
class Hour:
    """An hour's deliveries by what came of them, and its bar from the left."""

    start: datetime
    delivered: int
    trouble: int
    refused: int
    x: int = 0
    parts: list[Part] = field(default_factory=list)

    @property
    def total(self) -> int:
        return self.delivered + self.trouble + self.refused

    @property
    def name(self) -> str:
        """`10:00`, in the reader's time zone."""
        return f"{timezone.localtime(self.start):%H:%M}"

    @property
    def sentence(self) -> str:
        return f"{self.name}: {in_words(self.delivered, self.trouble, self.refused)}"


@dataclass(frozen=True)
class Spark:
    """A site's 24 hours as one shape for what was delivered, one for what was not, and a sentence."""

    delivered: int
    trouble: int
    refused: int
    good: str
    bad: str

    @property
    def sentence(self) -> str:
        return _("Last 24 hours: %(counts)s") % {"counts": in_words(self.delivered, self.trouble, self.refused)}

    @property
    def short(self) -> str:
        """What stands beside the shape, which tells good from bad by colour."""
        not_delivered = self.trouble + self.refused
        numbers = {"count": words.number(self.delivered + not_delivered), "bad": words.number(not_delivered)}
        return (_("%(count)s in 24 h, %(bad)s not delivered") if not_delivered else _("%(count)s in 24 h")) % numbers


@dataclass(frozen=True)
class Traffic:
    """The last 24 hours, the one under way included. `is_about`: the latest attempts are too many to be counted on a page."""

    hours: list[Hour]
    top: int
    """What the chart's upper edge stands for."""
    sparks: dict[int, Spark]
    """By the site's key; of sites that were sent something."""
    is_about: bool

    @property
    def delivered(self) -> int:
        return sum(hour.delivered for hour in self.hours)

    @property
    def trouble(self) -> int:
        return sum(hour.trouble for hour in self.hours)

    @property
    def refused(self) -> int:
        return sum(hour.refused for hour in self.hours)

    @property
    def total(self) -> int:
        return self.delivered + self.trouble + self.refused

    @property
    def sentence(self) -> str:
        """What the picture shows, for somebody who does not see it."""
        busiest = max(self.hours, key=lambda hour: hour.total)
        if not busiest.total:
            return _("Nothing was sent in the last 24 hours.")
        said = _("In the last 24 hours: %(counts)s") % {"counts": in_words(self.delivered, self.trouble, self.refused)}
        most = _("Most in the hour from %(time)s: %(count)s.") % {"time": busiest.name, "count": words.number(busiest.total)}
        return f"{said} {most}"

    @property
    def marks(self) -> list[Hour]:
        """The hours that the axis names."""
        return self.hours[:: HOURS // 4]

    @property
    def width(self) -> int:
        return HOURS * SLOT

    @property
    def height(self) -> int:
        return HEIGHT


def in_words(delivered: int, trouble: int, refused: int) -> str:
    """`120 delivered, 3 tried again, 0 refused.`"""
    return _("%(delivered)s delivered, %(trouble)s tried again, %(refused)s refused.") % {
        "delivered": words.number(delivered),
        "trouble": words.number(trouble),
        "refused": words.number(refused),
    }


def traffic(now: datetime | None = None) -> Traffic:
    """The deliveries of the last 24 hours, in one query that reads the hourly figures and a bounded tail of the log."""
    this_hour = (now or timezone.now()).astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    since = this_hour - timedelta(hours=HOURS - 1)
    with connection.cursor() as cursor:
        cursor.execute(ROWS, {"tail": TAIL, "since": since})
        rows = cursor.fetchall()
    is_about = sum(count for *_, count, of_tail in rows if of_tail) > TAIL
    sums: dict[int, list[list[int]]] = {}
    for site_id, hour, outcome, count, of_tail in rows:
        at = round((hour - since).total_seconds() // 3600)
        if 0 <= at < HOURS and not (of_tail and is_about):
            sums.setdefault(site_id, [[0, 0, 0] for _hour in range(HOURS)])[at][_kind(outcome)] += count
    every = [_sum(site[at] for site in sums.values()) for at in range(HOURS)]
    top = _round_up(max(sum(triple) for triple in every))
    hours = [_hour(since + timedelta(hours=at), at, triple, top) for at, triple in enumerate(every)]
    return Traffic(hours, top, {site_id: _spark(site) for site_id, site in sums.items()}, is_about)


def _kind(outcome: str) -> int:
    return 0 if outcome == Outcome.DELIVERED else 2 if outcome == Outcome.PERMANENT else 1


def _sum(triples: Iterable[Sequence[int]]) -> Triple:
    delivered = trouble = refused = 0
    for triple in triples:
        delivered, trouble, refused = delivered + triple[0], trouble + triple[1], refused + triple[2]
    return delivered, trouble, refused


def _round_up(most: int) -> int:
    """The next number that reads well on an axis: 1, 2 or 5 and noughts."""
    unit = 1
    while True:
        for step in (1, 2, 5):
            if most <= step * unit:
                return step * unit
        unit *= 10


def _hour(start: datetime, at: int, triple: Triple, top: int) -> Hour:
    parts, y = [], float(HEIGHT)
    for look, count in zip(("success", "pending", "failed"), triple, strict=True):
        if count:
            height = max(1.5, HEIGHT * count / top)  # one of a million is still to be seen
            y -= height
            parts.append(Part(look, f"{y:.1f}", f"{height:.1f}"))
    return Hour(start, *triple, x=at * SLOT + (SLOT - BAR) // 2, parts=parts)


def _spark(hours: Sequence[Sequence[int]]) -> Spark:
    most = max(sum(hour) for hour in hours)
    good, bad = [], []
    for at, (delivered, trouble, refused) in enumerate(hours):
        up = SPARK_HEIGHT * delivered / most
        if delivered:
            good.append(_box(at, SPARK_HEIGHT, max(1.0, up)))
        if trouble or refused:
            bad.append(_box(at, SPARK_HEIGHT - up, max(1.0, SPARK_HEIGHT * (trouble + refused) / most)))
    return Spark(*_sum(hours), "".join(good), "".join(bad))


def _box(at: int, bottom: float, height: float) -> str:
    return f"M{at * SPARK_SLOT} {bottom:.1f}v-{height:.1f}h{SPARK_BAR}v{height:.1f}z"
