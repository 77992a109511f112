"""Where users stand at sites."""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db import connection
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from sync.models import SiteHealth
from sync.status import queries, words
from sync.status.waits import Wait, wait_of

LABELS: dict[str, str | Promise] = {
    "pending": gettext_lazy("Pending"),
    "in_progress": gettext_lazy("In progress"),
    "success": gettext_lazy("In sync"),
    "failed": gettext_lazy("Failed"),
}
SYMBOLS = {
    "pending": "schedule",
    "in_progress": "progress_activity",
    "success": "check_circle",
    "warning": "warning",
    "failed": "error",
    "removed": "person_off",
    "none": "remove",
}
WORST = ("failed", "pending", "in_progress", "success")
TOLD = 4
"""Sites that are told one by one, of those that are not in sync."""


@dataclass(frozen=True)
class SiteStatus:
    """Where one user stands at one site."""

    site_name: str
    display_name: str
    status: str
    last_synced_at: datetime | None
    attempts: int
    next_attempt_at: datetime | None
    error_message: str | None
    in_scope: bool
    wanted_action: str
    site_id: int
    wait: Wait | None = None
    """Why the hub waits with the whole site, where this user is pending."""
    last_error: str = ""
    """What the last try came to. `error_message` is why the user is not in sync now, which may be the site's pause."""
    site_active: bool = True
    """Removals that are owed about users who are gone are shown at inactive sites too."""

    @property
    def label(self) -> str:
        """The status in a word or two; a settled removal is not called in sync."""
        if self.status == "success" and not self.in_scope:
            return _("Removed") if self.last_synced_at else _("Not needed")
        if self.status == "pending" and self.wanted_action == "delete":
            return _("Removal pending")
        if self.status == "failed" and self.wanted_action == "delete":
            return _("Removal failed")
        return str(LABELS[self.status])

    @property
    def look(self) -> str:
        """The status's name for styles and icons: pending, in_progress, success, warning, failed, removed or none."""
        if self.status == "success" and not self.in_scope:
            return "removed" if self.last_synced_at else "none"
        return "warning" if self.status == "success" and self.error_message else self.status

    @property
    def symbol(self) -> str:
        """The icon beside the label, a Material Symbol."""
        return SYMBOLS[self.look]

    @property
    def needs_attention(self) -> bool:
        """Whether there is more to know than that all is well."""
        return self.look in {"pending", "in_progress", "warning", "failed"}

    @property
    def next_words(self) -> str:
        """When it is tried again, if it waits."""
        return words.until(self.next_attempt_at) if self.status == "pending" and self.site_active else ""

    @property
    def is_paused(self) -> bool:
        """Whether a person has it wait."""
        return self.wait is not None and self.wait.kind == "paused"

    @property
    def details(self) -> list[str]:
        """What there is to say beyond the label, a sentence each: why, how often, when next, when it last worked."""
        said = [f"{self.error_message.rstrip('.')}."] if self.error_message else []
        if self.last_error and self.last_error != self.error_message:
            said.append(_("Before: %(error)s.") % {"error": self.last_error.rstrip(".")})
        if self.status == "pending" and not self.site_active:
            said.append(_("Sent when the site is active again."))
        elif self.is_paused:
            said.append(_("Sent when the site is resumed."))
        elif self.wait and self.wait.kind == "quarantined":
            said.append(_("The site is quarantined."))
        if self.status == "failed":
            said.append(_("Not tried again until the user or the site changes, or someone sends it again."))
        if self.status in {"pending", "failed"} and self.attempts:
            said.append(_("%(tries)s so far.") % {"tries": words.count(self.attempts, "try", "tries")})
        if self.next_words:
            said.append(_("Next try %(when)s.") % {"when": self.next_words})
        if self.look == "none":
            said.append(_("This user does not belong to this site, and was never sent to it."))
        elif self.last_synced_at:
            said.append(_("Last delivered %(when)s.") % {"when": words.ago(self.last_synced_at)})
        elif self.status in {"pending", "failed"}:
            said.append(_("Never delivered yet."))
        return said


@dataclass(frozen=True)
class UserStatus:
    """Where one user stands everywhere. `status` is the worst of the sites': failed, then pending, in_progress, success.

    `sites` are all that concern the user; read for a list, the first few of each look, and `counts` says how many of each there are.
    """

    user_id: str
    email: str
    full_name: str
    status: str
    sites: list[SiteStatus] = field(default_factory=list)
    counts: Mapping[str, int] = field(default_factory=dict)

    @property
    def looks(self) -> Mapping[str, int]:
        """How many sites there are of each look."""
        return self.counts or Counter(site.look for site in self.sites)


def of_users(user_ids: Sequence[str]) -> dict[str, UserStatus]:
    """The status of these users, by public id, in one query. A user who is gone is there while a removal is unsettled."""
    return _read(queries.OF_USERS, [list(set(user_ids))])


def of_list(user_ids: Sequence[str], sites: Collection[int] = ()) -> dict[str, UserStatus]:
    """As `of_users`, for `in_short` and `sentence`, at a cost that does not grow by what a person would not read: of each look the first
    few sites only, and how many there are. All of these `sites`."""
    return _read(queries.IN_A_LIST, [list(set(user_ids)), TOLD, list(sites)])


def of_pairs(pairs: Sequence[tuple[str, int]]) -> dict[str, UserStatus]:
    """The status of these users at these sites only (public id and site's key), by public id, in one query."""
    asked = sorted(set(pairs))
    return _read(queries.OF_PAIRS, [[user_id for user_id, _ in asked], [site_id for _, site_id in asked]])


def _read(query: str, parameters: list[Any]) -> dict[str, UserStatus]:
    with connection.cursor() as cursor:
        cursor.execute(query, parameters)
        rows = cursor.fetchall()
    now = timezone.now()
    people: dict[str, tuple[str, str]] = {}
    sites: dict[str, list[SiteStatus]] = {}
    waits: dict[int, Wait | None] = {}
    counts: dict[str, dict[str, int]] = {}
    for row in rows:
        user_id, email, full_name = row[:3]
        site_id = row[queries.OF_HEALTH - 2]
        if site_id not in waits:
            waits[site_id] = _wait(row[queries.OF_HEALTH : queries.BEHIND_HEALTH], now)
        if len(row) > queries.BEHIND_HEALTH:
            look, alike = row[queries.BEHIND_HEALTH :]
            counts.setdefault(user_id, {})[look] = alike
        people[user_id] = (email, full_name)
        sites.setdefault(user_id, []).append(_site(row[3 : queries.OF_HEALTH], waits[site_id]))
    found = {}
    for user_id, (email, full_name) in people.items():
        at = sites[user_id]
        found[user_id] = UserStatus(user_id, email, full_name, worst(site.status for site in at), at, counts.get(user_id, {}))
    return found


def _wait(columns: Sequence[Any], now: datetime) -> Wait | None:
    names = (
        "paused_at", "paused_by", "pause_reason", "quarantined_at", "quarantine_reason", "next_probe_at", "throttled_until", "last_error",
    )  # fmt: skip
    health = dict(zip(names, columns, strict=True))
    if not (health["paused_at"] or health["quarantined_at"] or health["throttled_until"]):
        return None
    return wait_of(SiteHealth(**health), now)


def _site(columns: Sequence[Any], wait: Wait | None) -> SiteStatus:
    name, display, state, synced, tries, next_try, error, in_scope, action, site_id, active = columns
    wait = wait if state == "pending" else None
    reason = error
    if wait and wait.kind == "paused":
        reason = wait.sentence.rstrip(".")
    elif wait and not error:
        # Never tried since the site was quarantined, or asked for a wait: the site's trouble is the reason.
        reason = wait.reason or None
    return SiteStatus(name, display or name, state, synced, tries, next_try, reason, in_scope, action, site_id, wait, error or "", active)


def of_user(user_id: str) -> UserStatus | None:
    """The status of one user; None when nobody of that id is known, or no site is active."""
    return of_users([user_id]).get(user_id)


def worst(states: Any) -> str:
    """The status that needs attention most; `success` of none."""
    present = set(states)
    return next((state for state in WORST if state in present), "success")


def in_short(state: UserStatus) -> tuple[str, str, str]:
    """A user's worst status in a list: its look, its icon, and it in words, with the site where it is a single one."""
    looks = state.looks
    if state.status == "success":
        look = next(each for each in ("warning", "success", "removed", "none") if each in looks or each == "none")
        text = {"removed": _("Removed"), "none": _("No site needed")}.get(look, str(LABELS["success"]))
        return look, SYMBOLS[look], text
    at, number = next(site for site in state.sites if site.status == state.status), looks[state.status]
    where = at.display_name if number == 1 else words.count(number, "site")
    label = at.label if number == 1 else LABELS[state.status]
    return state.status, SYMBOLS[state.status], _("%(status)s at %(where)s") % {"status": label, "where": where}


def sentence(state: UserStatus | None) -> str:
    """Where a user stands, for a message: what is done, and what is not, why, and when next."""
    if state is None or not state.sites:
        return _("No site is active, so nobody is sent anywhere. Connect a site first.")
    concerned = sum(number for look, number in state.looks.items() if look != "none")
    if not concerned:
        return _("This user belongs to no active site (inactive, or in no site's roles), so there is nothing to send.")
    told = [_done(state, concerned)]
    told += [_open(site) for site in state.sites if site.status != "success"][:TOLD]
    if sum(state.looks.get(look, 0) for look in WORST if look != "success") > TOLD:
        told.append(_("More on the user's page."))
    told += [f"{site.display_name}: {site.error_message}." for site in state.sites if site.look == "warning"][:2]
    return " ".join(filter(None, told))


def _done(state: UserStatus, concerned: int) -> str:
    looks = state.looks
    present, removed = looks.get("success", 0) + looks.get("warning", 0), looks.get("removed", 0)
    parts = []
    if present:
        parts.append(_("In sync at %(count)s of %(sites)s") % {"count": present, "sites": words.count(concerned, "site")})
    if removed and present:
        names = [site.display_name for site in state.sites if site.look == "removed"]
        parts.append(_("removed from %(sites)s") % {"sites": words.listed(names, TOLD, of=removed)})
    elif removed:
        parts.append(_("Removed from %(count)s of %(sites)s") % {"count": removed, "sites": words.count(concerned, "site")})
    return f"{'; '.join(parts)}." if parts else ""


def _open(site: SiteStatus) -> str:
    text = _("%(status)s at %(where)s") % {"status": site.label, "where": site.display_name}
    if site.status == "pending" and not site.site_active:
        later = _("sent when the site is active again")
        return f"{text}; {later}."
    if site.wait and site.is_paused:
        return f"{text}: {site.wait.phrase}; {site.wait.then}."
    if site.error_message:
        text += f": {site.error_message.rstrip('.')}"
    if site.next_words:
        tried = site.attempts or site.error_message
        text += "; " + (_("next try %(when)s") % {"when": site.next_words} if tried else _("the worker sends it"))
    elif site.status == "failed":
        text += "; " + _("not tried again by itself")
    return f"{text}."
