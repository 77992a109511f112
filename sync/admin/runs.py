"""Runs: how far each is, and a button to stop it."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _
from unfold.decorators import display

from sync import status, views
from sync.admin.shared import ReadOnlyAdmin, moment, status_badge
from sync.models import SyncRun


@admin.register(SyncRun)
class SyncRunAdmin(ReadOnlyAdmin):
    nothing_yet = _("A run is one Sync All, or one bulk action. There was none yet: press Sync All Users on the dashboard.")
    list_display = ["shown_started", "shown_what", "shown_state", "shown_progress", "shown_cause", "shown_actor"]
    list_filter = ["state", "scope"]
    change_form_outer_after_template = "admin/sync/run_panels.html"
    fields = ["shown_what", "shown_state", "shown_progress", "shown_cause", "actor", "created_at", "started_at", "finished_at", "public_id"]

    def get_readonly_fields(self, request: HttpRequest, obj: SyncRun | None = None) -> list[str]:
        return self.fields

    def get_queryset(self, request: HttpRequest) -> Any:
        return super().get_queryset(request).prefetch_related("parts__site")

    @display(description=_("Started"))
    def shown_started(self, run: SyncRun) -> SafeString:
        return moment(run.started_at or run.created_at)

    @display(description=_("What"))
    def shown_what(self, run: SyncRun) -> str:
        return status.progress(run).title

    @display(description=_("State"))
    def shown_state(self, run: SyncRun) -> SafeString:
        progress = status.progress(run)
        return status_badge(progress.look, progress.symbol, progress.label)

    @display(description=_("Progress"))
    def shown_progress(self, run: SyncRun) -> str:
        progress = status.progress(run)
        return f"{progress.percent} %. {progress.sentence} {progress.remaining}".strip()

    @display(description=_("Who"))
    def shown_actor(self, run: SyncRun) -> str:
        return run.actor or "–"

    def render_change_form(self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any) -> HttpResponse:
        run: SyncRun | None = kwargs.get("obj")
        if run is not None:
            context["run"] = status.progress(run)
            context["may_cancel"] = request.user.has_perm(views.MAY_CANCEL)
        response: HttpResponse = super().render_change_form(request, context, *args, **kwargs)
        return response
