"""`manage.py sync_status`: where the sites, or some users, stand. Sends nothing."""

import sys
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from sync import operations, status
from sync.management.screen import Screen

FAILING = {"failing", "quarantined"}
HISTORY = 20
"""Events of a site that are shown."""


class Command(BaseCommand):
    """The numbers of the dashboard, for a terminal, a script or a monitor."""

    help = (
        "Show how many users are in sync, pending and failed at each site, or where the users named stand. "
        "Exit status: 0 all in sync or on its way, 1 something fails, or what is pending waits for a person or a worker, 2 wrong usage."
    )
    requires_system_checks: list[str] = []  # checks load the code of every page

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--user", action="append", default=[], metavar="ID_OR_EMAIL", help="where this user stands; may be repeated")
        parser.add_argument("--site", action="append", default=[], metavar="NAME", help="only at this site; may be repeated")
        parser.add_argument("--history", action="store_true", help="also what happened to the sites: pauses, quarantines, waits")
        parser.add_argument("--json", action="store_true", help="print one JSON document and nothing else")

    def handle(self, *_: Any, user: list[str], site: list[str], json: bool, history: bool, **options: Any) -> None:
        self.screen = Screen(self.stdout)
        self.history = history
        self.as_json = json
        try:
            user_ids = list(dict.fromkeys(operations.find_user_id(text) for text in user))
            names = {found.name for found in operations.find_sites(site, also_inactive=True)}
        except LookupError as error:
            self.screen.refuse(str(error), as_json=json)
        sys.exit(self._users(user_ids, names) if user else self._sites(names))

    def _sites(self, names: set[str]) -> int:
        sites = [overview for overview in status.sites_overview() if not names or overview.site.name in names]
        worker = status.worker_alive()
        waiting = any(site.counts.open for site in sites)
        failing = [site for site in sites if site.state in FAILING or _retrying(site)]
        paused = [site for site in sites if site.state == "paused" and site.counts.open]
        message = _summary(sites, [site.site.name for site in failing], [site.site.name for site in paused], waiting and not worker)
        if self.as_json:
            documents = [_site_as_json(site) | (_history_as_json(site) if self.history else {}) for site in sites]
            self.screen.json({"message": message, "workerRunning": worker, "sites": documents})
        else:
            if sites:
                rows = [
                    (at.site.name, at.counts.success, at.counts.open, at.counts.failed, status.ago(_last_success(at)), at.words)
                    for at in sites
                ]
                self.screen.table(("Site", "In sync", "Pending", "Failed", "Last success", "State"), rows)
                self.screen.line()
            if self.history:
                self._history(sites)
            self.screen.line(message)
        return 1 if failing or paused or (waiting and not worker) else 0

    def _history(self, sites: Sequence[status.SiteOverview]) -> None:
        rows = [
            (at.site.name, line.when, line.word, line.who, line.row.reason)
            for at in sites
            for line in status.site_events(at.site.pk, HISTORY)
        ]
        if rows:
            self.screen.table(("Site", "When", "What", "Who", "Why"), rows)
        else:
            self.screen.line("Nothing happened to these sites: no pause, no quarantine, no wait.")
        self.screen.line()

    def _users(self, user_ids: Sequence[str], names: set[str]) -> int:
        found = status.of_users(user_ids)
        people = []
        for user_id in user_ids:
            person = found.get(user_id)
            rows = [row for row in person.sites if not names or row.site_name in names] if person else []
            people.append((user_id, person, rows))
        every = [row for _, _, rows in people for row in rows]
        worker = status.worker_alive()
        if self.as_json:
            self.screen.json({"workerRunning": worker, "users": [_user_as_json(*each) for each in people]})
        else:
            for user_id, person, rows in people:
                self._user(user_id, person, rows)
        waiting = any(row.status in {"pending", "in_progress"} for row in every)
        if waiting and not worker and not self.as_json:
            self.screen.line(str(status.NO_WORKER))
        failing = any(row.status == "failed" or (row.status == "pending" and row.error_message) for row in every)
        return 1 if failing or (waiting and not worker) else 0

    def _user(self, user_id: str, person: status.UserStatus | None, rows: Sequence[status.SiteStatus]) -> None:
        if person is None or not rows:
            self.screen.line(f"{user_id}: nothing to show, no such site is active.")
            self.screen.line()
            return
        self.screen.line(" ".join(filter(None, [person.full_name, f"<{person.email}>", person.user_id])))
        self.screen.table(
            ("Site", "Status", "Last synced", "Tries", "Next try", "Error"),
            [
                (
                    row.site_name,
                    row.label,
                    status.ago(row.last_synced_at),
                    row.attempts,
                    status.until(row.next_attempt_at),
                    row.error_message or "",
                )
                for row in rows
            ],
        )
        self.screen.line()


def _retrying(site: status.SiteOverview) -> bool:
    return bool(site.state == "pending" and site.health and site.health.failures_in_row)


def _last_success(site: status.SiteOverview) -> datetime | None:
    return site.health.last_success_at if site.health else None


def _summary(sites: Sequence[status.SiteOverview], failing: Sequence[str], paused: Sequence[str], stuck: bool) -> str:
    active = [site for site in sites if site.state != "inactive"]
    if not active:
        return "No site is active. Connect one with `manage.py add_site`."
    total = status.totals(active)
    if not (total.open or total.failed):
        return "Everything is in sync."
    text = f"{total.success:,} in sync, {total.open:,} pending, {total.failed:,} failed."
    if failing:
        text += f" Failing: {', '.join(failing)}."
    if paused:
        text += f" Paused: {', '.join(paused)}."
    if stuck:
        text += f" {status.NO_WORKER}"
    return text


def _site_as_json(site: status.SiteOverview) -> dict[str, Any]:
    return {
        "site": site.site.name,
        "displayName": site.site.display_name,
        "state": site.state,
        "message": site.words,
        "inSync": site.counts.success,
        "pending": site.counts.pending,
        "inProgress": site.counts.in_progress,
        "failed": site.counts.failed,
        "lastSuccessAt": _iso(_last_success(site)),
        "nextAttemptAt": _iso(site.next_attempt_at),
    }


def _history_as_json(site: status.SiteOverview) -> dict[str, Any]:
    rows = [line.row for line in status.site_events(site.site.pk, HISTORY)]
    return {"history": [{"kind": row.kind, "actor": row.actor or None, "reason": row.reason, "at": _iso(row.at)} for row in rows]}


def _user_as_json(user_id: str, person: status.UserStatus | None, rows: Sequence[status.SiteStatus]) -> dict[str, Any]:
    return {
        "userId": user_id,
        "email": person.email if person else None,
        "fullName": person.full_name if person else None,
        "status": status.worst(row.status for row in rows),
        "sites": [
            {
                "site": row.site_name,
                "displayName": row.display_name,
                "status": row.status,
                "lastSyncedAt": _iso(row.last_synced_at),
                "attempts": row.attempts,
                "nextAttemptAt": _iso(row.next_attempt_at),
                "errorMessage": row.error_message,
            }
            for row in rows
        ],
    }


def _iso(moment: datetime | None) -> str | None:
    return moment.isoformat() if moment else None
