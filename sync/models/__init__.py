"""The tables of sync. One subject a module."""

from sync.models.delivery import Action, Delivery, Status
from sync.models.health import SiteHealth
from sync.models.hour import HourCursor, SyncHour
from sync.models.lease import UNDER_WAY, Lease
from sync.models.log import UserSyncLog
from sync.models.outbox import OutboxEntry
from sync.models.run import RunSite, SyncRun
from sync.models.site_event import SiteEvent

__all__ = [
    "UNDER_WAY",
    "Action",
    "Delivery",
    "HourCursor",
    "Lease",
    "OutboxEntry",
    "RunSite",
    "SiteEvent",
    "SiteHealth",
    "Status",
    "SyncHour",
    "SyncRun",
    "UserSyncLog",
]
