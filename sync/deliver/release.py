"""Give back claims that were never sent."""

from collections.abc import Sequence

from django.db import connection

from sync import fanout
from sync.deliver.claim import Claim

RELEASE = """
update user_sync_delivery d set status = 'pending', tries = greatest(0, d.tries - 1), next_attempt_at = clock_timestamp(),
    lease_token = null, lease_until = null, lease_started_at = null, lease_cause = null, lease_actor = null, lease_run_id = null,
    lease_leads = false
from unnest(%(ids)s::bigint[], %(tokens)s::uuid[]) as g (id, token) where d.id = g.id and d.lease_token = g.token
"""


@fanout.retried_on_deadlock
def release(claims: Sequence[Claim]) -> None:
    """Makes these due again at once, as if they had not been claimed. No request left for them, so the log gains no row."""
    if claims:
        with connection.cursor() as cursor:
            cursor.execute(RELEASE, {"ids": [claim.delivery_id for claim in claims], "tokens": [claim.token for claim in claims]})
