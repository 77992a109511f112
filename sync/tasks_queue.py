"""Hand work to the Procrastinate workers."""

from django.db import connection, transaction
from procrastinate.contrib.django import app
from procrastinate.exceptions import AlreadyEnqueued

from sync.deliver.drain import CHANNEL

FEED_RUN = "sync.feed_run"


def wake() -> None:
    """Has the workers look at what is due, as soon as the transaction is committed."""
    with connection.cursor() as cursor:
        cursor.execute("select pg_notify(%s, 'due')", [CHANNEL])


def defer_feed(run_id: int) -> None:
    """Has a worker feed this run; does nothing when a job for it already waits."""
    try:
        # A savepoint: the duplicate's error would leave the caller's transaction aborted.
        with transaction.atomic():
            app.configure_task(FEED_RUN, queueing_lock=f"run:{run_id}").defer(run_id=run_id)
    except AlreadyEnqueued:
        return
