"""What another role means at the sites, told before anybody presses the button."""

from collections.abc import Mapping

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from sites.models import ConnectedSite
from sync.status import words

NAMED = 8
"""Sites that are named at the most."""


def told(mix: Mapping[tuple[str, bool], int], role: str) -> list[str]:
    """Which active sites gain and lose how many users, when users of these roles (and active or not) get this role. One query."""
    said = []
    for site in ConnectedSite.objects.filter(is_active=True):
        takes = role in site.roles if site.roles else True
        other = [number for (before, active), number in mix.items() if active and (not site.roles or before in site.roles) != takes]
        moved = sum(other)
        if not moved:
            continue
        if takes:
            text = ngettext("%(site)s gains %(count)s user.", "%(site)s gains %(count)s users.", moved)
        else:
            text = ngettext("%(site)s loses %(count)s user.", "%(site)s loses %(count)s users.", moved)
        said.append(text % {"site": site, "count": words.number(moved)})
    if not said:
        return [_("No site gains or loses anybody: those that have them hear of the role.")]
    more = len(said) - NAMED
    if more > 0:
        text = ngettext("%(count)s more site gains or loses users.", "%(count)s more sites gain or lose users.", more)
        return [*said[:NAMED], text % {"count": words.number(more)}]
    return said
