"""Hand work to the Procrastinate workers."""

from django.db import transaction
from procrastinate.contrib.django import app
from procrastinate.exceptions import AlreadyEnqueued

FEED_RUN = "sync.feed_run"


def defer_feed(run_id: int) -> None:
    """Has a worker feed this run; does nothing when a job for it already waits."""
    try:
        # A savepoint: the duplicate's error would leave the caller's transaction aborted.
        with transaction.atomic():
            app.configure_task(FEED_RUN, queueing_lock=f"run:{run_id}").defer(run_id=run_id)
    except AlreadyEnqueued:
        return
