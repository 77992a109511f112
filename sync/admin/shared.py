"""What the admin pages of sync share."""

from datetime import datetime
from functools import cached_property
from typing import Any

from django.core.paginator import Paginator
from django.db.models import Model
from django.http import HttpRequest
from django.urls import reverse
from django.utils.functional import Promise
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy
from unfold.decorators import display

from sites.models import ConnectedSite
from ssodash.wrong_filters import ToldFilters
from sync import status

COUNTED = 10_000


class BoundedPaginator(Paginator):  # type: ignore[type-arg]
    """Counts to 10,000 at the most: the exact number of a log with millions of rows is not worth reading all of them."""

    @cached_property
    def count(self) -> int:
        return int(self.object_list.order_by()[:COUNTED].count())  # type: ignore[attr-defined]


class ReadOnlyAdmin(ToldFilters):
    """Rows that the hub writes: to be looked at, never added, changed or deleted by hand."""

    nothing_yet: str | Promise = ""
    """What the list says while it has no row at all."""
    paginator = BoundedPaginator
    show_full_result_count = False
    list_per_page = 25
    list_disable_select_all = True
    # Only what is on the page can be selected; a column of sorting arrows would invite to sort millions of rows.
    sortable_by = ()

    @display(description=gettext_lazy("Cause"))
    def shown_cause(self, row: Any) -> str:
        return status.cause(row.cause)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False


def status_badge(look: str, symbol: str, text: str, title: str = "") -> SafeString:
    """A status as the dashboard shows it: an icon and a word."""
    return format_html(
        '<span class="hub-status hub-is-{}" title="{}"><span class="material-symbols-outlined" aria-hidden="true">{}</span>{}</span>',
        look, title, symbol, text,
    )  # fmt: skip


def moment(at: datetime) -> SafeString:
    """A moment as people say it, with the exact one on hover."""
    return status.time_element(at)


def link(text: str, view: str, key: int) -> SafeString:
    """A link to the admin's page of a row."""
    return format_html('<a class="hub-link" href="{}">{}</a>', reverse(f"admin:{view}", args=[key]), text)


def site_choices() -> list[tuple[str, str]]:
    """The sites for a filter, by key."""
    return [(str(site.pk), str(site)) for site in ConnectedSite.objects.only("name", "display_name")]
