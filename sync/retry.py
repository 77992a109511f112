"""Send again what a person points at: one user, to one site or to all, or all that failed at a site."""

from dataclasses import dataclass

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from sites.models import ConnectedSite
from sync import operations, status
from sync.models import Delivery, UserSyncLog

AT_MOST = 10_000
"""Failed deliveries that are named one by one to a run. Of more, the run walks all that is out of date."""


@dataclass(frozen=True)
class Retried:
    """What came of it, in words, and whether all of it was delivered or is on its way as asked."""

    message: str
    as_asked: bool
    user_id: str = ""
    """The public id of the one user that was asked for; empty where there is no such user or site, or it was about many."""


def resend_everywhere(user_id: str, *, cause: str, actor: str = "") -> Retried:
    """Sends one user again to every active site, also where nothing changed, and waits as `resend_to_site` does."""
    try:
        result = operations.sync_user(user_id, cause=cause, actor=actor)
    except operations.UnknownUser as unknown:
        return Retried(_("Nothing was sent. %(why)s") % {"why": unknown}, False)
    state = None if result.success else status.of_user(result.user_id)
    return Retried(status.sentence(state) if state else result.message, result.success, result.user_id)


def resend_to_site(user_id: str, site_name: str, *, cause: str, actor: str = "") -> Retried:
    """Sends one user again to one site, also where nothing changed, and waits for the answer until the push deadline at the most."""
    try:
        result = operations.sync_user(user_id, cause=cause, actor=actor, site_names=[site_name])
    except (operations.UnknownUser, operations.UnknownSite) as unknown:
        return Retried(_("Nothing was sent. %(why)s") % {"why": unknown}, False)
    at = next((site for site in result.sites if site.site_name == site_name), None)
    if at is None:
        # Its removal was acknowledged, and nothing is known of a user who is gone and removed.
        return Retried(_("The site has removed this user. Nothing more is owed."), True, result.user_id)
    if at.look == "none":
        told = _("Nothing was sent: this user does not belong to %(site)s, and was never sent there.") % {"site": at.display_name}
        return Retried(told, False, result.user_id)
    told = status.sentence(status.UserStatus(result.user_id, "", "", at.status, [at]))
    if at.status == "success":
        told = (_("Sent again to %(site)s: in sync.") if at.in_scope else _("Sent again to %(site)s: removed there.")) % {
            "site": at.display_name
        }
        if at.error_message:
            told += f" {at.error_message.rstrip('.')}."
    return Retried(told, at.status == "success", result.user_id)


def retry_attempt(row: UserSyncLog, *, actor: str = "") -> Retried:
    """Sends again what this attempt was about, as it is now."""
    site = ConnectedSite.objects.filter(pk=row.site_id).first()
    if site is None:
        return Retried(_("Nothing was sent: %(site)s is no longer connected.") % {"site": row.site_name}, False)
    return resend_to_site(row.user_id, site.name, cause="retry", actor=actor)


def retry_failed(site: ConnectedSite, *, actor: str = "") -> Retried:
    """Sends again every delivery that failed at this site: a few at once, many by a run that the worker carries out."""
    if not site.is_active:
        return Retried(_("Nothing was sent: %(site)s is inactive. Activate it, and it is sent what it is owed.") % {"site": site}, False)
    failed = Delivery.objects.filter(site_id=site.pk, status="failed").order_by("user_id")
    user_ids = list(failed.values_list("user_id", flat=True)[: AT_MOST + 1])
    if not user_ids:
        return Retried(_("Nothing was sent: nobody has failed at %(site)s.") % {"site": site}, False)
    if len(user_ids) > AT_MOST:
        started = operations.sync_all(cause="retry", actor=actor, sites=[site], only_pending=True)
        return Retried(started.message, started.as_asked)
    started = operations.sync_users(user_ids, cause="retry", actor=actor, sites=[site])
    tried = ngettext("%(number)s that had failed is tried again.", "%(number)s that had failed are tried again.", len(user_ids))
    return Retried(f"{tried % {'number': f'{len(user_ids):,}'}} {started.message}", started.as_asked)
