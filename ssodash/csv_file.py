"""CSV files that are sent while they are being read, and that no spreadsheet calculates with."""

import csv
from collections.abc import Iterable, Iterator, Sequence

from django.http import StreamingHttpResponse

FORMULA = ("=", "+", "-", "@", "\t", "\r")
BOM = "\ufeff"
AT_A_TIME = 64 * 1024


class _Echo:
    """csv writes to it, and gets back what it wrote."""

    def write(self, text: str) -> str:
        return text


def guarded(text: str) -> str:
    """With an apostrophe before what a spreadsheet would take for a formula (https://owasp.org/www-community/attacks/CSV_Injection)."""
    return f"'{text}" if text.lstrip("'").startswith(FORMULA) else text


def unguarded(text: str) -> str:
    """What `guarded` was given."""
    return text[1:] if text.startswith("'") and text.lstrip("'").startswith(FORMULA) else text


def response(file_name: str, header: Sequence[str], rows: Iterable[Sequence[str]]) -> StreamingHttpResponse:
    """The rows as a file to download, written as they come. It begins with a byte order mark, without which Excel garbles names."""
    answer = StreamingHttpResponse(_encoded(header, rows), content_type="text/csv; charset=utf-8")
    answer["Content-Disposition"] = f'attachment; filename="{file_name}"'
    answer["Cache-Control"] = "no-store"
    return answer


def _encoded(header: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[bytes]:
    write = csv.writer(_Echo()).writerow
    waiting = [BOM, str(write(header))]
    size = 0
    for row in rows:
        line = str(write([guarded(cell) for cell in row]))
        waiting.append(line)
        size += len(line)
        if size > AT_A_TIME:
            yield "".join(waiting).encode()
            waiting, size = [], 0
    yield "".join(waiting).encode()
