"""One folder per wire protocol to a site."""

from collections.abc import Sequence
from typing import Protocol

from sync.connectors.rest import connector as rest
from sync.connectors.target import Target
from sync.outcomes import Verdict
from sync.payloads import Message
from sync.transport.values import HttpRequest, HttpResult


class Connector(Protocol):
    """Builds requests and reads answers; does no I/O."""

    def build(self, target: Target, messages: Sequence[Message]) -> HttpRequest:
        """The request for these messages; more than one only when `target.batch_size` allows it. Raises Unsendable."""
        ...

    def read(self, target: Target, messages: Sequence[Message], result: HttpResult) -> list[Verdict]:
        """One verdict a message, in order. Never raises for what a site answers."""
        ...


CONNECTORS: dict[str, Connector] = {"rest": rest}

__all__ = ["CONNECTORS", "Connector", "Target"]
