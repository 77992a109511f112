"""A site's page and the list of sites, with how each is doing."""

from collections.abc import Callable
from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.decorators import display

from sites.admin import ConnectedSiteAdmin
from sites.models import ConnectedSite
from sync import operations, site_control, status, views
from sync.admin.connection import ConnectionTestMixin
from sync.admin.shared import status_badge
from sync.status.trouble import trouble

admin.site.unregister(ConnectedSite)


@admin.register(ConnectedSite)
class SyncedSiteAdmin(ConnectionTestMixin, ConnectedSiteAdmin):
    list_display = ["display_name", "url", "category", "shown_scope", "shown_active", "shown_state"]
    actions = ["sync_to_selected", "pause_selected", "resume_selected", "probe_selected"]
    change_form_outer_before_template = "admin/sync/site_state.html"
    change_form_outer_after_template = "admin/sync/site_panels.html"

    def has_sync_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm(views.MAY_SYNC)

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        changelist = super().get_changelist_instance(request)
        overviews = {overview.site.pk: overview for overview in status.sites_overview()}
        for site in changelist.result_list:
            site.overview = overviews.get(site.pk)
        return changelist

    @display(description=gettext_lazy("Status"))
    def shown_state(self, site: ConnectedSite) -> SafeString:
        overview: status.SiteOverview = getattr(site, "overview", None) or status.site_overview(site)
        return status_badge(overview.look, overview.symbol, overview.label, overview.words)

    @admin.action(permissions=["sync"], description=gettext_lazy("Sync all users to selected sites"))
    def sync_to_selected(self, request: HttpRequest, queryset: QuerySet[ConnectedSite]) -> None:
        chosen = list(queryset)
        inactive = [str(site) for site in chosen if not site.is_active]
        active = [site for site in chosen if site.is_active]
        if active:
            started = operations.sync_all(cause="sync_all", actor=request.user.get_username(), sites=active)
            messages.add_message(request, messages.SUCCESS if started.as_asked else messages.WARNING, started.message)
        if inactive:
            said = _("Nothing was sent to %(sites)s: inactive. Activate it, and it catches up by itself.") % {
                "sites": status.listed(inactive)
            }
            messages.warning(request, said)

    @admin.action(permissions=["change"], description=gettext_lazy("Pause selected sites"))
    def pause_selected(self, request: HttpRequest, queryset: QuerySet[ConnectedSite]) -> None:
        _tell_each(request, queryset, site_control.pause_site)

    @admin.action(permissions=["change"], description=gettext_lazy("Resume selected sites"))
    def resume_selected(self, request: HttpRequest, queryset: QuerySet[ConnectedSite]) -> None:
        _tell_each(request, queryset, site_control.resume_site)

    @admin.action(permissions=["change"], description=gettext_lazy("Probe selected sites now"))
    def probe_selected(self, request: HttpRequest, queryset: QuerySet[ConnectedSite]) -> None:
        _tell_each(request, queryset, site_control.probe_site)

    def render_change_form(self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any) -> HttpResponse:
        site: ConnectedSite | None = kwargs.get("obj")
        if site is not None:
            context["overview"] = status.site_overview(site)
            context["attempts"] = status.last_attempts(site_id=site.pk)
            context["sees_log"] = request.user.has_perm("sync.view_usersynclog")
            context["trouble"] = trouble(site.pk)
            context["may_sync"] = self.has_sync_permission(request)
            context["sees_deliveries"] = request.user.has_perm("sync.view_delivery")
            context["sees_users"] = request.user.has_perm("users.view_userprofile")
            context["events"] = status.site_events(site.pk)
            context["may_control"] = self.has_change_permission(request, site)
        return super().render_change_form(request, context, *args, **kwargs)


def _tell_each(request: HttpRequest, sites: QuerySet[ConnectedSite], control: Callable[..., site_control.Told]) -> None:
    for site in sites:
        told = control(site, actor=request.user.get_username())
        messages.add_message(request, messages.SUCCESS if told.changed else messages.WARNING, told.message)
