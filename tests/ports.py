"""TCP ports of this machine that tests may listen on."""

import random

from ssodash.ports import is_taken_on_loopback

FIRST, LAST = 18_000, 32_000
"""Below those the system gives to outgoing connections, and above those a hub's own database is given.

Among the former, any connection (a test's own, to its database) could take the port before its server is started, or started
again; and a sender that retries against a stopped server could be given the very port it connects to, and talk to itself.
"""
TRIES = 200
_random = random.SystemRandom()  # a test that seeds `random` must not make two test processes choose the same ports
_given: set[int] = set()


def free_port() -> int:
    """A port that nothing listens on, and that this process was not given before."""
    return free_ports(1)


def free_ports(count: int) -> int:
    """The first of so many such ports in a row."""
    for _ in range(TRIES):
        first = _random.randint(FIRST, LAST - count)
        wanted = range(first, first + count)
        if not _given.intersection(wanted) and not any(map(is_taken_on_loopback, wanted)):
            _given.update(wanted)
            return first
    raise AssertionError(f"{TRIES} times {count} ports of 127.0.0.1 were tried, and never were all of them free")
