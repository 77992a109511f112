"""What a site's address and paths may look like. Looks nothing up."""

import ipaddress
import re
import socket
from collections.abc import Callable
from urllib.parse import urlsplit

from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _

EXAMPLE = "https://hrms.example.com"
_HOST_AND_PORT = re.compile(r"[^/:?#@]+:\d+(/.*)?")

AddressRule = Callable[[str], str | None]
"""Why no request may go to this IP address, in words; None when it may."""
_address_rules: list[AddressRule] = []


def refuse_addresses_by(rule: AddressRule) -> None:
    """Has sites refused whose address is an IP address that this rule objects to. Called once, by whoever will send to them."""
    if rule not in _address_rules:
        _address_rules.append(rule)


def validate_site_url(value: str) -> None:
    """Accepts an http(s) address with a host and nothing secret in it. Raises ValidationError naming the remedy."""
    if any(character.isspace() or ord(character) < 32 for character in value):
        raise ValidationError(_like_this(_("The address has a space or a control character in it.")))
    try:
        parts = urlsplit(value)
    except ValueError:
        raise ValidationError(_like_this(_("This is not a web address."))) from None
    if _HOST_AND_PORT.fullmatch(value):
        told = _("The address does not say how to get there. Write http:// or https:// before it, such as http://%(address)s.")
        raise ValidationError(told % {"address": value})
    if parts.scheme not in {"http", "https"}:
        found = _("It begins with %(scheme)s:") % {"scheme": parts.scheme} if parts.scheme else _("It has no scheme")
        told = _("%(found)s; the address must begin with https:// (or http://), for example %(example)s.")
        raise ValidationError(told % {"found": found, "example": EXAMPLE})
    if parts.username is not None or parts.password is not None:
        raise ValidationError(
            _("The address has a user name or password in it. Take it out: requests are signed with the site's secret instead.")
        )
    if not parts.hostname:
        raise ValidationError(_like_this(_("The address has no host name.")))
    _validate_port(parts.netloc)
    if parts.query or parts.fragment:
        raise ValidationError(_("The address has a ? or # part. Leave it out; the sync path is added behind the address."))
    _validate_destination(parts.hostname)


def _like_this(told: str) -> str:
    example = _("Write it like this: %(example)s.") % {"example": EXAMPLE}
    return f"{told} {example}"


def _validate_port(netloc: str) -> None:
    __, colon, port = netloc.rpartition("]")[2].rpartition(":")
    if colon and port and not (port.isascii() and port.isdigit() and 1 <= int(port[:6]) <= 65535):
        told = _("There is no port %(port)s: a port is a number from 1 to 65535. Leave it out for the usual one.")
        raise ValidationError(told % {"port": port[:20]})


def _validate_destination(host: str) -> None:
    """Only where the host is an IP address: what a name leads to is known when a request is sent, and checked then."""
    address = _as_ip(host)
    for rule in _address_rules:
        reason = rule(address) if address else None
        if reason:
            told = _("Give another address, or take the network out of that setting.")
            raise ValidationError(f"{reason}. {told}")


def _as_ip(host: str) -> str | None:
    """The IP address that a host is, in any of the spellings that a connection takes: 2852039166 is 169.254.169.254."""
    try:
        return str(ipaddress.ip_address(host))
    except ValueError:
        pass
    try:
        return socket.inet_ntoa(socket.inet_aton(host))
    except (OSError, UnicodeEncodeError):
        return None


def validate_sync_path(value: str) -> None:
    """Accepts an absolute path. Raises ValidationError naming the remedy."""
    if not value.startswith("/") or value.startswith("//") or any(c.isspace() or c in "?#\\" for c in value):
        raise ValidationError(_("The sync path must begin with one / and have no spaces, ? or #, for example /api/users/sync."))
