"""One delivery, explained: where this user stands at this site, and what is wanted, was attempted and was acknowledged."""

from dataclasses import dataclass, replace

from django.db import connection
from django.utils.translation import gettext as _

from sync import payloads
from sync.models import Action, Delivery, Lease, UserSyncLog
from sync.status import attempts, pairs, words
from sync.status.attempts import AttemptLine
from sync.status.pairs import SiteStatus
from sync.status.progress import no_worker
from sync.status.why import LOOKED_AT, Facts, Why, explain
from users.models import UserProfile

LATEST = """
select id from (select id, site_id from user_sync_log where user_id = %s order by id desc limit %s) latest
where site_id = %s order by id desc limit %s
"""
"""Among the user's own latest, which an index leads to: a site may have millions."""


@dataclass(frozen=True)
class Side:
    """One of wanted, attempted and acknowledged: what, `told` in sentences, and which version of the user it is."""

    title: str
    told: str
    version: str


@dataclass(frozen=True)
class DeliveryPage:
    """All that the page of one delivery says."""

    delivery: Delivery
    who: str
    user_key: int | None
    """The internal key of the user, if it is in the directory."""
    why: Why
    sides: list[Side]
    message_id: str
    """That of the message that is wanted: stable over its retries."""
    attempts: list[AttemptLine]

    @property
    def heading(self) -> str:
        return _("%(who)s at %(site)s") % {"who": self.who, "site": self.delivery.site}


def delivery_page(delivery: Delivery, *, with_attempts: bool) -> DeliveryPage:
    """Everything about this delivery, in five queries at the most; its last attempts only where they are asked for."""
    user = UserProfile.objects.filter(user_id=delivery.user_id).first()
    state = pairs.of_pairs([(delivery.user_id, delivery.site_id)]).get(delivery.user_id)
    at = state.sites[0] if state and state.sites and state.sites[0].site_active else None
    lines = _attempts(delivery)
    warning = no_worker() if at is not None and at.status == "pending" else ""
    facts = Facts(
        user or UserProfile(user_id=delivery.user_id, email=delivery.attempted_email or "", is_active=False),
        delivery.site, at, delivery, lines[0].row if lines else None, warning, is_gone=user is None,
    )  # fmt: skip
    why = explain(facts)
    if at is not None and at.in_scope and at.status == "success":
        why = replace(why, answer=_("There: %(site)s has this user as in the directory.") % {"site": delivery.site})
    version = max(delivery.wanted_version, user.version) if user and facts.in_scope else delivery.wanted_version
    return DeliveryPage(
        delivery=delivery,
        who=facts.user.email or delivery.user_id,
        user_key=user.pk if user else None,
        why=why,
        sides=[_wanted(delivery, at, version), _attempted(delivery, at), _acknowledged(delivery, at, version)],
        message_id=payloads.message_id(delivery.pk, version, delivery.wanted_generation),
        attempts=lines if with_attempts else [],
    )


def _attempts(delivery: Delivery) -> list[AttemptLine]:
    with connection.cursor() as cursor:
        cursor.execute(LATEST, [delivery.user_id, LOOKED_AT, delivery.site_id, attempts.SHOWN])
        keys = [key for (key,) in cursor.fetchall()]
    return attempts.lines(UserSyncLog.objects.filter(pk__in=keys).defer("attributes", "response")) if keys else []


def _of_version(version: int | None, generation: int | None) -> str:
    # Not grouped: a name rather than a number, as in message ids.
    told = _("Version %(version)s") % {"version": version or 0}
    return told + (", " + _("resend %(number)s") % {"number": generation} if generation else "")


def _action(delivery: Delivery, at: SiteStatus | None) -> str:
    """What is wanted, also where the fan-out has not written it down yet."""
    return delivery.wanted_action if at is None else Action.UPSERT if at.in_scope else Action.DELETE


def _wanted(delivery: Delivery, at: SiteStatus | None, version: int) -> Side:
    title = _("Wanted")
    if at is not None and at.look == "none":
        return Side(title, _("Nothing: this user does not belong there, and was never sent there."), "")
    names = {"why": words.cause(delivery.cause), "who": delivery.actor}
    because = _("Cause: %(why)s, by %(who)s.") % names if delivery.actor else _("Cause: %(why)s.") % names
    action = _action(delivery, at)
    told = _("The site is to remove this user.") if action == Action.DELETE else _("The site is to have the user as it is now.")
    if action != delivery.wanted_action or version > delivery.wanted_version:
        because = _("This has just changed: the worker takes it up in a moment.")
    return Side(title, f"{told} {because}", _of_version(version, delivery.wanted_generation))


def _attempted(delivery: Delivery, at: SiteStatus | None) -> Side:
    title = _("Last attempted")
    if delivery.attempted_version is None:
        return Side(title, _("Nothing was ever sent there."), "")
    names = {"email": delivery.attempted_email or delivery.user_id}
    if delivery.attempted_action == Action.DELETE:
        told = _("The site was told to remove %(email)s.") % names
    else:
        told = _("The user was sent as %(email)s.") % names
    if at is not None and at.status == "in_progress":
        return Side(title, told + " " + _("The answer is awaited."), _of_version(*_under_way(delivery)))
    if delivery.last_error:
        told += " " + _("It came to: %(error)s.") % {"error": delivery.last_error.rstrip(".")}
    return Side(title, told, _of_version(delivery.attempted_version, delivery.attempted_generation))


def _under_way(delivery: Delivery) -> tuple[int | None, int | None]:
    """Version and generation of what is being sent. What came of it may be written down by now."""
    lease = Lease.objects.filter(site_id=delivery.site_id, delivery_ids__contains=[delivery.pk]).first()
    if lease is None:
        return delivery.attempted_version, delivery.attempted_generation
    place = lease.delivery_ids.index(delivery.pk)
    return lease.versions[place], lease.generations[place]


def _acknowledged(delivery: Delivery, at: SiteStatus | None, version: int) -> Side:
    title = _("Acknowledged")
    if delivery.acked_version is None:
        return Side(title, _("The site never accepted anything about this user."), "")
    names = {"email": delivery.acked_email or delivery.attempted_email or delivery.user_id, "when": words.ago(delivery.last_synced_at)}
    if delivery.acked_action == Action.DELETE:
        told = _("The site accepted the removal %(when)s.") % names
    else:
        told = _("The site accepted %(email)s %(when)s.") % names
    if delivery.remote_id and delivery.remote_id != delivery.user_id:
        told += " " + _("It calls this user %(id)s.") % {"id": delivery.remote_id}
    if delivery.acked_epoch != delivery.site.epoch:
        told += " " + _("The site has moved since, so that no longer counts.")
    elif delivery.acked_action != _action(delivery, at):
        told += " " + _("That is not what is wanted now.")
    elif delivery.acked_version < version:
        told += " " + _("The user has changed since: a newer version is owed.")
    elif (delivery.acked_generation or 0) < delivery.wanted_generation:
        told += " " + _("It is to be sent once more, although nothing changed.")
    else:
        told += " " + _("That is what is wanted: nothing more is owed.")
    return Side(title, told, _of_version(delivery.acked_version, delivery.acked_generation))
