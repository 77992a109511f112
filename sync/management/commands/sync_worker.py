"""The worker: delivers what is due, retries, reconciles, and carries out runs. Run as many as you like, on as many machines."""

import asyncio
import gc
import logging
import os
import signal
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from django.core.management.base import BaseCommand
from procrastinate.contrib.django import app

from ssodash.row_security import require_owner
from sync import abandoned_jobs, runs, tasks_queue
from sync.deliver.drain import Drain

logger = logging.getLogger(__name__)

JOBS = 16
END_WITHIN = 9.5
"""Seconds from the request to stop to the end at the latest, also where a vanished database holds a connection attempt."""


class Command(BaseCommand):
    help = "Run a sync worker until SIGTERM or Ctrl-C."
    requires_system_checks: list[str] = []  # checks load the code of every page

    def handle(self, *args: Any, **options: Any) -> None:
        require_owner()
        _collect_garbage_seldom()
        stop = threading.Event()
        drain = threading.Thread(target=Drain(stop, pick_up_runs).run, name="sync-drain")
        drain.start()
        self.stderr.write("The worker is running. Ctrl-C stops it.")
        try:
            asyncio.run(_work(stop, drain))
        finally:
            stop.set()
            drain.join()


def _collect_garbage_seldom() -> None:
    """A claim makes thousands of objects and no cycles: looking for these after every 700 was a twentieth of the worker's time."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)


def pick_up_runs() -> None:
    """Hands runs that nobody feeds (started in SQL, or left by a dead process) to the queue."""
    for run_id in runs.waiting():
        tasks_queue.defer_feed(run_id)


async def _work(stop: threading.Event, drain: threading.Thread) -> None:
    loop = asyncio.get_running_loop()
    # Sync tasks share asyncio's default pool, which is too small for jobs that wait.
    loop.set_default_executor(ThreadPoolExecutor(JOBS + 4))
    ending = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ending.set)
    while not ending.is_set() and drain.is_alive():
        jobs = asyncio.create_task(_procrastinate())
        ended = asyncio.create_task(ending.wait())
        alive = asyncio.create_task(_until_dead(drain))
        await asyncio.wait({jobs, ended, alive}, return_when=asyncio.FIRST_COMPLETED)
        stop_now = ending.is_set() or not drain.is_alive()
        if stop_now:
            stop.set()
            _end_by_force_later()
        for task in (ended, alive):
            task.cancel()
        if not jobs.done():
            jobs.cancel()
        try:
            await jobs
        except asyncio.CancelledError:
            pass
        except Exception as error:
            logger.warning("the job queue stopped, starting it again: %s", " ".join(str(error).split())[:300])
        if not stop_now:
            await asyncio.sleep(1)
    if not ending.is_set():
        raise SystemExit("The drain loop ended unexpectedly; its error is above. Start the worker again.")


def _end_by_force_later() -> None:
    # What is under way then stays leased, and is sent again when the lease expires.
    timer = threading.Timer(END_WITHIN, os._exit, [1])
    timer.daemon = True
    timer.start()


async def _until_dead(thread: threading.Thread) -> None:
    while thread.is_alive():
        await asyncio.sleep(1)


async def _procrastinate() -> None:
    """A Procrastinate worker. It returns, without an error, when the database restarts: the caller starts it again."""
    # An app of its own: the tasks keep deferring through Django's connection, whose thread is not this loop's.
    worker = app.with_connector(app.connector.get_worker_connector())  # type: ignore[attr-defined]
    watch = abandoned_jobs.Watch()
    async with worker.open_async() as opened:
        watching = asyncio.create_task(watch.run(opened.job_manager))
        try:
            await opened.run_worker_async(
                concurrency=JOBS,
                install_signal_handlers=False,
                shutdown_graceful_timeout=3,
                # A new job is told of by NOTIFY. This is for what nobody tells: a job whose worker died.
                fetch_job_polling_interval=5,
                update_heartbeat_interval=5,
                stalled_worker_timeout=30,
                delete_jobs="successful",
                worker_middleware=[watch.follow],
            )
        finally:
            watching.cancel()
