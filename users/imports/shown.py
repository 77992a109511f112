"""An import's preview and result in words, as its page prints them."""

from dataclasses import dataclass

from django.core.paginator import Page, Paginator
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from ssodash.csv_file import unguarded
from users.history import grouped
from users.imports import lines, preview, write
from users.models import UserProfile
from users.uploads import UserImport, UserImportRow

ROWS_A_PAGE = 100
LOOKS = {
    "create": ("success", "person_add"),
    "change": ("change", "edit"),
    "unchanged": ("none", "remove"),
    "error": ("failed", "error"),
}
WORDS = {
    "create": gettext_lazy("Create"),
    "change": gettext_lazy("Change"),
    "unchanged": gettext_lazy("Unchanged"),
    "error": gettext_lazy("Error"),
    "created": gettext_lazy("Created"),
    "changed": gettext_lazy("Changed"),
}


@dataclass(frozen=True)
class Tile:
    """How many rows do one thing, and where to see only those."""

    show: str
    label: str
    number: str
    look: str
    symbol: str
    is_shown: bool


@dataclass(frozen=True)
class ShownRow:
    """A row of the preview as the page prints it."""

    row: UserImportRow
    look: str
    symbol: str
    word: str
    details: list[str]
    user_key: int | None = None


def tiles(counts: preview.Counts, show: str) -> list[Tile]:
    """How many lines do what; `show` is the one that is asked for, all of them where that is none."""
    numbers = [
        ("", gettext_lazy("All lines"), counts.total, "none", "list"),
        ("create", gettext_lazy("To create"), counts.create, *LOOKS["create"]),
        ("change", gettext_lazy("To change"), counts.change, *LOOKS["change"]),
        ("unchanged", gettext_lazy("Unchanged"), counts.unchanged, *LOOKS["unchanged"]),
        ("error", gettext_lazy("Errors"), counts.error, *LOOKS["error"]),
    ]
    if counts.created or counts.changed:
        numbers.append(("written", gettext_lazy("Imported"), counts.created + counts.changed, "success", "check_circle"))
    known = show if show in {key for key, *_rest in numbers} else ""
    return [Tile(key, str(label), grouped(number), look, symbol, key == known) for key, label, number, look, symbol in numbers]


def page(kept: UserImport, show: str, number: str) -> "Page[UserImportRow]":
    """A page of the lines of this kind."""
    rows = kept.rows.order_by("line")
    if show == "written":
        rows = rows.filter(written=True)
    elif show:
        rows = rows.filter(kind=show, written=False)
    return Paginator(rows, ROWS_A_PAGE).get_page(number)


def rows(rows: list[UserImportRow]) -> list[ShownRow]:
    """These rows in words, in one query."""
    known = [row.user_id for row in rows if row.kind in {"change", "unchanged"} or row.written]
    keys = dict(UserProfile.objects.filter(user_id__in=known).values_list("user_id", "pk"))
    return [_shown(row, keys.get(row.user_id)) for row in rows]


def _shown(row: UserImportRow, key: int | None) -> ShownRow:
    look, symbol = ("success", "check_circle") if row.written else LOOKS[row.kind]
    word = WORDS[f"{row.kind}d"] if row.written else WORDS[row.kind]
    details = [f"{field}: {text}" if field else text for field, text in row.problems]
    details += [f"{field}: {before or '–'} → {after or '–'}" for field, before, after in row.changes]
    if row.rechecked and not row.written:
        details.append(_("The directory changed since the first preview; this is how it compares now."))
    return ShownRow(row, look, symbol, str(word), details, key)


def error_line(row: UserImportRow) -> list[str]:
    """A line as it was written, its number, and what is wrong with it."""
    told = " ".join(f"{field}: {text}" if field else text for field, text in row.problems)
    return [*(unguarded(row.cells.get(name, "")) for name in lines.FIELDS), str(row.line), told]


def summary(counts: preview.Counts) -> str:
    """What the page is about, in a sentence or two."""
    if counts.rechecked:
        text = ngettext(
            "%(count)s line was not imported, because the directory changed after its preview. Below is what importing it does now.",
            "%(count)s lines were not imported, because the directory changed after their preview. Below is what importing them does now.",
            counts.rechecked,
        )
        return text % {"count": grouped(counts.rechecked)}
    if counts.created or counts.changed:
        return _("What could be imported was imported.") if not counts.waiting else ""
    if counts.waiting:
        return _("Nothing is written yet. Look at the lines, then import them.")
    return _("There is nothing to import: no line creates or changes a user.")


def came_of(written: write.Written, counts: preview.Counts) -> str:
    """What an import did."""
    parts = []
    if written.created:
        text = ngettext("%(count)s user created", "%(count)s users created", len(written.created))
        parts.append(text % {"count": grouped(len(written.created))})
    if written.changed:
        text = ngettext("%(count)s user changed", "%(count)s users changed", len(written.changed))
        parts.append(text % {"count": grouped(len(written.changed))})
    if counts.unchanged:
        parts.append(ngettext("%(count)s unchanged", "%(count)s unchanged", counts.unchanged) % {"count": grouped(counts.unchanged)})
    if counts.error:
        text = ngettext("%(count)s line left out with an error", "%(count)s lines left out with errors", counts.error)
        parts.append(text % {"count": grouped(counts.error)})
    said = f"{', '.join(parts)}." if parts else ""
    return said if written.number else " ".join([_("Nothing was written."), said]).strip()


def left(number: int) -> str:
    """That so many lines were not imported, and what to do."""
    text = ngettext(
        "%(count)s line was not imported: the directory changed after its preview. Look at it below, and import it again.",
        "%(count)s lines were not imported: the directory changed after their preview. Look at them below, and import them again.",
        number,
    )
    return text % {"count": grouped(number)}
