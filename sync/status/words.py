"""Moments in words that a person reads at a glance. The exact moment goes beside them, in a `<time>`."""

from datetime import datetime, timedelta

from django.utils import timezone

CAUSES = {
    "save": "Save",
    "change": "Change",
    "api": "API",
    "cli": "Command line",
    "admin": "Sent by hand",
    "sync_all": "Sync All",
    "retry": "Retry",
    "sql": "SQL console",
    "reconcile": "Reconcile",
    "removal": "Email freed by a removal",
}


def cause(word: str) -> str:
    """Why something was sent, as people say it; one that is not known is shown as it is, for the log may be older than this list."""
    return CAUSES.get(word, word.replace("_", " ").capitalize())


def ago(moment: datetime | None, now: datetime | None = None) -> str:
    """`just now`, `5 min ago`, `3 days ago`; `never` for None."""
    if moment is None:
        return "never"
    passed = (now or timezone.now()) - moment
    return "just now" if passed < timedelta(seconds=45) else f"{span(passed)} ago"


def until(moment: datetime | None, now: datetime | None = None) -> str:
    """`now`, `in a few seconds`, `in 5 min`; empty for None. A moment that is past is `now`: it is due."""
    if moment is None:
        return ""
    left = moment - (now or timezone.now())
    if left <= timedelta(seconds=1):
        return "now"
    if left < timedelta(seconds=15):
        return "in a few seconds"
    return "in less than a minute" if left < timedelta(seconds=45) else f"in {span(left)}"


def span(length: timedelta) -> str:
    """A length of time in its largest fitting unit: `1 min`, `3 h`, `2 days`."""
    minutes = max(1, round(length.total_seconds() / 60))
    if minutes < 90:
        return f"{minutes} min"
    hours = round(minutes / 60)
    if hours < 36:
        return f"{hours} h"
    days = round(hours / 24)
    return f"{days} days"


def count(number: int, one: str, many: str = "") -> str:
    """`1 site`, `3 sites`, `1,200 sites`."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def listed(names: list[str], at_most: int = 4) -> str:
    """`HRMS`, `HRMS and CMS`, `HRMS, CMS, Sales, Garage and 3 more`."""
    if len(names) > at_most:
        return f"{', '.join(names[:at_most])} and {len(names) - at_most} more"
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}" if names else ""
