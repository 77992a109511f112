"""Every number and word that a screen shows, computed here, in a fixed number of queries."""

from sync.status.attempts import AttemptLine, last_attempts, look_of
from sync.status.directory import PAGE_SIZE, Page, Row, find, is_empty, page, row
from sync.status.history import EventLine, site_events
from sync.status.overview import Counts, SiteOverview, counts_by_site, site_overview, sites_overview, totals
from sync.status.pairs import LABELS, SiteStatus, UserStatus, in_short, of_pairs, of_user, of_users, sentence, worst
from sync.status.progress import NO_WORKER, RunProgress, current_run, no_worker, progress, worker_alive
from sync.status.waits import NAMED, Wait, wait_of, waits, who_waits
from sync.status.words import CAUSES, ago, cause, count, listed, until

__all__ = [
    "CAUSES",
    "LABELS",
    "NAMED",
    "NO_WORKER",
    "PAGE_SIZE",
    "AttemptLine",
    "Counts",
    "EventLine",
    "Page",
    "Row",
    "RunProgress",
    "SiteOverview",
    "SiteStatus",
    "UserStatus",
    "Wait",
    "ago",
    "cause",
    "count",
    "counts_by_site",
    "current_run",
    "find",
    "in_short",
    "is_empty",
    "last_attempts",
    "listed",
    "no_worker",
    "look_of",
    "of_pairs",
    "of_user",
    "of_users",
    "page",
    "progress",
    "row",
    "sentence",
    "site_events",
    "site_overview",
    "sites_overview",
    "totals",
    "until",
    "wait_of",
    "waits",
    "who_waits",
    "worker_alive",
    "worst",
]
