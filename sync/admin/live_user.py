"""Where a user stands, on the user's page, kept up to date."""

from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.urls import URLPattern, path, reverse
from django.utils.decorators import method_decorator
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET

from sync import status, views
from sync.admin.live import Live, seconds_for
from sync.status import why_page
from users.models import UserProfile


class LiveUserMixin:
    """For the admin of users."""

    admin_site: Any
    has_view_permission: Any

    def get_urls(self) -> list[URLPattern]:
        urls: list[URLPattern] = super().get_urls()  # type: ignore[misc]
        return [path("<int:pk>/live/", self.admin_site.admin_view(self.live_view), name="users_userprofile_live"), *urls]

    @method_decorator(require_GET)
    def live_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """What moves on a user's page, for who may see the page."""
        user = UserProfile.objects.filter(pk=pk).first()
        if user is None:
            raise Http404
        if not self.has_view_permission(request, user):
            raise PermissionDenied(_("Your login may not see users."))
        live, _context = _live(request, user)
        return live.answer(request)

    def live_context(self, request: HttpRequest, user: UserProfile) -> dict[str, Any]:
        """For the user's page."""
        live, context = _live(request, user)
        return context | live.context(request)


def _live(request: HttpRequest, user: UserProfile) -> tuple[Live, dict[str, Any]]:
    state = status.of_user(user.user_id)
    shown = why_page.why_page(user, state, why_page.Asked.of(request.GET))
    context = {
        "sites_shown": shown,
        "whys": shown.whys,
        "attempts": status.last_attempts(user_id=user.user_id),
        "may_sync": request.user.has_perm(views.MAY_SYNC),
        "sees_sites": request.user.has_perm("sites.view_connectedsite"),
        "sees_log": request.user.has_perm("sync.view_usersynclog"),
    }
    part = render_to_string("admin/sync/user_live.html", context, request)
    beside = render_to_string("admin/sync/user_live_beside.html", context, request)
    return Live(reverse("admin:users_userprofile_live", args=[user.pk]), part, beside, seconds_for(state)), context
