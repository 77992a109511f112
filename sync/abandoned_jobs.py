"""Jobs that the queue takes for running although nobody runs them: Procrastinate leaves them so, for ever."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

from procrastinate import JobContext
from procrastinate.exceptions import ConnectorException, UniqueViolation
from procrastinate.jobs import Job, Status
from procrastinate.manager import JobManager
from procrastinate.worker import Worker

logger = logging.getLogger(__name__)

EVERY = 5.0
"""Seconds between two looks. What is seen in both is abandoned: that a job ended is written down within milliseconds, or never."""


async def run_again(manager: JobManager, jobs: Iterable[Job]) -> None:
    """Has these jobs run once more; one that another of its kind waits behind is let go instead, as that one does its work."""
    for job in jobs:
        try:
            await manager.retry_job(job)
        except UniqueViolation:
            await manager.finish_job(job, Status.ABORTED, delete_job=True)


class Watch:
    """Over the jobs of one worker that lives: those whose end the database would not take stay its own, and its heart goes on beating, so
    that no other worker takes them for stalled. Give `follow` to the worker as a middleware, and let `run` run beside it."""

    def __init__(self) -> None:
        self._worker: Worker | None = None
        self._running: set[int | None] = set()
        self._seen: set[int | None] = set()

    async def follow(self, call_next: Callable[[], Awaitable[Any]], context: JobContext, worker: Worker) -> Any:
        """Runs the job, and knows that it runs."""
        self._worker = worker
        self._running.add(context.job.id)
        try:
            return await call_next()
        finally:
            self._running.discard(context.job.id)

    async def run(self, manager: JobManager) -> None:
        """Until it is cancelled. A database that does not answer is asked again the next time."""
        while True:
            await asyncio.sleep(EVERY)
            if self._worker is not None and self._worker.worker_id is not None:
                try:
                    await self._look(manager, self._worker.worker_id)
                except ConnectorException as error:
                    logger.warning("looking for abandoned jobs failed, trying again in %.0f s: %s", EVERY, error)

    async def _look(self, manager: JobManager, worker_id: int) -> None:
        held = await manager.list_jobs_async(status=Status.DOING.value, worker_id=worker_id)
        idle = {job.id: job for job in held if job.id not in self._running}
        await run_again(manager, [job for job_id, job in idle.items() if job_id in self._seen])
        self._seen = set(idle)
