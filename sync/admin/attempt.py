"""The page of one attempt."""

from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.translation import gettext as _

from sync import views
from sync.models import UserSyncLog
from sync.status.attempt import attempt_page


def show(model_admin: Any, request: HttpRequest, object_id: str) -> HttpResponse:
    """What was sent, what came back, why it counts as what it counts as, and what happens next. For who may see the log."""
    if not model_admin.has_view_permission(request):
        raise PermissionDenied(_("Your login may not see the log of attempts."))
    if request.method not in {"GET", "HEAD"}:
        raise PermissionDenied(_("Nobody changes the log of attempts: it tells what happened."))
    row: UserSyncLog | None = model_admin.get_object(request, object_id)
    if row is None:
        messages.warning(request, _("There is no such attempt. Attempts are deleted from the log after a while."))
        return HttpResponseRedirect(reverse("admin:sync_usersynclog_changelist"))
    context = {
        **model_admin.admin_site.each_context(request),
        "title": str(row),
        "opts": model_admin.opts,
        "original": row,
        "attempt": attempt_page(row),
        "may_sync": request.user.has_perm(views.MAY_SYNC),
        "sees_users": request.user.has_perm("users.view_userprofile"),
        "sees_sites": request.user.has_perm("sites.view_connectedsite"),
    }
    return TemplateResponse(request, "admin/sync/attempt.html", context)
