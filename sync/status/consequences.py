"""What will happen at each site when a user is deactivated or activated: told before anybody presses the button."""

from collections.abc import Callable
from dataclasses import dataclass

from django.utils.translation import gettext as _

from sites.models import ConnectedSite
from sync.models import Action, Delivery
from sync.status import words
from sync.status.waits import Wait, waits
from users.models import UserProfile


@dataclass(frozen=True)
class Consequence:
    """What will happen at one site. `look` and `symbol` are those of a status."""

    site: ConnectedSite
    look: str
    symbol: str
    text: str


Tell = Callable[[UserProfile, ConnectedSite, Delivery | None, Wait | None], Consequence]


def of_deactivating(user: UserProfile) -> list[Consequence]:
    """For every active site, and inactive ones that were ever sent this user. Three queries."""
    return _each(user, _leaves, also_inactive=False)


def of_activating(user: UserProfile) -> list[Consequence]:
    """For every active site, and inactive ones in whose scope the user would be. Three queries."""
    return _each(user, _comes, also_inactive=True)


def _each(user: UserProfile, tell: Tell, *, also_inactive: bool) -> list[Consequence]:
    deliveries = {row.site_id: row for row in Delivery.objects.filter(user_id=user.user_id)}
    sites = list(ConnectedSite.objects.order_by("-is_active", "id"))
    waiting = waits([site.pk for site in sites])
    shown = [site for site in sites if site.is_active or also_inactive or _was_sent(deliveries.get(site.pk))]
    return [tell(user, site, deliveries.get(site.pk), waiting.get(site.pk)) for site in shown]


def _was_sent(delivery: Delivery | None) -> bool:
    return delivery is not None and delivery.attempted_version is not None


def _leaves(user: UserProfile, site: ConnectedSite, delivery: Delivery | None, wait: Wait | None) -> Consequence:
    if delivery is None or not _was_sent(delivery):
        return Consequence(site, "none", "remove", _("was never sent there: nothing happens"))
    if delivery.acked_action == Action.DELETE and delivery.attempted_action == Action.DELETE:
        return Consequence(site, "none", "remove", _("is removed there already: nothing happens"))
    if not site.is_active:
        return Consequence(site, "pending", "schedule", _("the site is inactive: is removed when it is active again"))
    if wait:
        return _waits(site, wait, _("is removed then"))
    if delivery.acked_action != Action.UPSERT:
        return Consequence(site, "removed", "person_off", _("is removed, since a request may have arrived whose answer was lost"))
    return Consequence(site, "removed", "person_off", _("is removed, at once"))


def _comes(user: UserProfile, site: ConnectedSite, delivery: Delivery | None, wait: Wait | None) -> Consequence:
    if site.roles and user.role not in site.roles:
        names = {"roles": words.listed(site.roles, 8), "role": user.role}
        return Consequence(site, "none", "remove", _("takes only the roles %(roles)s, not %(role)s: nothing happens") % names)
    if not site.is_active:
        return Consequence(site, "none", "remove", _("the site is inactive: is sent there when it is active again"))
    if wait:
        return _waits(site, wait, _("is sent there then"))
    if _was_sent(delivery):
        return Consequence(site, "success", "check_circle", _("is sent there again, at once, under the same id"))
    return Consequence(site, "success", "check_circle", _("is sent there, at once"))


def _waits(site: ConnectedSite, wait: Wait, then: str) -> Consequence:
    if wait.kind == "paused":
        text = _("site %(why)s: waits until the site is resumed, and %(then)s")
    else:
        text = _("site %(why)s: waits until it answers again, and %(then)s")
    return Consequence(site, "pending", "pause_circle" if wait.kind == "paused" else "schedule", text % {"why": wait.phrase, "then": then})
