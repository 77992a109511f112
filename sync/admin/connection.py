"""Test connection, in the admin: a page of its own, and in place on the site's page."""

from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils.translation import gettext as _

from sites.models import ConnectedSite
from sync import connection_test, views
from users import history


class ConnectionTestMixin:
    """For the admin of sites. Nothing happens by a GET; who may not change sites gets 403."""

    admin_site: Any
    opts: Any
    has_change_permission: Any

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.connection_view)
        urls: list[URLPattern] = super().get_urls()  # type: ignore[misc]
        return [path("<int:pk>/connection/", view, name="sites_connectedsite_connection"), *urls]

    def connection_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """On POST tests the connection and shows what came of it; htmx gets that part alone."""
        site = ConnectedSite.objects.filter(pk=pk).first()
        if site is None:
            raise Http404
        if not self.has_change_permission(request, site):
            raise PermissionDenied(_("Your login may not change sites, so it may not test them."))
        context: dict[str, Any] = {"site": site}
        if request.method == "POST":
            context["test"] = test = connection_test.try_connection(site)
            connection_test.remember(site, test, history.login(request))
            if views.by_htmx(request):
                return TemplateResponse(request, "admin/sync/connection_result.html", context)
        title = _("Test the connection to %(site)s") % {"site": site}
        context |= {**self.admin_site.each_context(request), "title": title, "opts": self.opts, "original": site}
        return TemplateResponse(request, "admin/sync/connection.html", context)
