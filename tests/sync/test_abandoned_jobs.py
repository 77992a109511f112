"""Jobs that the queue takes for running although nobody runs them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.db import connection
from procrastinate.contrib.django import app

from sync import abandoned_jobs, tasks, tasks_queue
from tests.processes import worker
from tests.sync.conftest import sql

pytestmark = pytest.mark.django_db(transaction=True)
Eventually = Callable[..., object]

FIRST_END_FAILS = """
create sequence ends;
create function refuse_the_first_end() returns trigger language plpgsql as $$
begin
    -- A sequence goes on although the transaction is rolled back.
    if nextval('ends') = 1 then raise exception 'the connection to the server was lost'; end if;
    return old;
end $$;
create trigger refuse_the_first_end before delete on procrastinate_jobs for each row when (old.task_name = 'sync.feed_run')
    execute function refuse_the_first_end()
"""
MENDED = "drop trigger if exists refuse_the_first_end on procrastinate_jobs; drop function refuse_the_first_end; drop sequence ends"
HELD = "select status::text from procrastinate_jobs where task_name = 'sync.feed_run'"
WORKERS = "select id from procrastinate_workers"


@pytest.fixture(autouse=True)
def queue() -> None:
    sql("delete from procrastinate_jobs")
    sql("delete from procrastinate_workers")  # of workers that other tests killed


def rows(query: str, *parameters: Any) -> list[Any]:
    with connection.cursor() as cursor:
        cursor.execute(query, parameters)
        return [row[0] if len(row) == 1 else row for row in cursor.fetchall()]


def test_a_job_whose_end_could_not_be_written_is_run_again_by_the_worker_that_lives_on(tmp_path: Path, eventually: Eventually) -> None:
    sql(FIRST_END_FAILS)
    try:
        with worker(tmp_path):
            eventually(lambda: rows(WORKERS), 90)
            living = rows(WORKERS)
            tasks_queue.defer_feed(0)
            eventually(lambda: rows("select is_called from ends") == [True], 30)
            assert rows(HELD) == ["doing"]
            eventually(lambda: rows(HELD) == [], 60)
            assert rows(WORKERS) == living
    finally:
        sql(MENDED)


def test_of_stalled_jobs_one_that_another_waits_behind_is_let_go_and_does_not_keep_the_others_from_being_run_again() -> None:
    (dead,) = rows("insert into procrastinate_workers (last_heartbeat) values (now() - interval '1 hour') returning id")
    stalled = """
        insert into procrastinate_jobs (queue_name, task_name, queueing_lock, status, worker_id, args)
        values ('default', 'sync.feed_run', %s, 'doing', %s, '{}') returning id
    """
    first, second, third = (*rows(stalled, "run:1", dead), *rows(stalled, "run:2", dead), *rows(stalled, "run:3", dead))
    waiting = """
        insert into procrastinate_jobs (queue_name, task_name, queueing_lock, args)
        values ('default', 'sync.feed_run', %s, '{}') returning id
    """
    behind = {*rows(waiting, "run:1"), *rows(waiting, "run:2")}
    found = async_to_sync(app.job_manager.get_stalled_jobs)(seconds_since_heartbeat=tasks.STALLED_AFTER)
    assert {job.id for job in found} == {first, second, third}
    async_to_sync(abandoned_jobs.run_again)(app.job_manager, found)
    assert rows("select id, status from procrastinate_jobs where id = any (%s)", [first, second, third]) == [(third, "todo")]
    assert set(rows("select id from procrastinate_jobs where status = 'todo'")) == behind | {third}
