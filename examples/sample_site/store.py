"""The users this site holds, and the rules by which a message changes them.

Four rules make at-least-once, unordered delivery safe:
1. a message id that is known is not applied again;
2. a lower version than the one held is ignored, also after a removal (its version is kept);
3. an equal version under a new message id is applied: the hub resends on purpose;
4. users are known by `id`, so a changed email renames the user instead of adding a second one.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from .journal import CorruptJournal, Journal

KNOWN_IDS = 10_000
REWRITE_AFTER_LINES = 50_000
SHOW_REMOVED_FOR = 600.0  # seconds


class Closing(Exception):
    """The site is stopping: nothing more is accepted."""


@dataclass(frozen=True, slots=True)
class Change:
    """One user as a message describes it."""

    id: str
    version: int
    removal: bool
    email: str = ""
    full_name: str = ""
    role: str = ""
    is_active: bool = True
    updated_at: str = ""


@dataclass(frozen=True, slots=True)
class HeldUser:
    """A user as this site holds it; with `removed_at` set only the version still counts."""

    id: str
    version: int
    email: str
    full_name: str
    role: str
    is_active: bool
    updated_at: str
    received_at: float
    removed_at: float | None = None


@dataclass(frozen=True, slots=True)
class Holding:
    """What the page and `/users.json` show. `users` and `removed` are newest first."""

    users: list[HeldUser]
    removed: list[HeldUser]


class Store:
    """Thread-safe; every change is in the data file before `receive` returns.

    `notice` says whether the data file had to be moved aside at start, and why ("" where all was well).
    Raises OSError where the data file cannot be read or written.
    """

    def __init__(self, path: Path, clock: Callable[[], float] = time.time) -> None:
        self.notice = ""
        self._clock = clock
        self._lock = threading.Lock()
        self._closed = False
        self._journal = Journal(path)
        self._users: dict[str, HeldUser] = {}
        self._claims: dict[str, set[str]] = {}  # email in lower case → ids of the users that were sent with it
        self._known: OrderedDict[str, None] = OrderedDict()
        self._load()

    def receive(self, message_id: str, changes: Sequence[Change], remember: bool = True) -> list[str]:
        """Apply one message; returns an outcome per change: created, updated, removed, not held, older or known.

        `remember=False` leaves the message id unknown, for a message of which a part was refused: the versions keep
        a second delivery of it harmless. Raises Closing, and OSError where it cannot be kept (nothing is applied then).
        """
        with self._lock:
            if self._closed:
                raise Closing
            if message_id in self._known:
                self._known.move_to_end(message_id)
                return ["known"] * len(changes)
            staged: dict[str, HeldUser] = {}
            outcomes = []
            for change in changes:
                held = staged.get(change.id) or self._users.get(change.id)
                outcome, user = _decide(held, change, self._clock())
                outcomes.append(outcome)
                if user is not None:
                    staged[user.id] = user
            known = [message_id] if remember else []
            self._journal.append({"known": known, "users": [asdict(user) for user in staged.values()]})
            self._apply(staged.values(), known)
            if self._journal.lines >= REWRITE_AFTER_LINES:
                with contextlib.suppress(OSError):  # the longer file is as good; the next message tries again
                    self._rewrite()
            return outcomes

    def holding(self) -> Holding:
        """A copy of what is held now, and of what was removed in the last ten minutes."""
        with self._lock:
            since = self._clock() - SHOW_REMOVED_FOR
            users = [self._as_seen(user) for user in self._users.values() if user.removed_at is None]
            removed = [u for u in self._users.values() if u.removed_at is not None and u.removed_at > since and (u.email or u.full_name)]
        users.sort(key=lambda user: user.received_at, reverse=True)
        removed.sort(key=lambda user: user.removed_at or 0, reverse=True)
        return Holding(users, removed)

    def close(self) -> None:
        """Refuse every later message. Nothing has to be flushed."""
        with self._lock:
            self._closed = True
            self._journal.close()

    def _as_seen(self, user: HeldUser) -> HeldUser:
        # Messages come in any order, so for a moment two users may have been sent with one email. The newer version
        # has it and the other shows none. Deciding this when looking, not when storing, gives the same end whatever
        # the order, and gives the email back should the newer user leave it.
        rivals = self._claims.get(user.email.lower(), set())
        if any(self._users[other].version > user.version for other in rivals if other != user.id):
            return replace(user, email="")
        return user

    def _apply(self, users: Any, known: list[str]) -> None:
        for user in users:
            before = self._users.get(user.id)
            if before is not None:
                self._claims.get(before.email.lower(), set()).discard(user.id)
                if not self._claims.get(before.email.lower(), True):
                    del self._claims[before.email.lower()]
            if user.removed_at is None:
                self._claims.setdefault(user.email.lower(), set()).add(user.id)
            self._users[user.id] = user
        for message_id in known:
            self._known[message_id] = None
        while len(self._known) > KNOWN_IDS:
            self._known.popitem(last=False)

    def _load(self) -> None:
        try:
            for line in self._journal.read():
                self._apply([HeldUser(**user) for user in line["users"]], line["known"])
        except (CorruptJournal, TypeError, KeyError, AttributeError) as error:
            self._users, self._claims, self._known = {}, {}, OrderedDict()
            why = error if isinstance(error, CorruptJournal) else "a line lacks what it should hold"
            aside = self._journal.move_aside()
            self.notice = f"The data file {self._journal.path} cannot be used: {why}. It was moved to {aside}; starting empty."
        self._rewrite()

    def _rewrite(self) -> None:
        since = self._clock() - SHOW_REMOVED_FOR
        for user in self._users.values():
            if user.removed_at is not None and user.removed_at <= since:  # of who has left, only the version is kept
                self._users[user.id] = replace(user, email="", full_name="", role="", updated_at="")
        self._journal.rewrite({"known": list(self._known), "users": [asdict(user) for user in self._users.values()]})


def _decide(held: HeldUser | None, change: Change, now: float) -> tuple[str, HeldUser | None]:
    if held is not None and change.version < held.version:
        return "older", None
    if not change.removal:
        values = (change.email, change.full_name, change.role, change.is_active, change.updated_at)
        return "updated" if held and held.removed_at is None else "created", HeldUser(change.id, change.version, *values, received_at=now)
    if held is None or held.removed_at is not None:
        # Remembered all the same: an upsert with a lower version may still be under way.
        tombstone = held or HeldUser(change.id, change.version, "", "", "", False, "", received_at=now, removed_at=now)
        return "not held", replace(tombstone, version=change.version)
    return "removed", replace(held, version=change.version, received_at=now, removed_at=now)
