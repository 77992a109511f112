"""How sites behave while the storm lasts: they are slow, fail now and then, or take a message in and lose the answer."""

import asyncio
import random

from tests.chaos.storm.sites import Behaviour, Request, Site, response, taken_in, well


def slow(chance: random.Random, seconds: float) -> Behaviour:
    """Takes in at once, answers up to so many seconds later."""

    async def behave(site: Site, request: Request) -> bool:
        answer = taken_in(site, request)
        await asyncio.sleep(chance.uniform(0, seconds))
        request.writer.write(answer)
        return True

    return behave


def failing(chance: random.Random, share: float) -> Behaviour:
    """Answers 500 to this share of the requests."""

    async def behave(site: Site, request: Request) -> bool:
        if chance.random() < share:
            request.writer.write(response({"error": "out of order"}, "500 Internal Server Error"))
            return True
        return await well(site, request)

    return behave


def forgetful(chance: random.Random, share: float) -> Behaviour:
    """Takes everything in, and hangs up before the answer at this share of the requests."""

    async def behave(site: Site, request: Request) -> bool:
        if chance.random() < share:
            site.take_in(request)
            return False
        return await well(site, request)

    return behave
