"""The way from an empty hub to the first user at the first site, a step at a time."""

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass

from django.contrib.auth.models import AbstractBaseUser, AnonymousUser
from django.urls import NoReverseMatch, reverse
from django.utils.translation import gettext as _

from sync import connection_test, status


@dataclass(frozen=True)
class Way:
    """A button of a step; `posts` where it does something instead of leading somewhere."""

    label: str
    url: str
    posts: bool = False


@dataclass(frozen=True)
class Step:
    """`is_next`: the first that is not done, and can be. `lacks` says why someone has no button."""

    title: str
    text: str
    is_done: bool
    is_next: bool = False
    ways: tuple[Way, ...] = ()
    lacks: str = ""


def steps(user: AbstractBaseUser | AnonymousUser, overviews: Sequence[status.SiteOverview], *, has_users: bool) -> list[Step]:
    """What is done and what comes next; empty as soon as a site has ever received a user."""
    answered = any(overview.health and overview.health.last_success_at for overview in overviews)
    if overviews and has_users and answered:
        return []
    reached = answered or (bool(overviews) and connection_test.ever_passed([overview.site.pk for overview in overviews]))
    ask = _("Your login may not do this. Ask an administrator.")
    may = user.has_perm  # type: ignore[union-attr]
    done = [bool(overviews), reached, has_users, False]
    upcoming = done.index(False)
    site = next((overview.site for overview in overviews if overview.site.is_active), overviews[0].site if overviews else None)
    ways: list[tuple[Way, ...]] = [
        (Way(_("Add a site"), reverse("admin:sites_connectedsite_add")),) if may("sites.add_connectedsite") else (),
        (Way(_("Test the connection"), reverse("admin:sites_connectedsite_change", args=[site.pk])),) if site else (),
        _users(may("users.add_userprofile")),
        (Way(_("Sync All Users"), reverse("admin:sync_all"), posts=True),) if may("sync.change_delivery") else (),
    ]
    told = [
        (
            _("Add a site"),
            _("An application that receives your users. Give its name and address, then put the secret into it."),
        ),
        (_("Test the connection"), _("The site's page sends one harmless request and says what is wrong where it fails, and what to do.")),
        (_("Add or import users"), _("One by one, or all at once from a file. Every connected site receives them at once.")),
        (_("Sync"), _("See every user arrive at every site. From then on the hub sends each change by itself.")),
    ]
    # A test from the command line leaves no trace, so this step holds nobody up.
    offered = {upcoming, 2} if upcoming == 1 and not has_users else {upcoming, 3} if upcoming == 1 else {upcoming}
    return [
        Step(title, text, done[at], at == upcoming, ways[at] if at in offered else (), "" if ways[at] or at != upcoming else ask)
        for at, (title, text) in enumerate(told)
    ]


def _users(may_add: bool) -> tuple[Way, ...]:
    if not may_add:
        return ()
    ways = [Way(_("Add a user"), reverse("admin:users_userprofile_add"))]
    with contextlib.suppress(NoReverseMatch):
        ways.append(Way(_("Import users"), reverse("admin:users_userprofile_import")))
    return tuple(ways)
