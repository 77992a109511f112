"""Reads a CSV or XLSX file into lines of text, whichever program wrote it. Pure: no model, and nothing but the bytes it is given.

What a file can cost is bounded before it is read: its size, what it unpacks to, its rows and its columns.
"""

import csv
import io
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from django.utils.translation import gettext as _

MAX_BYTES = 10 * 1024 * 1024
MAX_UNPACKED = 60 * 1024 * 1024
"""What all parts of a workbook may come to. 50,000 users are about 15 MB."""
MAX_PARTS = 500
MAX_ROWS = 50_000
MAX_COLUMNS = 100

UTF_16 = (b"\xff\xfe", b"\xfe\xff")
ZIP = b"PK\x03\x04"
OLE = b"\xd0\xcf\x11\xe0"
"""How .xls begins, and .xlsx with a password."""


class Unreadable(ValueError):
    """The file cannot be used at all. Its text tells a person why, and what to do."""


@dataclass(frozen=True)
class Sheet:
    """A file's header, and its lines with the numbers that an editor or a spreadsheet shows beside them. Blank lines are left out."""

    header: list[str]
    lines: list[tuple[int, list[str]]]
    notes: list[str] = field(default_factory=list)
    """What the person should know of how it was read."""


def read(data: bytes) -> Sheet:
    """The file's content, by what it is and not by what it is called. Raises Unreadable."""
    if len(data) > MAX_BYTES:
        raise Unreadable(_("The file is larger than %(limit)s MB. Split it into several files.") % {"limit": MAX_BYTES // 1024 // 1024})
    if data.startswith(OLE):
        raise Unreadable(_("This is an old Excel file (.xls), or one with a password. Save it as .xlsx without a password, or as CSV."))
    return _workbook(data) if data.startswith(ZIP) else _text(data)


def _collected(rows: Iterator[tuple[int, list[str]]], notes: list[str]) -> Sheet:
    header: list[str] | None = None
    lines: list[tuple[int, list[str]]] = []
    for number, cells in rows:
        while cells and not cells[-1].strip():
            cells.pop()
        if not cells:
            continue
        if header is None:
            if len(cells) > MAX_COLUMNS:
                raise Unreadable(_("The header has more than %(limit)s columns. Keep those that are imported.") % {"limit": MAX_COLUMNS})
            header = cells
            continue
        if len(lines) == MAX_ROWS:
            raise Unreadable(_("The file has more than %(limit)s rows. Split it into several files.") % {"limit": f"{MAX_ROWS:,}"})
        lines.append((number, cells))
    if header is None:
        raise Unreadable(_("The file is empty. Its first line names the columns, the lines below are users."))
    if not lines:
        raise Unreadable(_("The file has a header and no user below it. Add a line for each user."))
    return Sheet(header, lines, notes)


# --- CSV ---------------------------------------------------------------------------------------------------------------


def _text(data: bytes) -> Sheet:
    notes: list[str] = []
    text = _decoded(data, notes)
    if "\0" in text:
        raise Unreadable(_("This is neither CSV nor XLSX. Save the table as “CSV UTF-8” or as an Excel workbook (.xlsx)."))
    first, _end, rest = text.partition("\n")
    skipped = 0
    if first.strip().lower().startswith("sep=") and len(first.strip()) == 5:
        # Excel's own way to name the separator.
        separator, text, skipped = first.strip()[4], rest, 1
    else:
        separator = _separator(text)
    return _collected(_records(text, separator, skipped), notes)


def _decoded(data: bytes, notes: list[str]) -> str:
    try:
        if data.startswith(UTF_16):
            return data.decode("utf-16")
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        if error.encoding.startswith("utf-16"):
            raise Unreadable(_("The file is cut short, or not text. Save it anew as “CSV UTF-8”.")) from None
    notes.append(_("The file is not UTF-8: it was read as Western European (Windows-1252). Check the names with accents below."))
    try:
        return data.decode("cp1252")
    except UnicodeDecodeError:
        return data.decode("latin-1")


def _separator(text: str) -> str:
    """What divides the header into the most cells."""
    return max(",;\t|", key=lambda separator: _cells_of_header(text, separator))


def _cells_of_header(text: str, separator: str) -> int:
    try:
        # Not strict: with the wrong separator, what is right looks like a quote within a cell.
        return next(len(cells) for cells in csv.reader(io.StringIO(text, newline=""), delimiter=separator) if any(map(str.strip, cells)))
    except (csv.Error, StopIteration):
        return 0


def _records(text: str, separator: str, skipped: int) -> Iterator[tuple[int, list[str]]]:
    for number, cells in _rows(text, separator):
        yield number + skipped, cells


def _rows(text: str, separator: str) -> Iterator[tuple[int, list[str]]]:
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    while True:
        begins = reader.line_num + 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error:
            raise Unreadable(
                _("Line %(line)s is not valid CSV: a quote is not closed, or stands inside a cell. Write it twice there.")
                % {"line": begins}
            ) from None
        if any(cell.strip() for cell in cells):
            yield begins, cells


# --- XLSX --------------------------------------------------------------------------------------------------------------


def _workbook(data: bytes) -> Sheet:
    _check_size(data)
    notes: list[str] = []
    try:
        rows, suspects = _first_sheet(data, notes)
        if suspects:
            _fill_in(data, rows, suspects)
    except Unreadable:
        raise
    except Exception as error:  # openpyxl lets through whatever its parsers raise, and these raise anything
        raise Unreadable(_("The workbook is damaged. Open it, save it anew as .xlsx or as CSV, and choose that file.")) from error
    return _collected(iter(rows), notes)


def _check_size(data: bytes) -> None:
    """Before anything is unpacked. zipfile never unpacks more of a part than the part says here."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            parts = archive.infolist()
    except zipfile.BadZipFile:
        raise Unreadable(_("The workbook is damaged. Open it, save it anew as .xlsx or as CSV, and choose that file.")) from None
    if len(parts) > MAX_PARTS or sum(part.file_size for part in parts) > MAX_UNPACKED:
        raise Unreadable(_("The workbook unpacks to more than an import may read. Save only the sheet with the users, or save it as CSV."))
    if "xl/workbook.xml" not in {part.filename for part in parts}:
        raise Unreadable(_("This is not an Excel workbook. Save the table as .xlsx or as CSV."))


def _opened(data: bytes, *, values: bool) -> Any:
    import openpyxl  # here, for it is a quarter of a second of every start

    return openpyxl.load_workbook(io.BytesIO(data), read_only=True, data_only=values, keep_links=False)


def _cells(book: Any, *, values: bool) -> Iterator[tuple[int, Any]]:
    # One more column than allowed, so that too many are noticed; the dimensions that the sheet states may be anything.
    sheet = book.worksheets[0]
    return enumerate(sheet.iter_rows(min_row=1, max_row=2 * MAX_ROWS, min_col=1, max_col=MAX_COLUMNS + 1, values_only=values), 1)


def _first_sheet(data: bytes, notes: list[str]) -> tuple[list[tuple[int, list[str]]], dict[int, int]]:
    """The rows that are not blank, and those that may hold a formula: line number and index into the rows."""
    book = _opened(data, values=False)
    try:
        if not book.worksheets:
            raise Unreadable(_("The workbook has no sheet with cells."))
        if len(book.worksheets) > 1:
            notes.append(
                _("The workbook has several sheets: only the first one, “%(name)s”, was read.") % {"name": book.worksheets[0].title}
            )
        rows: list[tuple[int, list[str]]] = []
        suspects: dict[int, int] = {}
        for number, row in _cells(book, values=True):
            end = len(row)
            while end and row[end - 1] is None:
                end -= 1
            cells = [_as_text(value) for value in row[:end]]
            if not any(cells):
                continue
            if any(text.startswith("=") for text in cells):
                suspects[number] = len(rows)
            rows.append((number, cells))
            if len(rows) > MAX_ROWS + 1:
                break
        return rows, suspects
    finally:
        book.close()


def _fill_in(data: bytes, rows: list[tuple[int, list[str]]], suspects: dict[int, int]) -> None:
    """Puts what formulas came to, when the workbook was last saved, in their place. One that came to nothing stays a formula."""
    last = max(suspects)
    with_formulas, with_results = _opened(data, values=False), _opened(data, values=True)
    try:
        # A text may begin as a formula does: only the cell itself tells.
        for (number, row), (_same, results) in zip(_cells(with_formulas, values=False), _cells(with_results, values=True), strict=False):
            if number in suspects:
                cells = rows[suspects[number]][1]
                for column in range(len(cells)):
                    text = _as_text(results[column]) if row[column].data_type == "f" else ""
                    cells[column] = text or cells[column]
            if number >= last:
                return
    finally:
        with_formulas.close()
        with_results.close()


def _as_text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return str(int(value))
    # Array formulas come as objects.
    return str(getattr(value, "text", None) or value)
