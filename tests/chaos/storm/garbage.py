"""Sites that do everything wrong, each in its own way."""

import asyncio
import itertools
import socket
import struct
from collections import Counter

from tests.chaos.storm.sites import Behaviour, Request, Site, response, well

NOISE = bytes(range(128, 256)) * 4


def saying(payload: bytes, *, then_hang_up: bool = False) -> Behaviour:
    """Always these bytes."""

    async def behave(site: Site, request: Request) -> bool:
        request.writer.write(payload)
        return not then_hang_up

    return behave


async def resetting(site: Site, request: Request) -> bool:
    """Ends the connection so that the hub sees a reset."""
    sock: socket.socket = request.writer.get_extra_info("socket")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    request.writer.transport.abort()
    return False


async def dripping(site: Site, request: Request) -> bool:
    """A byte a second, for ever."""
    for byte in itertools.cycle(response({"success": True})):
        request.writer.write(bytes([byte]))
        await request.writer.drain()
        await asyncio.sleep(1)
    return False


def every_second_time() -> Behaviour:
    """500 to the first request about a user, and to every second one after."""
    times: Counter[str] = Counter()

    async def behave(site: Site, request: Request) -> bool:
        user_id = request.users[0]["id"]
        times[user_id] += 1
        if times[user_id] % 2:
            request.writer.write(response({"error": "out of order"}, "500 Internal Server Error"))
            return True
        return await well(site, request)

    return behave


def small_batches(limit: int) -> Behaviour:
    """413 to more users than this."""

    async def behave(site: Site, request: Request) -> bool:
        if len(request.users) > limit:
            request.writer.write(response({"error": "too many"}, "413 Content Too Large"))
            return True
        return await well(site, request)

    return behave


async def muddled(site: Site, request: Request) -> bool:
    """Answers a batch in another order, with ids that nobody asked about, and refuses `user_1`."""
    results = site.take_in(request) or []
    for result in results:
        if result["id"] == "user_1":
            result |= {"success": False, "error": "no such team"}
    strangers = [{"id": "user_999", "success": True}, {"id": None}, "?", 7, {"success": True}]
    request.writer.write(response({"results": [*strangers, *reversed(results)]}))
    return True


async def half_answered(site: Site, request: Request) -> bool:
    """Says nothing about `user_1`, and contradicts itself about `user_2`."""
    results = [result for result in site.take_in(request) or [] if result["id"] != "user_1"]
    request.writer.write(response({"results": [*results, {"id": "user_2", "success": False}]}))
    return True


def cut_short(payload: bytes, kept: int) -> bytes:
    """This answer's head and so many bytes of its body."""
    head, _, body = payload.partition(b"\r\n\r\n")
    return head + b"\r\n\r\n" + body[:kept]
