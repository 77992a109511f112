"""The admin's site: its front page is the dashboard."""

from collections.abc import Callable
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils.translation import gettext_lazy as _
from django_htmx.http import HttpResponseClientRefresh
from unfold.sites import UnfoldAdminSite

from ssodash import dashboard
from sync import resend_views, views


class HubAdminSite(UnfoldAdminSite):
    """The dashboard is the admin's index page."""

    index_title = _("Dashboard")
    site_url = None

    def index(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> TemplateResponse:
        response: TemplateResponse = super().index(request, {**dashboard.page(request), **(extra_context or {})})
        return response

    def extra_urls(self) -> list[URLPattern]:
        return [
            path("live/", self.admin_view(dashboard.live), name="live"),
            path("live/run/", self.admin_view(dashboard.live_run), name="live_run"),
            path("actions/sync-all/", self.admin_view(views.sync_all), name="sync_all"),
            path("actions/sync-user/", self.admin_view(views.sync_user), name="sync_user"),
            path("actions/cancel-run/", self.admin_view(views.cancel_run), name="cancel_run"),
            path("actions/resume-run/", self.admin_view(views.resume_run), name="resume_run"),
            path("actions/pause-site/", self.admin_view(views.pause_site), name="pause_site"),
            path("actions/probe-site/", self.admin_view(views.probe_site), name="probe_site"),
            path("actions/resume-site/", self.admin_view(views.resume_site), name="resume_site"),
            path("actions/resend-to-site/", self.admin_view(resend_views.resend_to_site), name="resend_to_site"),
            path("actions/retry-attempt/", self.admin_view(resend_views.retry_attempt), name="retry_attempt"),
            path("actions/retry-failed/", self.admin_view(resend_views.retry_failed), name="retry_failed"),
        ]

    def admin_view(self, view: Callable[..., HttpResponse], cacheable: bool = False) -> Callable[..., HttpResponse]:
        guarded = super().admin_view(view, cacheable)

        def reload_when_signed_out(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
            # Otherwise htmx would follow the redirect and put the login page into a corner of the page.
            if views.by_htmx(request) and not self.has_permission(request):
                return HttpResponseClientRefresh()
            answer: HttpResponse = guarded(request, *args, **kwargs)
            return answer

        return reload_when_signed_out
