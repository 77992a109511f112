"""`manage.py sync_runs`: the latest runs and what came of them, or the end of one that is under way."""

from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from sync import operations, status
from sync.management.screen import Screen
from sync.models import SyncRun

SHOWN = 10


class Command(BaseCommand):
    """What the page "Runs" shows, for a terminal or a script."""

    help = "List the latest runs, or cancel one. A cancelled run goes on by `manage.py sync_users --resume RUN`."
    requires_system_checks: list[str] = []  # checks load the code of every page

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--cancel", metavar="RUN", help="stop this run; what it queued already is still delivered")
        parser.add_argument("--json", action="store_true", help="print one JSON document and nothing else")

    def handle(self, *_: Any, cancel: str | None, json: bool, **options: Any) -> None:
        screen = Screen(self.stdout)
        if cancel:
            try:
                run = operations.find_run(cancel)
            except operations.UnknownRun as unknown:
                screen.refuse(str(unknown), as_json=json)
            message = operations.cancel_run(run)
            run.refresh_from_db()
            if json:
                screen.json({"message": message, **_as_json(status.progress(run))})
            else:
                screen.line(message)
            return
        runs = SyncRun.objects.prefetch_related("parts__site").annotate(still_owes=status.still_owes())
        latest = [status.progress(run) for run in runs[:SHOWN]]
        if json:
            screen.json({"runs": [_as_json(progress) for progress in latest]})
        elif not latest:
            screen.line("There was no run yet.")
        else:
            heads = ("Run", "Started", "What", "State", "To send", "Delivered", "Failed", "Left to the worker")
            screen.table(heads, [_row(progress) for progress in latest])


def _row(progress: status.RunProgress) -> tuple[str | int, ...]:
    run = progress.run
    counts = (progress.total, progress.succeeded, progress.failed, progress.left_owed)
    return str(run.public_id), status.ago(run.started_at or run.created_at), progress.title, progress.label, *counts


def _as_json(progress: status.RunProgress) -> dict[str, Any]:
    return {
        "runId": str(progress.run.public_id),
        "state": progress.run.state,
        "what": progress.title,
        "summary": progress.sentence,
        "total": progress.total,
        "succeeded": progress.succeeded,
        "failed": progress.failed,
        "leftOwed": progress.left_owed,
        "percent": progress.percent,
        "createdAt": progress.run.created_at.isoformat(),
        "finishedAt": progress.run.finished_at.isoformat() if progress.run.finished_at else None,
    }
