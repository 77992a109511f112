"""Give back claims that were never sent."""

from collections.abc import Sequence

from django.db import transaction

from sync import fanout
from sync.deliver import leases
from sync.deliver.claim import Claim


@fanout.retried_on_deadlock
def release(claims: Sequence[Claim]) -> None:
    """Makes these due again at once, as if they had not been claimed. No request left for them, so the log gains no row."""
    if claims:
        with transaction.atomic():
            leases.end([(claim.lease, claim.delivery_id) for claim in claims])
