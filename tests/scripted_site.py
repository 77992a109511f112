"""A real HTTP site on loopback whose answers a test writes: `site.answer = lambda request: Response(...)`."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from pytest_httpserver import HTTPServer
from werkzeug import Request, Response


@dataclass(frozen=True)
class Received:
    """One request as the site got it."""

    path: str
    body: dict[str, Any]
    headers: dict[str, str]
    at: float

    @property
    def message_id(self) -> str:
        return self.headers["webhook-id"]


Answer = Callable[[Request], Response]


def accept(request: Request) -> Response:
    """What a well-behaved site answers."""
    return json_answer({"success": True})


def json_answer(content: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    return Response(json.dumps(content), status, headers, content_type="application/json")


class _Server(HTTPServer):
    def thread_target(self) -> None:
        assert self.server is not None
        self.server.serve_forever(poll_interval=0.01)  # the default makes every stop take half a second


class ScriptedSite:
    """Keeps every request; `answer` decides what comes back. `hold()` makes it hang until released."""

    def __init__(self) -> None:
        self.answer: Answer = accept
        self.requests: list[Received] = []
        self._free = threading.Event()
        self._free.set()
        self._server = _Server("127.0.0.1", 0, threaded=True)

    def start(self) -> None:
        self._server.expect_request("/api/users/sync").respond_with_handler(self._handle)
        self._server.expect_request("/api/users/sync/delete").respond_with_handler(self._handle)
        self._server.expect_request("/api/users/sync/batch").respond_with_handler(self._handle)
        self._server.start()

    def stop(self) -> None:
        self._free.set()
        if self._server.is_running():
            self._server.stop()

    def hold(self) -> None:
        """From now on requests are taken in, but not answered until `let_go`."""
        self._free.clear()

    def let_go(self) -> None:
        self._free.set()

    def _handle(self, request: Request) -> Response:
        headers = {name.lower(): value for name, value in request.headers.items()}
        self.requests.append(Received(request.path, json.loads(request.get_data() or b"{}"), headers, time.monotonic()))
        answer = self.answer(request)
        self._free.wait(60)
        return answer

    @property
    def url(self) -> str:
        return str(self._server.url_for("")).rstrip("/")

    @property
    def bodies(self) -> list[dict[str, Any]]:
        return [received.body for received in self.requests]

    @property
    def paths(self) -> list[str]:
        return [received.path for received in self.requests]


@contextmanager
def scripted_site() -> Iterator[ScriptedSite]:
    """A running site, stopped at the end."""
    site = ScriptedSite()
    site.start()
    try:
        yield site
    finally:
        site.stop()
