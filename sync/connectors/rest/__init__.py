"""The `rest` protocol: flat JSON over HTTP, signed by Standard Webhooks. docs/protocol.md describes it for sites' developers."""

from sync.connectors.rest.protocol import RestConnector

connector = RestConnector()

__all__ = ["connector"]
