"""A way to the database that can be closed: to the hub's processes the database is away, while the test still reaches it."""

import asyncio
import contextlib
from typing import Self

from tests.chaos.storm.sites import SiteHost


class Proxy:
    """Passes connections on to a port of this machine. Runs in the thread of the sites."""

    def __init__(self, host: SiteHost, to: int) -> None:
        self.port = 0
        self.refused = 0
        self._host = host
        self._to = to
        self._open: set[asyncio.StreamWriter] = set()
        self._is_away = False

    def start(self) -> Self:
        server = self._host.run(asyncio.start_server(self._pass_on, "127.0.0.1", 0, backlog=512))
        self._host.keep(server)
        self.port = server.sockets[0].getsockname()[1]
        return self

    def go_away(self) -> None:
        """Ends every connection, and every new one at once."""
        self._host.run(self._set_away(True))

    def come_back(self) -> None:
        self._host.run(self._set_away(False))

    async def _set_away(self, away: bool) -> None:
        self._is_away = away
        if away:
            for writer in self._open:
                writer.transport.abort()

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._is_away:
            self.refused += 1
            writer.transport.abort()
            return
        try:
            there_reader, there_writer = await asyncio.open_connection("127.0.0.1", self._to)
        except OSError:
            writer.transport.abort()
            return
        ends = {writer, there_writer}
        self._open |= ends
        try:
            await asyncio.gather(_pump(reader, there_writer), _pump(there_reader, writer))
        except asyncio.CancelledError:
            pass  # the test is over
        finally:
            self._open -= ends
            for end in ends:
                end.close()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError, asyncio.CancelledError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    writer.close()
