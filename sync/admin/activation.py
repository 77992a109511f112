"""Deactivate and activate a user, in the admin: what will happen at each site is told first."""

from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.translation import gettext as _

from sync.status import consequences
from users.models import UserProfile


class ActivationMixin:
    """For the admin of users: `tell_of` says what came of it at the sites."""

    admin_site: Any
    opts: Any
    has_change_permission: Any
    log_change: Any

    def get_urls(self) -> list[URLPattern]:
        urls: list[URLPattern] = super().get_urls()  # type: ignore[misc]
        guarded = self.admin_site.admin_view
        return [
            path("<int:pk>/deactivate/", guarded(self.deactivate_view), name="users_userprofile_deactivate"),
            path("<int:pk>/activate/", guarded(self.activate_view), name="users_userprofile_activate"),
            *urls,
        ]

    def deactivate_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Says where the user is removed; on POST deactivates."""
        return self._view(request, pk, active=False)

    def activate_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Says where the user is sent; on POST activates."""
        return self._view(request, pk, active=True)

    def tell_of(self, request: HttpRequest, user_id: str) -> None:
        """Called within the transaction that changes the user, for what there is to say of the sites."""

    def _view(self, request: HttpRequest, pk: int, *, active: bool) -> HttpResponse:
        user = UserProfile.objects.filter(pk=pk).first()
        if user is None:
            raise Http404
        if not self.has_change_permission(request, user):
            raise PermissionDenied(_("Your login may not change users."))
        back = reverse("admin:users_userprofile_change", args=[pk])
        if user.is_active == active:
            already = _("%(name)s is active already.") if active else _("%(name)s is inactive already.")
            messages.info(request, _("Nothing changed: %(what)s") % {"what": already % {"name": user.full_name}})
            return HttpResponseRedirect(back)
        if request.method == "POST":
            with transaction.atomic():
                user.is_active = active
                user.save(update_fields=["is_active"])
                self.log_change(request, user, "Activated." if active else "Deactivated.")
                self.tell_of(request, user.user_id)
            return HttpResponseRedirect(back)
        told = consequences.of_activating(user) if active else consequences.of_deactivating(user)
        title = _("Activate %(name)s") if active else _("Deactivate %(name)s")
        context = {**self.admin_site.each_context(request), "title": title % {"name": user.full_name}, "opts": self.opts, "original": user}
        context |= {"activates": active, "consequences": told}
        return TemplateResponse(request, "admin/sync/activation.html", context)
