"""A moment as a page shows it."""

from datetime import datetime

from django.utils.html import format_html
from django.utils.safestring import SafeString

from sync.status import words


def time_element(moment: datetime) -> SafeString:
    """`5 min ago` or `in 5 min`, with the exact moment in the reader's time zone on hover, and for machines."""
    return format_html(
        '<time datetime="{}" title="{}">{}</time>',
        moment.isoformat(timespec="seconds"), words.exact(moment), words.moment_in_words(moment),
    )  # fmt: skip
