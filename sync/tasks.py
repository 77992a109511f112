"""What Procrastinate runs. Thin: each calls one piece."""

import time

from procrastinate import JobContext
from procrastinate.contrib.django import app

from sync import abandoned_jobs, hourly, reconcile, retention, runs, tasks_queue
from sync.models import SyncRun

STALLED_AFTER = 30


@app.task(name=tasks_queue.FEED_RUN, pass_context=True)
def feed_run(context: JobContext, *, run_id: int) -> None:
    """Feeds a run until it is over; the drain loops deliver. Gives it back when the worker stops."""
    run = SyncRun.objects.filter(pk=run_id).first()
    if run is None:
        return
    feeder = runs.Feeder(run)
    try:
        while not feeder.step():
            if context.should_abort():
                return
            time.sleep(0.1)
    finally:
        feeder.let_go()


@app.periodic(cron="17 3 * * *")
@app.task(name="sync.reconcile_daily", queueing_lock="reconcile_daily")
def reconcile_daily(timestamp: int) -> None:
    """Marks every site for reconcile once a day: what slipped through by any means is mended."""
    reconcile.request_all("daily")


@app.periodic(cron="37 * * * *")
@app.task(name="sync.prune_log", queueing_lock="prune_log")
def prune_log(timestamp: int) -> None:
    """Deletes what is older than the log's limit, every hour."""
    retention.prune()


@app.periodic(cron="* * * * *")
@app.task(name="sync.count_hours", queueing_lock="count_hours")
def count_hours(timestamp: int) -> None:
    """Counts what is new in the log by the hour, every minute, for the charts."""
    hourly.roll_up()


@app.periodic(cron="* * * * *")
@app.task(name="sync.rescue_stalled", queueing_lock="rescue_stalled", pass_context=True)
async def rescue_stalled(context: JobContext, timestamp: int) -> None:
    """Runs again the jobs of workers that died: Procrastinate does not do so by itself."""
    manager = app.job_manager
    await abandoned_jobs.run_again(manager, await manager.get_stalled_jobs(seconds_since_heartbeat=STALLED_AFTER))
