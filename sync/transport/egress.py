"""The one rule of where requests may go."""

import functools
import ipaddress
from collections.abc import Iterator

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")


def parse_networks(texts: tuple[str, ...]) -> tuple[Network, ...]:
    """Networks from settings. Raises ImproperlyConfigured naming the wrong one."""
    networks = []
    for text in texts:
        try:
            networks.append(ipaddress.ip_network(text))
        except ValueError:
            raise ImproperlyConfigured(f"SYNC_BLOCKED_NETWORKS: {text!r} is not a network. Write it like 169.254.0.0/16.") from None
    return tuple(networks)


_cached = functools.lru_cache(maxsize=4)(parse_networks)


def blocked(address: str) -> str | None:
    """Why no request may go to this IP address, in words; None when it may."""
    for ip in _meant(address):
        for network in _cached(tuple(settings.SYNC_BLOCKED_NETWORKS)):
            if ip.version == network.version and ip in network:
                return f"The site's address {ip} is in {network}, where the hub sends nothing (SYNC_BLOCKED_NETWORKS)"
    return None


def _meant(address: str) -> Iterator[ipaddress.IPv4Address | ipaddress.IPv6Address]:
    """The address itself, and the IPv4 address that an IPv6 one stands for."""
    ip = ipaddress.ip_address(address.split("%", 1)[0])
    yield ip
    if isinstance(ip, ipaddress.IPv6Address):
        inner = [ip.ipv4_mapped, ip.sixtofour, ip.teredo[1] if ip.teredo else None]
        if ip in _NAT64:
            inner.append(ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF))
        yield from filter(None, inner)
