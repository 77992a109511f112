"""`manage.py sync_users`: send users to the sites now, in the foreground, and say what came of it."""

import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import FrameType
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from sites.models import ConnectedSite
from sync import operations, reports, status
from sync.management.progress import RunProgressDisplay
from sync.management.screen import Screen, operating_system_user
from sync.models import SyncRun

SHOWN = 10
"""Failures, or deliveries of a dry run, that are listed."""


class Stopped(Exception):
    """A person, or the system, asked the command to stop."""


class Command(BaseCommand):
    """The same as "Sync All Users" on the dashboard, done by this process and with its answer in the exit status."""

    help = (
        "Send users to the connected sites now and wait for the answers: everyone to every active site, or those named. "
        "Exit status: 0 all delivered, 1 something failed or is left to the worker, 2 wrong usage."
    )
    requires_system_checks: list[str] = []  # checks load the code of every page

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--user", action="append", default=[], metavar="ID_OR_EMAIL", help="only this user; may be repeated")
        parser.add_argument("--site", action="append", default=[], metavar="NAME", help="only to this site; may be repeated")
        parser.add_argument("--pending", action="store_true", help="only what is out of date or failed")
        parser.add_argument("--resume", metavar="RUN", help="go on with this run, which was cancelled, instead of starting one")
        parser.add_argument("--dry-run", action="store_true", help="say what would be sent where; send and change nothing")
        parser.add_argument("--json", action="store_true", help="print one JSON document and nothing else")

    def handle(
        self, *_: Any, user: list[str], site: list[str], pending: bool, resume: str | None, dry_run: bool, json: bool, **options: Any
    ) -> None:
        self.screen = Screen(self.stdout)
        self.as_json = json
        self.stopped_by = 0
        if resume and (user or site or pending or dry_run):
            self.screen.refuse("--resume goes on with a run as it was started: give it alone.", as_json=json)
        try:
            resumed = operations.find_run(resume) if resume else None
            user_ids = list(dict.fromkeys(operations.find_user_id(text) for text in user)) if user else None
            sites = operations.find_sites(list(dict.fromkeys(site))) if site else None
        except LookupError as error:
            self.screen.refuse(str(error), as_json=json)
        try:
            if dry_run:
                self._plan(user_ids, sites, pending)
            elif resumed:
                self._resume(resumed)
            else:
                self._sync(user_ids, sites, pending)
        except KeyboardInterrupt:
            self.stderr.write("Stopped. What was owed already is delivered by the worker.", str)
            sys.exit(128 + signal.SIGINT)

    def _sync(self, user_ids: Sequence[str] | None, sites: list[ConnectedSite] | None, pending: bool) -> None:
        run, is_new = operations.start_here(
            cause="cli", actor=operating_system_user(), user_ids=user_ids, sites=sites, only_pending=pending
        )
        if not is_new:
            self._say("A run over the same sites is under way already; this command joins it.")
        self._carry_out(run, is_new, pending)

    def _resume(self, run: SyncRun) -> None:
        resumed = operations.resume_run(run, queue=False)
        if not resumed.is_new:
            self.screen.refuse(resumed.message, as_json=self.as_json)
        self._carry_out(run, True, run.scope == SyncRun.Scope.PENDING)

    def _carry_out(self, run: SyncRun, is_new: bool, pending: bool) -> None:
        with RunProgressDisplay(self.screen, quiet=self.as_json) as display, self._signals():
            try:
                run = operations.run_here(run, on_step=lambda run: self._step(run, display))
            except (Stopped, KeyboardInterrupt) as stop:
                if is_new:
                    operations.cancel_run(run)
                if isinstance(stop, KeyboardInterrupt):
                    raise
                run.refresh_from_db()
        self._report(run, pending)

    def _step(self, run: SyncRun, display: RunProgressDisplay) -> None:
        if self.stopped_by:
            raise Stopped
        display.update(run)

    @contextmanager
    def _signals(self) -> Iterator[None]:
        """The first Ctrl-C (or SIGTERM) stops between two steps, so that what was answered is written down; the second stops at once."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

        def stop(number: int, _: FrameType | None) -> None:
            self.stopped_by = number
            for known, handler in before.items():
                signal.signal(known, handler)
            self.stderr.write("Stopping: requests under way get 5 seconds to end. Once more stops at once.", str)

        for number in before:
            signal.signal(number, stop)
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _report(self, run: SyncRun, pending: bool) -> None:
        parts = reports.run_at_sites(run)
        failed = sum(part.failed for part in parts)
        left = sum(part.left for part in parts)
        failures = reports.failures(run, SHOWN)
        paused = _paused() if left else {}
        message = self._message(run, parts, pending)
        if self.as_json:
            self.screen.json(
                {
                    "success": not (failed or left or run.state != SyncRun.State.FINISHED),
                    "message": message,
                    "dryRun": False,
                    "runId": str(run.public_id),
                    "state": run.state,
                    "sites": [_as_json(part, paused.get(part.site.pk)) for part in parts],
                    "failures": [
                        {"userId": f.user_id, "email": f.email, "site": f.site_name, "action": f.action, "errorMessage": f.error}
                        for f in failures
                    ],
                }
            )
        else:
            if any(part.total for part in parts):
                rows = [(part.site.name, part.delivered, part.failed, part.left) for part in parts]
                self.screen.table(("Site", "Delivered", "Failed", "Left to the worker"), rows)
                self.screen.line()
            for failure in failures:
                self.screen.line(f"{failure.email or failure.user_id} at {failure.site_name}: {failure.error}")
            if failed > len(failures):
                self.screen.line(f"… and {failed - len(failures):,} more; the log has them all.")
            for part in parts:
                if part.site.pk in paused:
                    self.screen.line(f"{part.site.name}: {paused[part.site.pk]}")
            self.screen.line(message)
        if self.stopped_by:
            sys.exit(128 + self.stopped_by)
        sys.exit(1 if failed or left or run.state != SyncRun.State.FINISHED else 0)

    def _message(self, run: SyncRun, parts: Sequence[reports.RunAtSite], pending: bool) -> str:
        delivered, failed, left = (sum(getattr(part, name) for part in parts) for name in ("delivered", "failed", "left"))
        if not parts:
            return "Nothing to send: no site is active. Connect one with `manage.py add_site`."
        cancelled = run.state == SyncRun.State.CANCELLED
        if not (delivered or failed or left or cancelled or self.stopped_by):
            if status.is_empty():
                return "Nothing to send: the directory has no users."
            if pending:
                return "Everything is in sync: there is nothing to send."
            return "Nothing to send: none of these users belongs to these sites, and none was ever sent there."
        text = f"{delivered:,} delivered, {failed:,} failed, {left:,} left to the worker."
        if failed:
            text += " The worker tries again what may still succeed; `manage.py sync_status` shows what is left."
        if (failed or left) and not status.worker_alive():
            text += f" {status.NO_WORKER}"
        if cancelled:
            return f"Cancelled: {text} To go on: `manage.py sync_users --resume {run.public_id}`."
        if self.stopped_by:
            return f"Stopped; the run that this command had joined goes on: {text}"
        return text

    def _plan(self, user_ids: Sequence[str] | None, sites: list[ConnectedSite] | None, pending: bool) -> None:
        chosen = sites if sites is not None else list(ConnectedSite.objects.filter(is_active=True))
        parts = reports.plan(chosen, user_ids, only_pending=pending)
        total = sum(part.total for part in parts)
        messages = reports.planned_messages(chosen, user_ids, only_pending=pending, limit=SHOWN)
        paused = _paused()
        message = (
            f"Dry run: {total:,} deliveries to {len(chosen)} {'site' if len(chosen) == 1 else 'sites'} would be made; nothing was sent."
        )
        if not chosen:
            message = "Dry run: nothing would be sent, no site is active."
        if self.as_json:
            self.screen.json(
                {
                    "success": True,
                    "message": message,
                    "dryRun": True,
                    "sites": [
                        {
                            "site": part.site.name,
                            "displayName": part.site.display_name,
                            "upserts": part.upserts,
                            "removals": part.removals,
                            "paused": paused.get(part.site.pk),
                        }
                        for part in parts
                    ],
                    "deliveries": [{"userId": m.user_id, "email": m.email, "site": m.site_name, "action": m.action} for m in messages],
                }
            )
            return
        if chosen:
            rows = [(part.site.name, part.upserts, part.removals, paused.get(part.site.pk, "")) for part in parts]
            self.screen.table(("Site", "Add or update", "Remove", ""), rows)
            self.screen.line()
        for item in messages:
            self.screen.line(f"{item.action} {item.email or item.user_id} at {item.site_name}")
        if total > len(messages):
            self.screen.line(f"… and {total - len(messages):,} more.")
        self.screen.line(message)

    def _say(self, text: str) -> None:
        if not self.as_json:
            self.screen.line(text)


def _paused() -> dict[int, str]:
    """The sites that receive nothing for now, by key, and why and until when."""
    sites = (overview for overview in status.sites_overview() if overview.state in {"paused", "quarantined", "waiting"})
    return {at.site.pk: f"{at.words} Next try {at.next_words}." if at.next_words else at.words for at in sites}


def _as_json(part: reports.RunAtSite, paused: str | None) -> dict[str, Any]:
    return {
        "site": part.site.name,
        "displayName": part.site.display_name,
        "total": part.total,
        "succeeded": part.delivered,
        "failed": part.failed,
        "leftOwed": part.left,
        "paused": paused,
    }
