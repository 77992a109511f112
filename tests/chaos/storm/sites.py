"""Sites as light coroutines: one thread serves any number of them, and each keeps what arrived, in the order in which it did."""

import asyncio
import base64
import hmac
import json
import threading
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any, Self

PATH = "/api/users/sync"


@dataclass(frozen=True, slots=True)
class Arrival:
    """One user in one request, as the site got it. `at` is of `time.time()`."""

    message_id: str
    user_id: str
    action: str
    version: int
    at: float
    applied: bool
    batch: int
    """Which request of the site it came with."""


@dataclass(frozen=True, slots=True)
class Request:
    path: str
    headers: dict[str, str]
    body: bytes
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    @property
    def users(self) -> list[dict[str, Any]]:
        content = json.loads(self.body)
        members: list[dict[str, Any]] = content["users"] if self.path.endswith("/batch") else [content]
        return members


Behaviour = Callable[["Site", Request], Awaitable[bool]]
"""Answers a request through its `writer`; returns whether the connection goes on."""


def response(content: Any, status: str = "200 OK", headers: str = "") -> bytes:
    body = content if isinstance(content, bytes) else json.dumps(content).encode()
    return f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\n{headers}Content-Length: {len(body)}\r\n\r\n".encode() + body


def taken_in(site: "Site", request: Request) -> bytes:
    """Takes in what came; what a good site answers."""
    results = site.take_in(request)
    if results is None:
        return response({"error": "the signature is wrong"}, "401 Unauthorized")
    return response({"results": results} if request.path.endswith("/batch") else {"success": True, "id": results[0]["id"]})


async def well(site: "Site", request: Request) -> bool:
    request.writer.write(taken_in(site, request))
    return True


async def hanging(site: "Site", request: Request) -> bool:
    """Takes the request and never answers; ends when the hub hangs up, who sends one request at a time on a connection."""
    await request.reader.read()
    return False


@dataclass
class Site:
    """One site. A careful one checks signatures and ignores versions below the one it holds; another applies whatever comes."""

    name: str
    secret: str
    careful: bool = True
    batch_size: int = 1
    roles: list[str] = field(default_factory=list)
    behaviour: Behaviour = well
    port: int = 0
    users: dict[str, tuple[str, str, str]] = field(default_factory=dict)
    arrivals: list[Arrival] = field(default_factory=list)
    requests: int = 0
    answered: int = 0
    under_way: int = 0
    peak: int = 0
    forged: int = 0
    _versions: dict[str, int] = field(default_factory=dict)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def take_in(self, request: Request) -> list[dict[str, Any]] | None:
        """Notes and applies what came; None where the signature is wrong."""
        if self.careful and not self._signed(request):
            self.forged += 1
            return None
        message_id = request.headers.get("webhook-id", "")
        now = time.time()
        for user in request.users:
            key, version = user["id"], user["version"]
            applies = not self.careful or version >= self._versions.get(key, -1)
            self.arrivals.append(Arrival(message_id, key, user["action"], version, now, applies, self.requests))
            if not applies:
                continue
            self._versions[key] = version
            if user["action"] == "delete":
                self.users.pop(key, None)
            else:
                self.users[key] = (user["email"], user["full_name"], user["role"])
        return [{"id": user["id"], "success": True} for user in request.users]

    def _signed(self, request: Request) -> bool:
        head = request.headers
        text = f"{head.get('webhook-id')}.{head.get('webhook-timestamp')}.".encode() + request.body
        expected = base64.b64encode(hmac.digest(base64.b64decode(self.secret.removeprefix("whsec_")), text, "sha256")).decode()
        return f"v1,{expected}" in head.get("webhook-signature", "").split()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            goes_on = True
            while goes_on:
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
                line, *lines = head.rstrip("\r\n").split("\r\n")
                headers = {name.strip().lower(): value.strip() for name, value in (each.split(":", 1) for each in lines)}
                body = await reader.readexactly(int(headers.get("content-length", 0)))
                self.requests += 1
                self.under_way += 1
                self.peak = max(self.peak, self.under_way)
                try:
                    goes_on = await self.behaviour(self, Request(line.split()[1], headers, body, reader, writer))
                    await writer.drain()
                    self.answered += 1
                finally:
                    self.under_way -= 1
        except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass  # the hub hung up, or the test is over
        finally:
            writer.close()


class SiteHost:
    """Runs sites in a thread of its own: `with SiteHost() as host: host.open(Site(...))`."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever, name="sites", daemon=True)
        self._servers: list[asyncio.Server] = []

    def open(self, site: Site) -> Site:
        """Lets the site listen, at a port of its own."""
        server = self.run(asyncio.start_server(site.serve, "127.0.0.1", site.port, backlog=512))
        self.keep(server)
        site.port = server.sockets[0].getsockname()[1]
        return site

    def keep(self, server: asyncio.Server) -> None:
        """Closes this server too at the end."""
        self._servers.append(server)

    def run(self, work: Any) -> Any:
        done: Future[Any] = asyncio.run_coroutine_threadsafe(work, self.loop)
        return done.result(30)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.run(_end(self._servers))
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(10)
        self.loop.close()


async def _end(servers: list[asyncio.Server]) -> None:
    for server in servers:
        server.close()
    others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)
