"""A request as it goes on the wire, the same for both ways of sending. Pure."""

import functools
import ipaddress
import re
from dataclasses import dataclass

from urllib3.exceptions import LocationParseError
from urllib3.util import parse_url

from sync.transport.values import HttpRequest

_PORTS = {"http": 80, "https": 443}
_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_VALUE = re.compile(r"[\t\x20-\x7e\x80-\xff]*")


@dataclass(frozen=True, slots=True)
class Address:
    """A URL as it is sent: ASCII only, the host as DNS knows it (without the brackets of an IPv6 address)."""

    url: str
    scheme: str
    host: str
    port: int


@functools.lru_cache(maxsize=4096)
def address(url: str) -> Address:
    """Takes a URL apart. Raises ValueError, in words for a person, when nothing can be sent there."""
    try:
        parts = parse_url(url)
    except (LocationParseError, UnicodeError):
        raise ValueError("The site's URL cannot be used: write it like https://hrms.example.com") from None
    if parts.scheme not in _PORTS or not parts.host:
        raise ValueError("The site's URL cannot be used: it must begin with https:// or http:// and name a host")
    host = parts.host.strip("[]")
    if any(len(label) > 63 for label in host.split(".")):
        raise ValueError("The site's URL cannot be used: a part of its host name is longer than 63 characters")
    port = parts.port or _PORTS[parts.scheme]
    shown = f"[{host}]" if ":" in host else host
    if port != _PORTS[parts.scheme]:
        shown = f"{shown}:{port}"
    # A user name or a fragment is left out: neither is ever part of a request.
    return Address(f"{parts.scheme}://{shown}{parts.request_uri}", parts.scheme, host, port)


def headers(request: HttpRequest) -> dict[str, str]:
    """The request's headers, plus that the answer must not be packed. Raises ValueError naming one that cannot be sent, not its value."""
    for name, value in request.headers.items():
        if not _is_name(name) or not _VALUE.fullmatch(value):
            raise ValueError(f"The header {name!r} has characters in it that cannot be sent")
    return {"Accept-Encoding": "identity", **request.headers}


def lines(request: HttpRequest) -> list[bytes]:
    """The same as lines for libcurl, in which a header without a value ends with a semicolon. Raises ValueError like `headers`."""
    values = tuple(request.headers.values())
    together = "".join(values)
    # All values in one look, where `headers` takes one for each: it says which is wrong.
    if together.isascii() and together.isprintable() and all(values) and (form := _form(tuple(request.headers))):
        return (form % values).encode().split(b"\n")
    return [(f"{name}: {value}" if value else f"{name};").encode("latin-1") for name, value in headers(request).items()]


@functools.lru_cache(maxsize=256)
def _form(names: tuple[str, ...]) -> str:
    """The lines of these headers with a place for each value; empty where that cannot be all there is to them."""
    if "Accept-Encoding" in names or not all(map(_is_name, names)):
        return ""
    return "\n".join(["Accept-Encoding: identity", *(name.replace("%", "%%") + ": %s" for name in names)])


@functools.lru_cache(maxsize=1024)
def _is_name(name: str) -> bool:
    return bool(_NAME.fullmatch(name))


@functools.lru_cache(maxsize=4096)
def is_ip(host: str) -> bool:
    """The host is an IP address: there is nothing to look up."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
