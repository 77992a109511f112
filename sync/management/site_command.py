"""What `pause_site`, `resume_site` and `probe_site` share."""

from collections.abc import Callable
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from sync import operations, site_control, status
from sync.management.screen import Screen, operating_system_user


class SiteCommand(BaseCommand):
    """Does one thing with one site, by its name, and says what came of it."""

    requires_system_checks: list[str] = []  # checks load the code of every page
    control: Callable[..., site_control.Told]

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name", help="the site's short name, as sync_status shows it")
        parser.add_argument("--json", action="store_true", help="print one JSON document and nothing else")

    def handle(self, *_: Any, name: str, json: bool, **options: Any) -> None:
        screen = Screen(self.stdout)
        try:
            (site,) = operations.find_sites([name], also_inactive=True)
        except operations.UnknownSite as unknown:
            screen.refuse(str(unknown), as_json=json)
        more = {"reason": options["reason"]} if "reason" in options else {}
        told = type(self).control(site, actor=operating_system_user(), **more)
        if json:
            state = status.site_overview(site).state
            screen.json({"success": told.changed, "message": told.message, "site": site.name, "state": state})
        else:
            screen.line(told.message)
