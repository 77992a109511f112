"""Delete what is over the log's limits. The worker does so every hour by itself."""

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandParser

from sync import retention


class Command(BaseCommand):
    help = "Delete attempts, finished runs and events of sites older than SYNC_LOG_DAYS, and attempts beyond the newest SYNC_LOG_ROWS."
    requires_system_checks: list[str] = []  # checks load the code of every page

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--dry-run", action="store_true", help="only count them")

    def handle(self, *args: Any, **options: Any) -> None:
        counted = retention.expired() if options["dry_run"] else retention.prune()
        old = f"older than {settings.SYNC_LOG_DAYS} days (SYNC_LOG_DAYS)"
        self.stdout.write(f"{counted.attempts_by_age:,} attempts {old}")
        if settings.SYNC_LOG_ROWS:
            self.stdout.write(f"{counted.attempts_by_count:,} more beyond the newest {settings.SYNC_LOG_ROWS:,} (SYNC_LOG_ROWS)")
        self.stdout.write(f"{counted.runs:,} runs and {counted.events:,} events of sites {old}")
        self.stdout.write("Nothing was deleted." if options["dry_run"] else "All of these were deleted.")
