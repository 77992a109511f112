"""System checks of sync."""

from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, register
from django.core.exceptions import ImproperlyConfigured

from sync.transport.egress import parse_networks


@register()
def blocked_networks_can_be_read(**_: Any) -> list[CheckMessage]:
    """A mistyped network would otherwise show only when the first request leaves."""
    try:
        parse_networks(tuple(settings.SYNC_BLOCKED_NETWORKS))
    except ImproperlyConfigured as error:
        return [Error(str(error), hint="Separate networks by commas: SYNC_BLOCKED_NETWORKS=169.254.0.0/16,fe80::/10", id="sync.E001")]
    return []
