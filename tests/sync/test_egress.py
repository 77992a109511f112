"""Which addresses no request may go to."""

from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured

from sync.transport import egress


@pytest.mark.parametrize(
    "address",
    ["10.1.2.3", "::ffff:10.1.2.3", "2002:0a01:0203::1", "64:ff9b::10.1.2.3", "fe80::1", "fe80::1%eth0"],
    ids=["itself", "mapped into IPv6", "6to4", "NAT64", "IPv6", "IPv6 with a zone"],
)
def test_an_address_in_a_blocked_network_is_refused_in_every_spelling(address: str, settings: Any) -> None:
    settings.SYNC_BLOCKED_NETWORKS = ["10.0.0.0/8", "fe80::/10"]
    reason = egress.blocked(address)
    assert reason is not None
    assert "where the hub sends nothing (SYNC_BLOCKED_NETWORKS)" in reason


@pytest.mark.parametrize("address", ["11.0.0.1", "127.0.0.1", "::1", "2001:db8::1", "::ffff:11.0.0.1"])
def test_any_other_address_is_allowed(address: str, settings: Any) -> None:
    settings.SYNC_BLOCKED_NETWORKS = ["10.0.0.0/8", "fe80::/10"]
    assert egress.blocked(address) is None


def test_by_default_link_local_and_multicast_addresses_are_refused_and_loopback_is_not() -> None:
    assert all(egress.blocked(address) for address in ["169.254.169.254", "fe80::1", "0.0.0.0", "224.0.0.1", "ff02::1"])  # noqa: S104
    assert egress.blocked("127.0.0.1") is None


@pytest.mark.parametrize("text", ["10.0.0.1/8", "everything", "", "10.0.0.0/33"])
def test_a_network_that_is_none_is_named_with_the_setting(text: str) -> None:
    with pytest.raises(ImproperlyConfigured, match=r"SYNC_BLOCKED_NETWORKS: .* is not a network\. Write it like 169\.254\.0\.0/16\."):
        egress.parse_networks(("127.0.0.0/8", text))
