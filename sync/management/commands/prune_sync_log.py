"""Delete what is older than the log's limit. The worker does so every hour by itself."""

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandParser

from sync import retention


class Command(BaseCommand):
    help = "Delete attempts older than SYNC_LOG_DAYS from the log."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--dry-run", action="store_true", help="only count them")

    def handle(self, *args: Any, **options: Any) -> None:
        older = f"older than {settings.SYNC_LOG_DAYS} days (SYNC_LOG_DAYS)"
        if options["dry_run"]:
            self.stdout.write(f"{retention.expired_attempts():,} attempts are {older}. Nothing was deleted.")
        else:
            self.stdout.write(f"{retention.prune():,} attempts {older} were deleted.")
