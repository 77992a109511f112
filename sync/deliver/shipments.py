"""Shipments: what goes to a site in one request. One claim, or as many as the site takes in a batch."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from sync.connectors import CONNECTORS
from sync.connectors.target import Target, Unsendable
from sync.deliver.claim import Claim
from sync.deliver.settle import Attempt
from sync.outcomes import Outcome, Verdict
from sync.transport import HttpRequest, HttpResponse, HttpResult

MAX_BATCH_BYTES = 1_000_000


@dataclass(slots=True, eq=False)
class Shipment:
    """Claims that travel together, their request, and the id it is sent under. Each is itself: two are never equal."""

    target: Target
    claims: tuple[Claim, ...]
    request: HttpRequest

    @property
    def message_id(self) -> str:
        return self.request.headers["webhook-id"]


@dataclass(slots=True)
class Packed:
    """Claims made ready: requests, attempts that ended before they left, and claims to give back."""

    shipments: list[Shipment] = field(default_factory=list)
    unsendable: list[Attempt] = field(default_factory=list)
    excess: list[Claim] = field(default_factory=list)
    """What did not fit into the bytes of a request: another one would be one more than the site was counted to take."""


def pack(claims: Iterable[Claim], sizes: dict[int, int] | None = None) -> Packed:
    """Claims as requests: by site, at most its batch size (or less, where `sizes` says so) and 1 MB each."""
    by_site: dict[int, list[Claim]] = {}
    for item in claims:
        by_site.setdefault(item.target.site_id, []).append(item)
    packed = Packed()
    for site_id, items in by_site.items():
        size = items[0].target.batch_size
        if sizes and site_id in sizes:
            size = max(1, min(size, sizes[site_id]))
        for start in range(0, len(items), size):
            _pack_one(items[start : start + size], packed)
    return packed


def _pack_one(claims: Sequence[Claim], packed: Packed) -> None:
    target = claims[0].target
    try:
        request = CONNECTORS[target.connector].build(target, [claim.message for claim in claims])
    except Unsendable as error:
        verdict = Verdict(Outcome.SITE_BROKEN, str(error))
        packed.unsendable += [Attempt(claim, verdict, claim.message.message_id) for claim in claims]
        return
    if len(request.body) > MAX_BATCH_BYTES and len(claims) > 1:
        middle = len(claims) // 2
        packed.excess += claims[middle:]
        _pack_one(claims[:middle], packed)
        return
    packed.shipments.append(Shipment(target, tuple(claims), request))


def unpack(shipment: Shipment, result: HttpResult) -> list[Attempt]:
    """One attempt a claim: what the answer meant for each."""
    target = shipment.target
    verdicts = CONNECTORS[target.connector].read(target, [claim.message for claim in shipment.claims], result)
    if len(verdicts) > 1 and isinstance(result, HttpResponse) and result.status >= 400 and verdicts[0].outcome is Outcome.PERMANENT:
        # The batch was refused, not each of its users: they go again at once, in smaller ones, and no try is spent.
        smaller = Verdict(Outcome.THROTTLED, f"{verdicts[0].error}; refused as a batch, sent again in smaller ones", retry_after=0.0)
        verdicts = [smaller] * len(verdicts)
    code = result.status if isinstance(result, HttpResponse) else None
    text = result.body if isinstance(result, HttpResponse) else b""
    return [
        Attempt(claim, verdict, shipment.message_id, code, result.duration, text if verdict.answer is None else verdict.answer)
        for claim, verdict in zip(shipment.claims, verdicts, strict=True)
    ]


def refused_as_batch(attempts: Sequence[Attempt]) -> bool:
    """Whether the site refused these together, so that smaller batches must follow."""
    return len(attempts) > 1 and all(a.verdict.outcome is Outcome.THROTTLED and a.verdict.retry_after == 0.0 for a in attempts)
