"""The push: send what these users are owed now, from the calling process, to all sites at the same time, under one deadline."""

import logging
import os
import time
from collections.abc import Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import replace

from django.conf import settings

from sync.deliver.claim import Claim, claim
from sync.deliver.release import release
from sync.deliver.settle import Attempt, settle
from sync.deliver.shipments import Shipment, pack, refused_as_batch, unpack
from sync.deliver.targets import limited, open_slots
from sync.transport import FailureKind, HttpFailure, HttpResult, direct

logger = logging.getLogger(__name__)

WORTH_STARTING = 0.05
"""Seconds that must be left for a request to be started at all."""

GRACE = 0.15
"""Seconds that requests cut at the deadline get to report."""

_pool: tuple[int, ThreadPoolExecutor] | None = None


def _executor() -> ThreadPoolExecutor:
    """The process's push threads; a forked child makes its own."""
    global _pool
    if _pool is None or _pool[0] != os.getpid():
        _pool = (os.getpid(), ThreadPoolExecutor(settings.SYNC_PUSH_THREADS, thread_name_prefix="sync-push"))
    return _pool[1]


def push(user_ids: Sequence[str], *, ends: float) -> None:
    """Sends what is due for these users until nothing is left or `ends` (of `time.monotonic`) has come; the rest stays pending.

    Skips sites that are quarantined or asked to wait. Never waits longer than `ends`, and never raises for what a site does.
    """
    sizes: dict[int, int] = {}
    while ends - time.monotonic() > WORTH_STARTING:
        slots = [limited(slot, sizes) for slot in open_slots() if slot.free > 0 and not slot.probe]
        claims = claim(slots, user_ids=user_ids, within=ends - time.monotonic())
        if not claims:
            return
        _send(claims, ends, sizes)


def _send(claims: list[Claim], ends: float, sizes: dict[int, int]) -> None:
    packed = pack(claims, sizes)
    settle(packed.unsendable)
    release(packed.excess)
    waiting: dict[Future[HttpResult | None], Shipment] = {_executor().submit(_send_one, s, ends): s for s in packed.shipments}
    while waiting:
        done, _ = wait(waiting, timeout=max(0.0, ends - time.monotonic()), return_when=FIRST_COMPLETED)
        if not done:
            break
        # Answers that come close together are settled together.
        done, _ = wait(waiting, timeout=0.002)
        _settle({future: waiting.pop(future) for future in done}, sizes)
    for future in [future for future in waiting if future.cancel()]:
        release(waiting.pop(future).claims)
    if waiting:
        # Each request ends by itself at this moment: its own word on what happened is better than ours.
        done, _ = wait(waiting, timeout=GRACE)
        _settle({future: waiting.pop(future) for future in done}, sizes)
    for shipment in waiting.values():
        late = HttpFailure(FailureKind.TIMEOUT, "No complete answer within the push deadline", shipment.target.timeout)
        settle(unpack(shipment, late))


def _send_one(shipment: Shipment, ends: float) -> HttpResult | None:
    left = ends - time.monotonic()
    if left < WORTH_STARTING:
        return None
    return direct.send(replace(shipment.request, timeout=min(shipment.request.timeout, left)))


def _settle(done: dict[Future[HttpResult | None], Shipment], sizes: dict[int, int]) -> None:
    attempts: list[Attempt] = []
    for future, shipment in done.items():
        result = future.result()
        if result is None:
            release(shipment.claims)
        else:
            answered = unpack(shipment, result)
            if refused_as_batch(answered):
                sizes[shipment.target.site_id] = max(1, len(answered) // 2)
            attempts += answered
    settle(attempts)
