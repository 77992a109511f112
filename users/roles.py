"""One role for many users at once, after a page that says what each choice means."""

from dataclasses import dataclass, field
from typing import Any

from django.conf import settings
from django.contrib import admin, messages
from django.contrib.admin import helpers
from django.db import transaction
from django.db.models import Count, QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from ssodash.filter_bar import FilterBar
from users.history import Changed, grouped
from users.models import UserProfile

NAMED = 20
Mix = dict[tuple[str, bool], int]
"""How many users there are of each role, active and not."""


@dataclass(frozen=True)
class Choice:
    """A role to give, and what that means."""

    role: str
    changes: int
    words: str
    means: list[str] = field(default_factory=list)


class RoleAction(FilterBar):
    """Adds the change of many users' role to their admin."""

    def after_change(self, request: HttpRequest, changed: Changed) -> None:
        """Called when a bulk action is done and committed, for whoever knows what else there is to say."""

    def set_fields(self, request: HttpRequest, queryset: QuerySet[UserProfile], text: str, **values: Any) -> Changed:
        """Gives all of them these values, and says so in the history."""
        raise NotImplementedError

    def role_means(self, mix: Mix, role: str) -> list[str]:
        """What it means beyond the directory when these users get this role, a sentence each."""
        return []

    @admin.action(permissions=["change"], description=gettext_lazy("Change role of selected users …"))
    def change_role(self, request: HttpRequest, queryset: QuerySet[UserProfile]) -> HttpResponse | None:
        role = request.POST.get("role", "")
        error = ""
        if request.POST.get("post"):
            if role in settings.SYNC_ROLES:
                self._give(request, queryset, role)
                return None
            error = _("Choose one of the roles.")
        mix: Mix = {
            (row["role"], row["is_active"]): row["number"]
            for row in queryset.order_by().values("role", "is_active").annotate(number=Count("*"))
        }
        number = sum(mix.values())
        context = {
            **self.admin_site.each_context(request),
            "title": _("Change the role of users"),
            "opts": self.opts,
            "media": self.media,
            "heading": ngettext("Which role shall %(count)s user have?", "Which role shall %(count)s users have?", number)
            % {"count": grouped(number)},
            "choices": [self._choice(mix, choice) for choice in settings.SYNC_ROLES],
            "sample": {"users": list(queryset[:NAMED]), "more": max(0, number - NAMED)},
            "error": error,
            "chosen": role,
            "selected": request.POST.getlist(helpers.ACTION_CHECKBOX_NAME),
            "select_across": request.POST.get("select_across", "0"),
            "action_checkbox_name": helpers.ACTION_CHECKBOX_NAME,
        }
        return TemplateResponse(request, "admin/users/userprofile/change_role.html", context)

    def _choice(self, mix: Mix, role: str) -> Choice:
        changes = sum(number for (before, _active), number in mix.items() if before != role)
        if not changes:
            return Choice(role, 0, _("All of them have it already."))
        words = ngettext("%(count)s user changes.", "%(count)s users change.", changes) % {"count": grouped(changes)}
        return Choice(role, changes, words, self.role_means(mix, role))

    def _give(self, request: HttpRequest, queryset: QuerySet[UserProfile], role: str) -> None:
        with transaction.atomic():
            changed = self.set_fields(request, queryset.exclude(role=role), _("Role set to %(role)s.") % {"role": role}, role=role)
        if not changed.number:
            messages.info(request, _("Nothing changed: every selected user had the role %(role)s already.") % {"role": role})
            return
        text = ngettext("%(count)s user now has the role %(role)s.", "%(count)s users now have the role %(role)s.", changed.number)
        messages.success(request, text % {"count": grouped(changed.number), "role": role})
        self.after_change(request, changed)
