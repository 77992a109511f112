"""`manage.py resume_site`: end a pause, a quarantine, or a wait that the site asked for."""

from sync import site_control
from sync.management.site_command import SiteCommand


class Command(SiteCommand):
    """The same as the button on the site's page."""

    help = (
        "Resume a site: ends a pause, a quarantine, or a wait that the site asked for. What it is owed is due at once. "
        "Exit status: 0 done, or nothing to do (it says why), 2 an unknown site."
    )
    control = staticmethod(site_control.resume_site)
