"""What the buttons on the pages of users, sites and attempts do: send again to one site, retry one attempt, retry all that failed."""

from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext as _

from sites.models import ConnectedSite
from sync import retry, site_control
from sync.models import UserSyncLog
from sync.views import CAUSE, MAY_SYNC, button, controlled, said


@button(MAY_SYNC)
def resend_to_site(request: HttpRequest) -> HttpResponse:
    """Sends one user (`user_id`) again to one site (`site`, its name)."""
    user_id, name = (request.POST.get(field, "").replace("\x00", "") for field in ("user_id", "site"))
    resent = retry.resend_to_site(user_id, name, cause=CAUSE, actor=request.user.get_username())
    return said(request, resent.message, good=resent.as_asked)


@button(MAY_SYNC)
def retry_attempt(request: HttpRequest) -> HttpResponse:
    """Sends again what one attempt (`attempt`, its key) was about."""
    key = request.POST.get("attempt", "")
    row = UserSyncLog.objects.filter(pk=int(key)).first() if key.isascii() and key.isdigit() and len(key) < 19 else None
    if row is None:
        return said(request, _("There is no such attempt any more, so nothing was sent."), good=False)
    retried = retry.retry_attempt(row, actor=request.user.get_username())
    return said(request, retried.message, good=retried.as_asked)


@button(MAY_SYNC)
def retry_failed(request: HttpRequest) -> HttpResponse:
    """Sends again all that failed at a site (`site`, its name)."""
    return controlled(request, _retry_failed)


def _retry_failed(site: ConnectedSite, *, actor: str) -> site_control.Told:
    retried = retry.retry_failed(site, actor=actor)
    return site_control.Told(retried.message, retried.as_asked)
