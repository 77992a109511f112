"""`manage.py probe_site`: try a quarantined site now."""

from sync import site_control
from sync.management.site_command import SiteCommand


class Command(SiteCommand):
    """The same as the button on the site's page."""

    help = (
        "Have the worker send a quarantined site one delivery now. If it is answered, the quarantine ends and all that waits follows. "
        "Exit status: 0 done, or nothing to do (it says why), 2 an unknown site."
    )
    control = staticmethod(site_control.probe_site)
