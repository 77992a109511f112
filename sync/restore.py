"""After the database was restored from a backup: the hub is older than its sites, and has to tell them everything anew."""

from dataclasses import dataclass

from django.db import connection, transaction

from sync import reconcile

# Milliseconds since 1970 grow faster than versions are drawn, so that they are above whatever was sent after the backup, and also above
# what was drawn after an earlier restore.
FLOOR = """
select setval('user_sync_version_seq', greatest(
    coalesce(%s::bigint, (extract(epoch from clock_timestamp()) * 1000)::bigint),
    (select last_value from user_sync_version_seq),
    (select coalesce(max(version), 0) from user_profiles),
    (select coalesce(max(greatest(wanted_version, attempted_version)), 0) from user_sync_delivery)
))
"""

# What sites were told to remove may have come back there after the backup.
REMOVALS = """
update user_sync_delivery set wanted_version = nextval('user_sync_version_seq'), wanted_generation = wanted_generation + 1, tries = 0,
    next_attempt_at = now(), cause = 'reconcile', actor = '', run_id = null,
    status = 'pending'
where wanted_action = 'delete' and attempted_version is not null
"""


@dataclass(frozen=True)
class Restored:
    """What is owed because of the restore. `floor` is below every version drawn from now on."""

    floor: int
    users: int
    removals: int
    sites: int


@transaction.atomic
def after_restore(floor: int | None = None) -> Restored:
    """Gives every user a version above anything that was ever sent, so that every site is sent everyone, and owes all removals again.

    Can be repeated. `floor` replaces the time-based limit; it never lowers versions.
    """
    with connection.cursor() as cursor:
        cursor.execute(FLOOR, [floor])
        (used,) = cursor.fetchone()
        cursor.execute("update user_profiles set version = -1")
        users = cursor.rowcount
        cursor.execute(REMOVALS)
        removals = cursor.rowcount
    return Restored(used, users, removals, reconcile.request_all("asked for"))
