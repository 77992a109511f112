"""Changes that Django makes are pushed as soon as their transaction commits."""

import logging
import time
from typing import Any

from django.conf import settings
from django.db import connections, transaction
from django.db.models.signals import post_delete, post_save
from django.dispatch import receiver

from sites.models import ConnectedSite
from sync.context import Origin, origin
from sync.deliver.push import push
from sync.fanout import fan_out
from users.models import UserProfile

logger = logging.getLogger(__name__)


class Batch:
    """The users that one transaction changed. Pushed together, once, after the commit."""

    def __init__(self, using: str, who: Origin) -> None:
        self.using = using
        self.who = who
        self.user_ids: dict[str, None] = {}
        self.savepoints: set[tuple[Any, ...]] = set()
        self.pushed = False

    def add(self, user_id: str) -> None:
        self.user_ids[user_id] = None
        connection = connections[self.using]
        # A savepoint that is rolled back takes its callbacks along, so each one needs its own.
        savepoints = tuple(connection.savepoint_ids)
        if savepoints not in self.savepoints or not connection.in_atomic_block:
            self.savepoints.add(savepoints)
            transaction.on_commit(self.run, using=self.using, robust=True)

    def waits_on(self, connection: Any) -> bool:
        return any(function == self.run for _, function, _ in reversed(connection.run_on_commit))

    def run(self) -> None:
        if self.pushed:
            return
        self.pushed = True
        push_changes(list(self.user_ids), self.who)


def push_changes(user_ids: list[str], who: Origin) -> None:
    """Fans out and pushes these users now, within the push deadline. What is too much, or not done by then, is the worker's."""
    sites = ConnectedSite.objects.filter(is_active=True).count()
    if not sites or len(user_ids) * sites > settings.SYNC_PUSH_MAX:
        return
    ends = time.monotonic() + settings.SYNC_PUSH_DEADLINE
    fan_out(user_ids=user_ids, cause=who.cause, actor=who.actor)
    push(user_ids, ends=ends)


@receiver([post_save, post_delete], sender=UserProfile, dispatch_uid="sync-push")
def remember(sender: type[UserProfile], instance: UserProfile, using: str, raw: bool = False, **_: Any) -> None:
    """Puts the user into its transaction's batch."""
    if raw or settings.SYNC_ON_SAVE != "push":
        return  # a queued change costs the writer nothing here: the trigger's NOTIFY wakes the worker
    connection = connections[using]
    batch: Batch | None = getattr(connection, "sync_batch", None)
    if batch is None or batch.pushed or not batch.waits_on(connection):
        batch = Batch(using, origin())
        connection.sync_batch = batch  # type: ignore[attr-defined]
    batch.add(instance.user_id)
