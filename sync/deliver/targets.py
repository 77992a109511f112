"""Which sites may be sent to now, and how much."""

from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.db import connection

from sync.connectors.target import Target

LOAD = """
select s.id, s.name, s.display_name, s.url, s.sync_path, s.connector, s.batch_size, s.max_in_flight, s.timeout, s.epoch,
    coalesce((select array_agg(c.secret order by c.id desc) from site_credentials c where c.site_id = s.id and c.kind = 'signing'), '{}'),
    coalesce(h.confirms_ids, false),
    coalesce(leased.n, 0),
    h.quarantined_at is not null,
    h.quarantined_at is not null and coalesce(h.next_probe_at, '-infinity') <= now(),
    coalesce(h.throttled_until > now(), false)
from connected_sites s
left join user_sync_site_health h on h.site_id = s.id
left join (
    select site_id, count(*) as n from user_sync_delivery
    where status = 'in_progress' and lease_until > now() group by site_id
) leased on leased.site_id = s.id
where s.is_active
    and exists (select from user_sync_delivery d where d.site_id = s.id and d.status = 'pending'
        and (d.next_attempt_at <= now() or h.quarantined_at is not null))
"""


FIELDS = ("site_id", "name", "display_name", "url", "sync_path", "connector", "batch_size", "max_in_flight", "timeout", "epoch")


@dataclass(frozen=True, slots=True)
class Slot:
    """A site, and how many more requests it may be sent now."""

    target: Target
    free: int
    probe: bool = False
    """The site is quarantined and this is its probe."""


def open_slots() -> list[Slot]:
    """Active sites that are owed something now and take requests: not quarantined (unless a probe is due), not told to wait, not full."""
    with connection.cursor() as cursor:
        cursor.execute(LOAD)
        rows = cursor.fetchall()
    slots = []
    for row in rows:
        secrets, confirms_ids, leased, quarantined, probe_due, throttled = row[10:]
        fields: dict[str, Any] = dict(zip(FIELDS, row[:10], strict=True))
        target = Target(**fields, secrets=tuple(secrets), confirms_ids=confirms_ids, connect_timeout=settings.SYNC_CONNECT_TIMEOUT)
        under_way = -(-leased // target.batch_size)
        free = target.max_in_flight - under_way
        if throttled or (quarantined and not probe_due):
            continue
        if quarantined:
            free = 1 if leased == 0 else 0
        if free > 0:
            slots.append(Slot(target, free, probe=quarantined))
    return slots
