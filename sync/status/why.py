"""Why a user is, or is not, on a site: in words, for each site."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import connection
from django.utils.translation import gettext as _

from sites.models import ConnectedSite
from sync.models import Action, Delivery, UserSyncLog
from sync.status import attempts, remedies, words
from sync.status.pairs import SiteStatus, UserStatus
from sync.status.progress import no_worker
from users.models import UserProfile

LOOKED_AT = 1000
"""The latest attempts of a user among which each site's last one is looked for."""

LAST_ATTEMPTS = """
select distinct on (site_id) id from (
    select id, site_id from user_sync_log where user_id = %s order by id desc limit %s
) latest order by site_id, id desc
"""


@dataclass(frozen=True)
class Facts:
    """All that an explanation is made of. `at` is None where the site is inactive, `delivery` where nothing was ever owed."""

    user: UserProfile
    site: ConnectedSite
    at: SiteStatus | None = None
    delivery: Delivery | None = None
    attempt: UserSyncLog | None = None
    no_worker: str = ""
    """What to do where no worker is alive; empty where one is."""
    now: datetime | None = None
    is_gone: bool = False
    """The user is not in the directory any more: `user` holds what is still known."""

    @property
    def has_role(self) -> bool:
        return not self.site.roles or self.user.role in self.site.roles

    @property
    def in_scope(self) -> bool:
        return self.user.is_active and self.has_role

    @property
    def was_sent(self) -> bool:
        return self.delivery is not None and self.delivery.attempted_version is not None

    @property
    def holds(self) -> bool:
        """Whether the site acknowledged this user last, rather than the removal, or nothing."""
        return self.delivery is not None and self.delivery.acked_action == Action.UPSERT


@dataclass(frozen=True)
class Why:
    """One site's answer to "Why is this user not there?", or why it is."""

    site: ConnectedSite
    at: SiteStatus | None
    answer: str
    """In one sentence."""
    scope: str
    sent: str
    last: str
    next: str
    todo: str
    attempt: UserSyncLog | None = None
    can_resend: bool = False
    """Whether a resend to this site would send anything."""

    @property
    def look(self) -> str:
        return self.at.look if self.at else "none"

    @property
    def symbol(self) -> str:
        return self.at.symbol if self.at else "remove" if self.site.is_active else "block"

    @property
    def label(self) -> str:
        if self.at:
            return self.at.label
        return _("Not needed") if self.site.is_active else _("Site inactive")


def all_sites() -> list[ConnectedSite]:
    """In the order in which a user's page has them: inactive ones at the end."""
    return list(ConnectedSite.objects.order_by("-is_active", "id"))


def why(user: UserProfile, state: UserStatus | None, sites: Sequence[ConnectedSite] | None = None) -> list[Why]:
    """An answer for each of these sites, or for every one, inactive ones included. Four queries at the most, however many there are."""
    sites = all_sites() if sites is None else sites
    at = {site.site_id: site for site in state.sites} if state else {}
    deliveries = {row.site_id: row for row in Delivery.objects.filter(user_id=user.user_id)}
    latest = _last_attempts(user.user_id)
    warning = no_worker() if state and state.status == "pending" else ""
    return [explain(Facts(user, site, at.get(site.pk), deliveries.get(site.pk), latest.get(site.pk), warning)) for site in sites]


def _last_attempts(user_id: str) -> dict[int, UserSyncLog]:
    with connection.cursor() as cursor:
        cursor.execute(LAST_ATTEMPTS, [user_id, LOOKED_AT])
        keys = [key for (key,) in cursor.fetchall()]
    return {row.site_id: row for row in UserSyncLog.objects.filter(pk__in=keys).defer("attributes", "response")}


def explain(facts: Facts) -> Why:
    """What the facts say. Reads nothing."""
    can_resend = facts.at is not None and (facts.at.in_scope or facts.was_sent)
    return Why(
        facts.site,
        facts.at,
        _answer(facts),
        _scope(facts),
        _sent(facts),
        _last(facts),
        _next(facts),
        _todo(facts),
        facts.attempt,
        can_resend,
    )


def _scope(facts: Facts) -> str:
    names = {"site": facts.site, "role": facts.user.role, "roles": words.listed(facts.site.roles, 8)}
    if facts.is_gone:
        return _("No: the user is deleted.")
    if not facts.user.is_active:
        return _("No: the user is inactive, and sites have active users only.")
    if not facts.has_role:
        return _("No: %(site)s takes only the roles %(roles)s, and this user has the role %(role)s.") % names
    if facts.site.roles:
        return _("Yes: the user is active, and %(role)s is one of the roles that %(site)s takes (%(roles)s).") % names
    return _("Yes: the user is active, and %(site)s takes users of all roles.") % names


def _answer(facts: Facts) -> str:
    names = {"site": facts.site, "reason": _reason(facts)}
    if facts.at is None and facts.site.is_active:
        return _("Not there: the user is deleted, and was never sent to %(site)s.") % names
    if facts.at is None:
        if facts.holds:
            return _("%(site)s is inactive. It has this user as of then; nothing is sent to it now.") % names
        return _("Not there: %(site)s is inactive and is sent nothing.") % names
    if not facts.at.in_scope:
        if facts.at.look == "removed":
            return _("Not there: %(site)s has removed this user.") % names
        if facts.at.look == "none":
            return _("Not there: this user does not belong to %(site)s.") % names
        return _("To be removed, and perhaps still there: %(reason)s") % names
    if facts.at.status == "success":
        return _("There: %(site)s has this user as shown here.") % names
    if facts.at.status == "in_progress":
        return _("On its way: a request is under way now.")
    if facts.holds:
        return _("There, but with older data: %(reason)s") % names
    return _("Not there yet: %(reason)s") % names if facts.at.status == "pending" else _("Not there: %(reason)s") % names


def _reason(facts: Facts) -> str:
    """Why it is not in sync, as a sentence."""
    if facts.at is None:
        return ""
    if facts.at.error_message:
        return f"{facts.at.error_message.rstrip('.')}."
    if facts.at.wait:
        return facts.at.wait.sentence
    return _("the worker has not sent it yet.") if facts.at.status == "pending" else _("the answer is awaited.")


def _sent(facts: Facts) -> str:
    delivery = facts.delivery
    if delivery is None or delivery.attempted_version is None:
        return _("No, nothing was ever sent there.")
    if delivery.last_synced_at:
        names = {"when": words.ago(delivery.last_synced_at, facts.now)}
        if delivery.acked_action == Action.DELETE:
            return _("Yes. The site last accepted a request %(when)s: the removal.") % names
        return _("Yes. The site last accepted this user %(when)s.") % names
    return _("Yes, but the site never accepted it.")


def _last(facts: Facts) -> str:
    """The last request, and what came back."""
    row = facts.attempt
    if row is None:
        return _("None is in the log.") if facts.was_sent else _("None.")
    what = dict(Action.choices).get(row.type, row.type)
    names = {"what": what, "when": words.ago(row.completed_at, facts.now), "word": attempts.look_of(row)[2]}
    told = _("%(what)s, %(when)s: %(word)s") % names
    answer = f" (HTTP {row.http_code})" if row.http_code and f"HTTP {row.http_code}" not in row.error else ""
    return f"{told}{answer}: {row.error.rstrip('.')}." if row.error else f"{told}{answer}."


def _next(facts: Facts) -> str:
    at = facts.at
    if at is None:
        return _("Nothing to send.") if facts.site.is_active else _("Nothing, until the site is active. Then it is sent what it is owed.")
    if at.status == "in_progress":
        return _("The answer, or the end of the time that the request may take.")
    if at.status == "failed":
        return _("Nothing by itself: it is sent again when the user or the site changes, or someone sends it.")
    if at.status == "success":
        return _("Nothing to send, until the user changes.") if at.in_scope else _("Nothing to send.")
    if at.is_paused:
        return _("It is sent when the site is resumed.")
    if at.wait and at.wait.kind == "quarantined":
        return _("The site is quarantined: the next probe is %(when)s. When one is answered, all that waits is sent.") % {
            "when": at.next_words or _("due")
        }
    if at.attempts and at.next_words:
        return _("Next try %(when)s, after %(tries)s.") % {
            "when": at.next_words,
            "tries": words.count(at.attempts, "try", "tries"),
        }
    return _("The worker sends it %(when)s.") % {"when": at.next_words or _("now")}


def _todo(facts: Facts) -> str:
    at = facts.at
    names = {"site": facts.site}
    if at is None:
        return _("Nothing.") if facts.site.is_active else _("To have users sent there, make %(site)s active.") % names
    if at.is_paused:
        return _("Resume %(site)s on its page, when whoever paused it agrees.") % names
    if at.status == "success":
        return _todo_in_sync(facts, at)
    if at.status == "in_progress":
        return _("Nothing. Look again in a moment.")
    if facts.no_worker and at.status == "pending":
        return facts.no_worker
    row = facts.attempt
    if row is not None and row.status != UserSyncLog.Result.SUCCESS:
        return remedies.of_attempt(row.http_code, row.outcome).todo
    if at.wait and at.wait.kind == "quarantined":
        return _("Press Test connection on the page of %(site)s: it names the cause.") % names
    return _("Nothing. It is sent by itself.")


def _todo_in_sync(facts: Facts, at: SiteStatus) -> str:
    if at.in_scope:
        return _("See whether the old account is still there, and remove it by hand.") if at.look == "warning" else _("Nothing.")
    if facts.is_gone:
        return _("Nothing.")
    if not facts.user.is_active:
        return _("Nothing, if this is meant. To bring the user back, activate the user.")
    return _("Nothing, if this is meant. Else give the user one of those roles, or change the roles of %(site)s.") % {"site": facts.site}
