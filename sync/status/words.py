"""Moments and numbers in words that a person reads at a glance, in the reader's language."""

from collections.abc import Callable
from datetime import datetime, timedelta

from django.utils import timezone
from django.utils.formats import number_format
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext, pgettext, pgettext_lazy

CAUSES: dict[str, str | Promise] = {
    "save": pgettext_lazy("cause", "Save"),
    "change": pgettext_lazy("cause", "Change"),
    "api": gettext_lazy("API"),
    "cli": gettext_lazy("Command line"),
    "admin": gettext_lazy("Sent by hand"),
    "sync_all": gettext_lazy("Sync All"),
    "retry": pgettext_lazy("cause", "Retry"),
    "probe": pgettext_lazy("cause", "Probe"),
    "sql": gettext_lazy("SQL console"),
    "reconcile": pgettext_lazy("cause", "Reconcile"),
    "removal": gettext_lazy("Email freed by a removal"),
}

_COUNTED: dict[tuple[str, str], Callable[[int], str]] = {
    ("site", "sites"): lambda n: ngettext("%(count)s site", "%(count)s sites", n),
    ("more site", "more sites"): lambda n: ngettext("%(count)s more site", "%(count)s more sites", n),
    ("user", "users"): lambda n: ngettext("%(count)s user", "%(count)s users", n),
    ("user waits", "users wait"): lambda n: ngettext("%(count)s user waits", "%(count)s users wait", n),
    ("try", "tries"): lambda n: ngettext("%(count)s try", "%(count)s tries", n),
    ("delivery", "deliveries"): lambda n: ngettext("%(count)s delivery", "%(count)s deliveries", n),
}
"""What `count` can say in every language."""


def cause(word: str) -> str:
    """Why something was sent, as people say it; one that is not known is shown as it is, for the log may be older than this list."""
    return str(CAUSES.get(word, word.replace("_", " ").capitalize()))


def number(value: int) -> str:
    """`1,200` in English, `1.200` in German."""
    # Django asks for the language's format each time; pages say hundreds of small numbers.
    return str(value) if -1000 < value < 1000 else number_format(value, force_grouping=True)


def exact(moment: datetime) -> str:
    """`2026-11-22 21:42:07 CET`: to the second, in the reader's time zone. What stands on hover beside `ago` and `until`."""
    return f"{timezone.localtime(moment):%Y-%m-%d %H:%M:%S %Z}"


def ago(moment: datetime | None, now: datetime | None = None) -> str:
    """`just now`, `5 min ago`, `3 days ago`; `never` for None."""
    if moment is None:
        return pgettext("moment", "never")
    passed = (now or timezone.now()) - moment
    if passed < timedelta(seconds=45):
        return pgettext("moment", "just now")
    return _in_unit(
        passed,
        lambda n: ngettext("%(count)s min ago", "%(count)s min ago", n),
        lambda n: ngettext("%(count)s h ago", "%(count)s h ago", n),
        lambda n: ngettext("%(count)s day ago", "%(count)s days ago", n),
    )


def until(moment: datetime | None, now: datetime | None = None) -> str:
    """`now`, `in a few seconds`, `in 5 min`; empty for None. A moment that is past is `now`: it is due."""
    if moment is None:
        return ""
    left = moment - (now or timezone.now())
    if left <= timedelta(seconds=1):
        return pgettext("moment", "now")
    if left < timedelta(seconds=15):
        return _("in a few seconds")
    if left < timedelta(seconds=45):
        return _("in less than a minute")
    return _in_unit(
        left,
        lambda n: ngettext("in %(count)s min", "in %(count)s min", n),
        lambda n: ngettext("in %(count)s h", "in %(count)s h", n),
        lambda n: ngettext("in %(count)s day", "in %(count)s days", n),
    )


def moment_in_words(moment: datetime, now: datetime | None = None) -> str:
    """`5 min ago` for what was, `in 5 min` for what will be."""
    now = now or timezone.now()
    return until(moment, now) if moment > now else ago(moment, now)


def span(length: timedelta) -> str:
    """A length of time in its largest fitting unit: `1 min`, `3 h`, `2 days`."""
    return _in_unit(
        length,
        lambda n: ngettext("%(count)s min", "%(count)s min", n),
        lambda n: ngettext("%(count)s h", "%(count)s h", n),
        lambda n: ngettext("%(count)s day", "%(count)s days", n),
    )


def _in_unit(length: timedelta, minutes: Callable[[int], str], hours: Callable[[int], str], days: Callable[[int], str]) -> str:
    count = max(1, round(length.total_seconds() / 60))
    said = minutes
    if count >= 90:
        count, said = round(count / 60), hours
        if count >= 36:
            count, said = round(count / 24), days
    return said(count) % {"count": number(count)}


def count(number_: int, one: str, many: str = "") -> str:
    """`1 site`, `3 sites`, `1,200 sites`."""
    many = many or f"{one}s"
    said = _COUNTED.get((one, many))
    if said is None:
        said = lambda n: f"%(count)s {one if n == 1 else many}"  # noqa: E731
    return said(number_) % {"count": number(number_)}


def listed(names: list[str], at_most: int = 4, *, of: int | None = None) -> str:
    """`HRMS`, `HRMS and CMS`, `HRMS, CMS, Sales, Garage and 3 more`. `of`: how many there are, if `names` are only the first of them."""
    more = (len(names) if of is None else of) - at_most
    if more > 0:
        return ngettext("%(names)s and %(count)s more", "%(names)s and %(count)s more", more) % {
            "names": ", ".join(names[:at_most]),
            "count": number(more),
        }
    if len(names) > 1:
        return pgettext("list of names", "%(names)s and %(last)s") % {"names": ", ".join(names[:-1]), "last": names[-1]}
    return names[0] if names else ""
