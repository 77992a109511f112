"""Every number and word that a screen shows, computed here, in a fixed number of queries."""

from sync.status.attempts import AttemptLine, last_attempts, look_of
from sync.status.directory import COLUMNS, PAGE_SIZE, Page, Row, is_empty, page, row
from sync.status.history import EventLine, site_events
from sync.status.matching import STATES, Filters, find, sites_with
from sync.status.overview import Counts, SiteOverview, by_urgency, counts_by_site, site_overview, sites_overview, totals
from sync.status.pairs import LABELS, SiteStatus, UserStatus, in_short, of_list, of_pairs, of_user, of_users, sentence, worst
from sync.status.progress import NO_WORKER, RunProgress, current_run, no_worker, progress, still_owes, worker_alive
from sync.status.times import time_element
from sync.status.traffic import Spark, Traffic, traffic
from sync.status.waits import NAMED, Wait, wait_of, waits, who_waits
from sync.status.words import CAUSES, ago, cause, count, exact, listed, number, until

__all__ = [
    "CAUSES",
    "COLUMNS",
    "LABELS",
    "NAMED",
    "NO_WORKER",
    "PAGE_SIZE",
    "STATES",
    "AttemptLine",
    "Counts",
    "EventLine",
    "Filters",
    "Page",
    "Row",
    "RunProgress",
    "SiteOverview",
    "SiteStatus",
    "Spark",
    "Traffic",
    "UserStatus",
    "Wait",
    "ago",
    "by_urgency",
    "cause",
    "count",
    "counts_by_site",
    "current_run",
    "exact",
    "find",
    "in_short",
    "is_empty",
    "last_attempts",
    "listed",
    "no_worker",
    "number",
    "look_of",
    "of_list",
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
    "sites_with",
    "still_owes",
    "time_element",
    "totals",
    "traffic",
    "until",
    "wait_of",
    "waits",
    "who_waits",
    "worker_alive",
    "worst",
]
