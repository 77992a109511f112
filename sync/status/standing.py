"""Users of a list by where they stand at the active sites, as a query that is exact and can be filtered, counted and acted on.

It starts from what is not in sync, by the partial indexes that hold only that. What a site that is being compared (new, moved or
re-scoped) will owe is not written down yet, and counts as in sync until it is.
"""

from dataclasses import dataclass

from django.db.models import Exists, F, OuterRef, Q, QuerySet

from sites.models import ConnectedSite
from sync.models import Delivery, OutboxEntry, SiteHealth
from users.models import UserProfile

STATES = ("failed", "pending", "success")
LARGE = 200_000
"""With more deliveries than this in a state, only the newest users are looked at."""
NEWEST = 5_000


@dataclass(frozen=True)
class Found:
    """The users, and whether only the `NEWEST` of the directory were looked at."""

    users: QuerySet[UserProfile]
    is_cut: bool


def users_who_are(users: QuerySet[UserProfile], state: str) -> Found:
    """Those of these users who are failed, or pending or under way, at one site at least; or (`success`) neither anywhere."""
    sites = list(ConnectedSite.objects.filter(is_active=True).values_list("pk", flat=True))
    # Each status apart: that is what the partial indexes are made for.
    parts = {name: Delivery.objects.filter(status=name, site_id__in=sites).order_by() for name in ("failed", "pending", "in_progress")}
    changed = OutboxEntry.objects.order_by()
    is_cut = any(_is_large(parts[name]) for name in (("failed",) if state == "failed" else ("pending", "failed")))
    if is_cut:
        last = UserProfile.objects.order_by("-pk").values_list("pk", flat=True)[NEWEST : NEWEST + 1].first()
        users = users.filter(pk__gt=last) if last is not None else users
    if state == "success":
        for rows in (*parts.values(), changed):
            users = users.filter(~Exists(rows.filter(user_id=OuterRef("user_id"))))
        return Found(users, is_cut)
    if state == "failed":
        return Found(users.filter(user_id__in=parts["failed"].values("user_id")), is_cut)
    open_ones = [parts[name].values("user_id") for name in ("pending", "in_progress")]
    return Found(users.filter(user_id__in=open_ones[0].union(open_ones[1], changed.values("user_id"))), is_cut)


def compared_sites() -> list[str]:
    """The active sites that are being compared, by name: what they will be owed is not known yet."""
    marked = SiteHealth.objects.filter(~Q(reconcile_wanted=F("reconcile_done")), site__is_active=True)
    return [str(health.site) for health in marked.exclude(reconcile_reason__in=["daily", "asked for"]).select_related("site")]


def _is_large(rows: QuerySet[Delivery]) -> bool:
    return rows[LARGE : LARGE + 1].exists()
