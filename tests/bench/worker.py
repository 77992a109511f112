"""One real worker process, and what it costs."""

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from ssodash.leash import die_with_parent
from tests.bench.servers import PROJECT

_TICKS = os.sysconf("SC_CLK_TCK")


class Worker:
    """`manage.py sync_worker`, running."""

    def __init__(self, pid: int) -> None:
        self.pid = pid

    def cpu(self) -> float:
        """Seconds of CPU that the process has used, all its threads together."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / _TICKS

    def memory(self) -> float:
        """Megabytes of RAM that it holds now."""
        for line in Path(f"/proc/{self.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS"):
                return int(line.split()[1]) / 1024
        raise RuntimeError("the worker is gone")

    @contextlib.contextmanager
    def memory_samples(self, every: float) -> Iterator[list[float]]:
        """Megabytes, looked at every so many seconds while the block runs."""
        samples: list[float] = []
        over = threading.Event()

        def look() -> None:
            while not over.wait(every):
                samples.append(self.memory())

        thread = threading.Thread(target=look)
        thread.start()
        try:
            yield samples
        finally:
            over.set()
            thread.join()


@contextlib.contextmanager
def worker(**environment: str) -> Iterator[Worker]:
    """Starts a worker and waits until it listens; it is stopped afterwards. Raises with its own words when it does not start."""
    with tempfile.TemporaryFile("w+") as log:
        process = subprocess.Popen(
            [sys.executable, "manage.py", "sync_worker"],
            cwd=PROJECT,
            env={**os.environ, **environment},
            stdout=log,
            stderr=log,
            preexec_fn=die_with_parent(signal.SIGTERM),
        )
        try:
            until(lambda: process.poll() is not None or _listens(), 30)
            if process.poll() is not None:
                log.seek(0)
                raise RuntimeError(f"the worker ended: {log.read()[-2000:]}")
            yield Worker(process.pid)
        finally:
            process.terminate()
            process.wait(15)


def _listens() -> bool:
    from django.db import connection

    with connection.cursor() as cursor:
        # Its jobs are fetched after it has begun to drain.
        cursor.execute(
            "select count(*) filter (where query ilike 'listen user_sync%%') > 0"
            " and count(*) filter (where query ilike '%%procrastinate%%') > 0"
            " from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()"
        )
        return bool(cursor.fetchone()[0])


def until(true: Callable[[], object], within: float, every: float = 0.02) -> None:
    """Returns as soon as it is true. Raises TimeoutError when it does not come true."""
    ends = time.monotonic() + within
    while not true():
        if time.monotonic() > ends:
            raise TimeoutError(f"not within {within:g} s")
        time.sleep(every)  # between two looks
