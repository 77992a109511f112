"""Runs: how far each is, and a button to stop it."""

from datetime import datetime
from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.urls import URLPattern, path, reverse
from django.utils import formats, timezone
from django.utils.decorators import method_decorator
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_GET
from unfold.decorators import display

from sync import status, views
from sync.admin.live import IDLE_SECONDS, Live
from sync.admin.shared import ReadOnlyAdmin, moment, status_badge
from sync.models import SyncRun


@admin.register(SyncRun)
class SyncRunAdmin(ReadOnlyAdmin):
    nothing_yet = _("A run is one Sync All, or one bulk action. There was none yet: press Sync All Users on the dashboard.")
    list_display = ["shown_started", "shown_what", "shown_state", "shown_progress", "shown_cause", "shown_actor"]
    list_filter = ["state", "scope"]
    change_form_outer_after_template = "admin/sync/run_panels.html"
    fields = [
        "shown_what",
        "live_state",
        "live_progress",
        "shown_cause",
        "actor",
        "created_at",
        "live_started",
        "live_finished",
        "public_id",
    ]

    def get_readonly_fields(self, request: HttpRequest, obj: SyncRun | None = None) -> list[str]:
        return self.fields

    def get_queryset(self, request: HttpRequest) -> Any:
        return super().get_queryset(request).prefetch_related("parts__site").annotate(still_owes=status.still_owes())

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
        return _progress(run)

    @display(description=_("Who"))
    def shown_actor(self, run: SyncRun) -> str:
        return run.actor or "–"

    # --- its own page, which keeps itself up to date -----------------------------------------------------------------

    def get_urls(self) -> list[URLPattern]:
        live = path("<int:pk>/live/", self.admin_site.admin_view(self.live_view), name="sync_syncrun_live")
        return [live, *super().get_urls()]

    @method_decorator(require_GET)
    def live_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """What moves on a run's page, for who may see the page."""
        run = self.get_object(request, str(pk))
        if run is None:
            raise Http404
        if not self.has_view_permission(request, run):
            raise PermissionDenied(gettext("Your login may not see runs."))
        return self._live(request, run).answer(request)

    @display(description=_("State"))
    def live_state(self, run: SyncRun) -> SafeString:
        return _fact("state", run)

    @display(description=_("Progress"))
    def live_progress(self, run: SyncRun) -> SafeString:
        return _fact("progress", run)

    @display(description=_("Started at"))
    def live_started(self, run: SyncRun) -> SafeString:
        return _fact("started", run)

    @display(description=_("Finished at"))
    def live_finished(self, run: SyncRun) -> SafeString:
        return _fact("finished", run)

    def render_change_form(self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any) -> HttpResponse:
        run: SyncRun | None = kwargs.get("obj")
        if run is not None:
            context |= {"run": status.progress(run), **self._live(request, run).context(request)}
        response: HttpResponse = super().render_change_form(request, context, *args, **kwargs)
        return response

    def _live(self, request: HttpRequest, run: SyncRun) -> Live:
        progress = status.progress(run)
        shown = {"run": progress, "may_cancel": request.user.has_perm(views.MAY_CANCEL)}
        return Live(
            reverse("admin:sync_syncrun_live", args=[run.pk]),
            render_to_string("admin/sync/run_live.html", shown, request),
            render_to_string("admin/sync/live_facts.html", {"facts": _facts(run)}),
            _seconds(progress),
        )


def _seconds(progress: status.RunProgress) -> int:
    if progress.is_over:
        return IDLE_SECONDS if progress.left_owed and not progress.made_up else 0
    return progress.poll_seconds


def _facts(run: SyncRun) -> dict[str, str]:
    """What its page says of a run that may be otherwise a moment later."""
    progress = status.progress(run)
    return {
        "state": status_badge(progress.look, progress.symbol, progress.label),
        "progress": _progress(run),
        "started": _exact(run.started_at),
        "finished": _exact(run.finished_at),
    }


def _progress(run: SyncRun) -> str:
    progress = status.progress(run)
    return f"{progress.percent} %. {progress.sentence} {progress.remaining}".strip()


def _fact(name: str, run: SyncRun) -> SafeString:
    return format_html('<span id="live-{}">{}</span>', name, _facts(run)[name])


def _exact(at: datetime | None) -> str:
    return formats.date_format(timezone.localtime(at), "DATETIME_FORMAT") if at else "–"
