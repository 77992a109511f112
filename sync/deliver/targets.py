"""Which sites may be sent to now, and how much."""

from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Any

from django.conf import settings
from django.db import transaction

from sync.connectors.target import Target
from sync.deliver import kept

OPEN = "h.paused_at is null and coalesce(h.throttled_until, '-infinity') <= now()"
"""Of a site's health: an admin did not pause it, and it did not ask to wait."""

LOAD = """
select s.id, s.name, s.display_name, s.url, s.sync_path, s.connector, s.batch_size, s.max_in_flight, s.timeout, s.epoch,
    coalesce((select array_agg(c.secret order by c.id desc) from site_credentials c where c.site_id = s.id and c.kind = 'signing'), '{}'),
    coalesce(h.confirms_ids, false),
    (select count(*) from user_sync_lease l where l.site_id = s.id and l.until > now()),
    h.quarantined_at is not null,
    h.quarantined_at is not null and coalesce(h.next_probe_at, '-infinity') <= now()
from connected_sites s
left join user_sync_site_health h on h.site_id = s.id
-- One look into the index a site, however much is owed: past what is under way there, which lies before what waits. The leases are read by
-- their sites: whole, the table would be read with all those that have ended and are not vacuumed yet. None where the caller knows.
left join lateral (
    select d.next_attempt_at from user_sync_delivery d
    where s.id <> all (%(owed)s::bigint[]) and d.site_id = s.id and d.status = 'pending' and d.id not in (
        select unnest(l.delivery_ids) from connected_sites c join user_sync_lease l on l.site_id = c.id
    )
    order by d.next_attempt_at, d.id limit 1
) first on true
where s.is_active and {open} and (
    s.id = any (%(owed)s::bigint[]) or first.next_attempt_at <= now()
    or (h.quarantined_at is not null and first.next_attempt_at is not null)
)
""".replace("{open}", OPEN)


FIELDS = ("site_id", "name", "display_name", "url", "sync_path", "connector", "batch_size", "max_in_flight", "timeout", "epoch")


Place = tuple[str, int]
"""How far what is due at a site was claimed: when the last of it was due, as PostgreSQL writes it, and its id."""


@dataclass(frozen=True, slots=True)
class Slot:
    """A site that may be sent to."""

    target: Target
    free: int
    """Requests that it may be sent now; none or less where it has enough."""
    probe: bool = False
    """The site is quarantined and this is its probe."""
    batch: int = 1
    """Users that may travel in one request: one in a probe."""
    own: int = 0
    """Requests at this site that the claimer holds already."""
    ahead: int = 0
    """Requests that the claimer may hold beyond those that the site takes at a time; it sends them only as others end."""
    after: Place | None = None
    """Only what is due after this is claimed, and what lies before it not looked at once more."""


def open_slots(*, owed: Collection[int] = (), keep_plan: bool = False) -> list[Slot]:
    """Active sites that are owed something now and take requests: not paused, not quarantined (but for a due probe), not told to wait.
    `owed`: ids of sites of which the caller knows that they are owed something. `keep_plan`: see `kept.fetch`."""
    with transaction.atomic():
        rows = kept.fetch(LOAD, {"owed": list(owed)}, keep_plan=keep_plan)
    slots = []
    for row in rows:
        secrets, confirms_ids, leased, quarantined, probe_due = row[10:]
        fields: dict[str, Any] = dict(zip(FIELDS, row[:10], strict=True))
        target = Target(**fields, secrets=tuple(secrets), confirms_ids=confirms_ids, connect_timeout=settings.SYNC_CONNECT_TIMEOUT)
        free = target.max_in_flight - leased
        if quarantined and not probe_due:
            continue
        if quarantined:
            free = 1 if leased == 0 else 0
        slots.append(Slot(target, free, probe=quarantined, batch=1 if quarantined else target.batch_size))
    return slots


def limited(slot: Slot, sizes: dict[int, int]) -> Slot:
    """The slot with no more users a request than was learned that its site takes."""
    return replace(slot, batch=max(1, min(slot.batch, sizes.get(slot.target.site_id, slot.batch))))
