"""Sites in the admin. A site's secret is made here, shown once, and never again."""

from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, pgettext_lazy
from unfold.decorators import display

from sites.forms import ICONS, ConnectedSiteForm
from sites.handlers import handlers_of
from sites.models import ConnectedSite, issue_signing_secret
from ssodash.wrong_filters import ToldFilters

SHOWN_ONCE = gettext_lazy(
    "The secret of {site} is in place. It was shown once and is not shown again: if you did not keep it, make a new one."
)


@admin.register(ConnectedSite)
class ConnectedSiteAdmin(ToldFilters):
    form = ConnectedSiteForm
    list_display = ["display_name", "url", "category", "shown_scope", "shown_active"]
    list_filter = ["is_active", "category"]
    search_fields = ["name", "display_name", "url"]
    ordering = ["display_name"]
    list_per_page = 25
    show_full_result_count = False
    prepopulated_fields = {"name": ["display_name"]}
    readonly_fields = ["created_at", "updated_at"]
    warn_unsaved_form = True
    change_form_outer_after_template = "admin/sites/connectedsite/panels.html"
    delete_confirmation_template = "admin/sites/connectedsite/delete_confirmation.html"

    @display(description=gettext_lazy("Active"), boolean=True, ordering="is_active")
    def shown_active(self, site: ConnectedSite) -> bool:
        return site.is_active

    @display(description=gettext_lazy("Roles in scope"))
    def shown_scope(self, site: ConnectedSite) -> str:
        return ", ".join(site.roles) or _("All users")

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        """Sites are deleted one by one, where what it means can be read."""
        return {name: action for name, action in super().get_actions(request).items() if name != "delete_selected"}

    def get_prepopulated_fields(self, request: HttpRequest, obj: ConnectedSite | None = None) -> dict[str, list[str]]:
        return {} if obj else self.prepopulated_fields

    def get_readonly_fields(self, request: HttpRequest, obj: ConnectedSite | None = None) -> list[str]:
        return ["created_at", "updated_at"] if obj else []

    def get_fieldsets(self, request: HttpRequest, obj: ConnectedSite | None = None) -> Any:
        return [
            (None, {"fields": ["display_name", "name", "url", "category", "icon", "is_active", "roles"]}),
            (
                pgettext_lazy("a site's settings", "Delivery"),
                {"fields": ["sync_path", "batch_size", "max_in_flight", "timeout", *(["created_at", "updated_at"] if obj else [])]},
            ),
        ]

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.new_secret_view)
        return [path("<int:pk>/new-secret/", view, name="sites_connectedsite_new_secret"), *super().get_urls()]

    def render_change_form(self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any) -> HttpResponse:
        site = kwargs.get("obj")
        context["icons"] = ICONS
        if site:
            credential = site.credentials.signing().defer("secret").first()
            context |= {"credential": credential, "handler": handlers_of(site)}
        response: HttpResponse = super().render_change_form(request, context, *args, **kwargs)
        return response

    def changeform_view(self, request: HttpRequest, object_id: str | None = None, *args: Any, **kwargs: Any) -> HttpResponse:
        if request.method == "POST" and object_id is None and (site := self._just_added(request)):
            messages.info(request, SHOWN_ONCE.format(site=site))
            return HttpResponseRedirect(reverse("admin:sites_connectedsite_change", args=[site.pk]))
        response: HttpResponse = super().changeform_view(request, object_id, *args, **kwargs)
        return response

    def _just_added(self, request: HttpRequest) -> ConnectedSite | None:
        """The site that this very form connected before: the page that showed its secret was reloaded."""
        name, url = (request.POST.get(field, "").replace("\x00", "").strip() for field in ("name", "url"))
        site = ConnectedSite.objects.filter(name=name, url=url.rstrip("/")).first()
        return site if site and self.has_view_permission(request, site) else None

    # --- the secret --------------------------------------------------------------------------------------------------

    def save_model(self, request: HttpRequest, obj: ConnectedSite, form: Any, change: bool) -> None:
        super().save_model(request, obj, form, change)
        if not change:
            # In the same transaction: the worker must not find the site without its secret.
            request.new_secret = issue_signing_secret(obj)  # type: ignore[attr-defined]

    def response_add(self, request: HttpRequest, obj: ConnectedSite, post_url_continue: str | None = None) -> HttpResponse:
        return self._secret_page(request, obj, request.new_secret, _("Site connected"))  # type: ignore[attr-defined]

    def new_secret_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Asks, and on POST replaces the secret and shows the new one."""
        site = ConnectedSite.objects.filter(pk=pk).first()
        if site is None:
            raise Http404
        if not self.has_change_permission(request, site):
            raise PermissionDenied(_("Your login may not change sites."))
        credential = site.credentials.signing().defer("secret").first()
        latest = str(credential.pk) if credential else ""
        if request.method == "POST":
            if request.POST.get("replaces", "") != latest:
                # A reload of the page that showed the new one: another one would make the one just copied worthless.
                messages.info(request, SHOWN_ONCE.format(site=site))
                return HttpResponseRedirect(reverse("admin:sites_connectedsite_change", args=[pk]))
            secret = issue_signing_secret(site)
            self.log_change(request, site, _("Made a new secret."))
            return self._secret_page(request, site, secret, _("New secret"))
        context = {**self.admin_site.each_context(request), "title": _("Make a new secret"), "opts": self.opts}
        context |= {"site": site, "latest": latest}
        return TemplateResponse(request, "admin/sites/connectedsite/new_secret.html", context)

    def _secret_page(self, request: HttpRequest, site: ConnectedSite, secret: str, title: str) -> HttpResponse:
        context = {**self.admin_site.each_context(request), "title": title, "opts": self.opts, "site": site, "secret": secret}
        context["handler"] = handlers_of(site)
        return TemplateResponse(request, "admin/sites/connectedsite/secret.html", context)

    # --- deleting ----------------------------------------------------------------------------------------------------

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> tuple[list[str], dict[str, int], set[str], list[str]]:
        return [str(site) for site in objs], {str(_("sites")): len(objs)}, set(), []
