"""TCP ports on this machine: which are taken, and which to propose."""

import errno
import socket
import zlib

LOOPBACK = "127.0.0.1"


def is_taken(port: int, host: str = LOOPBACK) -> bool:
    """Whether a server listens at this address. A port whose last connections are still winding down counts as free.

    Raises OSError when the address is none of this machine's, or the port may not be used.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        # Without this, a server that has just stopped makes its own port look taken for a minute.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            probe.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                return True
            raise
    return False


def is_taken_on_loopback(port: int) -> bool:
    """Whether a browser that opens http://localhost:port would reach someone, by IPv4 or by IPv6."""
    if is_taken(port):
        return True
    try:
        return is_taken(port, "::1")
    except OSError:  # no IPv6 here, so nobody can listen there
        return False


def accepts(port: int) -> bool:
    """Whether a server on this machine takes connections at this port right now."""
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex((LOOPBACK, port)) == 0


def propose(owner: str, first: int = 15_400, count: int = 2_000) -> int:
    """A free port for this owner, the same one each time while it is free.

    The range lies below those that systems hand out to outgoing connections, which would take the port now and then.
    Raises OSError when none is free.
    """
    start = zlib.crc32(owner.encode())
    for step in range(count):
        port = first + (start + step) % count
        if not is_taken(port):
            return port
    raise OSError(errno.EADDRINUSE, f"every port from {first} to {first + count - 1} is taken")
