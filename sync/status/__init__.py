"""Every number and word that a screen shows, computed here, in a fixed number of queries."""

from sync.status.attempts import AttemptLine, last_attempts, look_of
from sync.status.directory import PAGE_SIZE, Page, Row, find, is_empty, page, row
from sync.status.overview import Counts, SiteOverview, counts_by_site, site_overview, sites_overview, totals
from sync.status.pairs import LABELS, SiteStatus, UserStatus, in_short, of_user, of_users, sentence, worst
from sync.status.progress import RunProgress, current_run, progress, worker_alive
from sync.status.words import ago, count, listed, until

__all__ = [
    "LABELS",
    "PAGE_SIZE",
    "AttemptLine",
    "Counts",
    "Page",
    "Row",
    "RunProgress",
    "SiteOverview",
    "SiteStatus",
    "UserStatus",
    "ago",
    "count",
    "counts_by_site",
    "current_run",
    "find",
    "in_short",
    "is_empty",
    "last_attempts",
    "listed",
    "look_of",
    "of_user",
    "of_users",
    "page",
    "progress",
    "row",
    "sentence",
    "site_overview",
    "sites_overview",
    "totals",
    "until",
    "worker_alive",
    "worst",
]
