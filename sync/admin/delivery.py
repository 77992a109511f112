"""The page of one delivery."""

from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.translation import gettext as _

from sync import views
from sync.models import Delivery
from sync.status.delivery import delivery_page


def show(model_admin: Any, request: HttpRequest, object_id: str) -> HttpResponse:
    """Where this user stands at this site and why, what is wanted, attempted and acknowledged. For who may see deliveries."""
    if not model_admin.has_view_permission(request):
        raise PermissionDenied(_("Your login may not see deliveries."))
    if request.method not in {"GET", "HEAD"}:
        raise PermissionDenied(_("Nobody changes a delivery by hand: send it again, or change the user."))
    delivery = _find(object_id)
    if delivery is None:
        messages.warning(request, _("There is no such delivery any more: the site has removed the user, or is no longer connected."))
        return HttpResponseRedirect(reverse("admin:sync_delivery_changelist"))
    sees_log = request.user.has_perm("sync.view_usersynclog")
    page = delivery_page(delivery, with_attempts=sees_log)
    context = {
        **model_admin.admin_site.each_context(request),
        "title": page.heading,
        "opts": model_admin.opts,
        "page": page,
        "why": page.why,
        "attempts": page.attempts,
        "sees_log": sees_log,
        "may_sync": request.user.has_perm(views.MAY_SYNC),
        "sees_users": request.user.has_perm("users.view_userprofile"),
        "sees_sites": request.user.has_perm("sites.view_connectedsite"),
        "sees_runs": request.user.has_perm("sync.view_syncrun"),
    }
    return TemplateResponse(request, "admin/sync/delivery.html", context)


def _find(key: str) -> Delivery | None:
    if not key.isascii() or not key.isdigit() or len(key) > 18:
        return None
    return Delivery.objects.select_related("site").filter(pk=int(key)).first()
