"""`manage.py pause_site`: have everything for a site wait."""

from django.core.management.base import CommandParser

from sync import site_control
from sync.management.site_command import SiteCommand


class Command(SiteCommand):
    """The same as the button on the site's page."""

    help = (
        "Pause a site: what it is owed waits, removals too, without using up tries, until it is resumed. "
        "Exit status: 0 done, or nothing to do (it says why), 2 an unknown site."
    )
    control = staticmethod(site_control.pause_site)

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("--reason", default="", metavar="TEXT", help="why; shown wherever the pause is")
