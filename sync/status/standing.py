"""Users of a list by where they stand at the active sites, as a query that is exact and can be filtered, counted and acted on.

It starts from what is not in sync, by the partial indexes that hold only that. What a site that is being compared (new, moved or
re-scoped) will owe is not written down yet, and counts as in sync until it is.
"""

from dataclasses import dataclass

from django.db import connection
from django.db.models import Exists, F, OuterRef, Q, QuerySet
from django.db.models.expressions import RawSQL

from sites.models import ConnectedSite
from sync.models import UNDER_WAY, Delivery, OutboxEntry, SiteHealth
from users.models import UserProfile

STATES = ("failed", "pending", "success")
LARGE = 200_000
"""With more deliveries than this in a state, only the newest users are looked at."""
NEWEST = 5_000


_AHEAD = """
select d.id from user_sync_delivery d
join connected_sites s on s.id = d.site_id and s.is_active
left join user_profiles u on u.user_id = d.user_id
cross join lateral (select coalesce(user_sync_in_scope(u.is_active, u.role, s.roles), false) as belongs) b
where d.status in ('success', 'failed') and {which}
    and (d.wanted_action <> case when b.belongs then 'upsert' else 'delete' end or b.belongs and d.wanted_version < u.version
        or d.status = 'success' and d.acked_epoch is distinct from s.epoch)
    and (b.belongs or d.attempted_version is not null)
limit %(most)s
"""
AHEAD = " union ".join(
    f"({_AHEAD.format(which=which)})"
    for which in ("d.user_id = any (array(select user_id from user_sync_outbox limit %(most)s))", "d.site_id = any (%(sites)s::bigint[])")
)
"""As the view `user_sync_status` has it, of a few users and sites, and only where it says pending and the row does not."""


@dataclass(frozen=True)
class Found:
    """The users, and whether only the `NEWEST` of the directory were looked at."""

    users: QuerySet[UserProfile]
    is_cut: bool


def users_who_are(users: QuerySet[UserProfile], state: str) -> Found:
    """Those of these users who are failed, or pending or under way, at one site at least; or (`success`) neither anywhere."""
    sites = list(ConnectedSite.objects.filter(is_active=True).values_list("pk", flat=True))
    # Each status apart: that is what the partial indexes are made for.
    parts = {name: Delivery.objects.filter(status=name, site_id__in=sites).order_by() for name in ("failed", "pending")}
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
    return Found(users.filter(user_id__in=parts["pending"].values("user_id").union(changed.values("user_id"))), is_cut)


def deliveries_that_are(deliveries: QuerySet[Delivery], state: str) -> QuerySet[Delivery]:
    """Those of these deliveries that every screen shows in this state, one of `matching.STATES`. Under way is a way of being pending."""
    if state == "in_progress":
        return deliveries.filter(pk__in=RawSQL(UNDER_WAY, []))  # noqa: S611
    ahead = _ahead()
    found = deliveries.filter(status=state)
    if state == "pending":
        return deliveries.filter(Q(status=state) | Q(pk__in=ahead)) if ahead else found
    return found.exclude(pk__in=ahead) if ahead else found


def _ahead() -> list[int]:
    """Deliveries that are pending though that is not written down yet: the user has just changed, or the site is being compared."""
    sites = list(_compared().values_list("site_id", flat=True))
    if not sites and not OutboxEntry.objects.exists():
        return []
    with connection.cursor() as cursor:
        cursor.execute(AHEAD, {"sites": sites, "most": NEWEST})
        return [key for (key,) in cursor.fetchall()]


def compared_sites() -> list[str]:
    """The active sites that are being compared, by name: what they will be owed is not known yet."""
    return [str(health.site) for health in _compared().select_related("site")]


def _compared() -> QuerySet[SiteHealth]:
    marked = SiteHealth.objects.filter(~Q(reconcile_wanted=F("reconcile_done")), site__is_active=True)
    return marked.exclude(reconcile_reason__in=["daily", "asked for"])


def _is_large(rows: QuerySet[Delivery]) -> bool:
    return rows[LARGE : LARGE + 1].exists()
