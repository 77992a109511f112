"""HTTP: which path does what, and how everything is answered. Answers are JSON, but for the page."""

from __future__ import annotations

import json
import socket
import socketserver
import sys
import threading
import time
from collections import Counter, deque
from dataclasses import asdict, dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from . import page
from .messages import Refused, SecretFile, read_batch, read_json, read_user
from .store import Change, Closing, Holding, Store

LARGEST_BODY = 1_000_000  # bytes
DRAIN = 16_000_000  # bytes read and thrown away, so that the sender of too large a body still gets to read the answer
REQUESTS_SHOWN = 20


@dataclass(frozen=True, slots=True)
class ReceivedRequest:
    """One line of the page's list of requests."""

    at: float
    path: str
    status: int
    outcome: str


class SampleSite(ThreadingHTTPServer):
    """One sample site. Raises OSError where the port cannot be had."""

    store: Store  # set once the port is had, before anything is served
    daemon_threads = True  # connections kept alive must not hold up a stop
    block_on_close = False
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], name: str, title: str, sync_path: str, secret_file: Path) -> None:
        self.name, self.title, self.sync_path = name, title, sync_path
        self.secret = SecretFile(secret_file)
        self.requests_received = 0
        self.recent: deque[ReceivedRequest] = deque(maxlen=REQUESTS_SHOWN)
        self._recent_lock = threading.Lock()
        if ":" in address[0]:
            self.address_family = socket.AF_INET6
        super().__init__(address, Handler)

    def server_bind(self) -> None:
        # Without HTTPServer's own: it looks the host up in the DNS, which can take seconds.
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = str(self.server_address[0]), self.server_address[1]

    def handle_error(self, request: Any, client_address: Any) -> None:
        error = sys.exc_info()[1]
        if not isinstance(error, (ConnectionError, TimeoutError)):  # a sender that hangs up is no event
            sys.stderr.write(f"{self.title}: a request failed: {error!r}\n")

    def note(self, path: str, status: int, outcome: str) -> None:
        with self._recent_lock:
            self.requests_received += 1
            self.recent.appendleft(ReceivedRequest(time.time(), path, status, outcome))

    def recent_requests(self) -> list[ReceivedRequest]:
        with self._recent_lock:
            return list(self.recent)

    def no_secret(self) -> str:
        """Why every message is refused at the moment; "" where they are not."""
        try:
            self.secret.webhook()
        except Refused as refused:
            return refused.why
        return ""


class Handler(BaseHTTPRequestHandler):
    server: SampleSite
    protocol_version = "HTTP/1.1"
    server_version = "SampleSite"
    sys_version = ""
    timeout = 60  # seconds, for a connection that stays silent
    wbufsize = -1  # headers and body leave in one packet; two would wait for the peer's delayed ACK
    disable_nagle_algorithm = True

    # Routes

    def do_GET(self) -> None:
        path = self._path()
        if path == "/":
            site = self.server
            traffic = site.recent_requests(), site.requests_received
            html = page.render(site.name, site.title, site.store.holding(), *traffic, site.no_secret())
            self._send(200, html.encode(errors="replace"), "text/html; charset=utf-8", {"Content-Security-Policy": page.POLICY})
        elif path == "/users.json":
            self._json(200, _users_json(self.server.name, self.server.store.holding()))
        elif path == "/healthz":
            self._json(200, {"success": True, "site": self.server.name})
        else:
            self._not_here()

    do_HEAD = do_GET

    def do_POST(self) -> None:
        path, sync_path = self._path(), self.server.sync_path
        receive = {sync_path: self._upsert, f"{sync_path}/delete": self._delete, f"{sync_path}/batch": self._batch}.get(path)
        if receive is None:
            self._not_here()
            return
        try:
            body = self._body()
            message_id = self.server.secret.verify(body, self.headers)
            answer, outcome = receive(message_id, read_json(body))
            status = 200
        except Refused as refused:
            status, answer, outcome = refused.status, {"success": False, "error": refused.why}, refused.why
        except Closing:
            self.close_connection = True
            status, answer, outcome = 503, {"success": False, "error": "this site is stopping; try again"}, "stopping"
        except OSError as error:
            if isinstance(error, (ConnectionError, TimeoutError)):
                raise
            status, outcome = 500, f"this site cannot write its data file ({error.strerror or error})"
            answer = {"success": False, "error": outcome}
        self.server.note(path, status, outcome)
        self._json(status, answer)

    def _other(self) -> None:
        self._not_here()

    do_PUT = do_PATCH = do_DELETE = do_OPTIONS = _other

    # What a message does

    def _upsert(self, message_id: str, data: Any) -> tuple[dict[str, Any], str]:
        return self._single(message_id, read_user(data, removal=False))

    def _delete(self, message_id: str, data: Any) -> tuple[dict[str, Any], str]:
        return self._single(message_id, read_user(data, removal=True))

    def _single(self, message_id: str, change: Change) -> tuple[dict[str, Any], str]:
        [outcome] = self.server.store.receive(message_id, [change])
        answer = {"success": True, "id": change.id, "outcome": outcome}
        return answer, f"{change.email or change.id} v{change.version}: {outcome}"

    def _batch(self, message_id: str, data: Any) -> tuple[dict[str, Any], str]:
        results: list[dict[str, Any]] = []
        changes, their_results = [], []
        for member in read_batch(data):
            given = member.get("id") if isinstance(member, dict) else None
            try:
                changes.append(read_user(member, removal=isinstance(member, dict) and member.get("action") == "delete"))
                results.append({"id": given, "success": True})
                their_results.append(results[-1])
            except Refused as refused:
                results.append({"id": given, "success": False, "error": refused.why})
        refused_count = len(results) - len(changes)
        outcomes = self.server.store.receive(message_id, changes, remember=not refused_count)
        for result, outcome in zip(their_results, outcomes, strict=True):
            result["outcome"] = outcome
        counts = Counter(outcomes + ["refused"] * refused_count)
        summary = ", ".join(f"{count} {outcome}" for outcome, count in counts.items())
        return {"success": True, "results": results}, f"batch of {len(results)}: {summary or 'nothing in it'}"

    # Reading and answering

    def _path(self) -> str:
        return self.path.partition("?")[0]

    def _body(self) -> bytes:
        """The whole body. Raises Refused (400, 411, 413)."""
        length = self.headers.get("Content-Length")
        if length is None or "Transfer-Encoding" in self.headers:
            self.close_connection = True
            raise Refused(411, "send the body with a Content-Length")
        if not (length.isascii() and length.isdigit()):
            self.close_connection = True
            raise Refused(400, "Content-Length must be a whole number")
        if int(length) > LARGEST_BODY:
            self._drain()
            raise Refused(413, f"the body has {length} bytes; at most {LARGEST_BODY} are accepted")
        body = self.rfile.read(int(length))
        if len(body) < int(length):  # the sender hung up
            self.close_connection = True
            raise Refused(400, f"the body ended after {len(body)} of {length} bytes")
        return body

    def _drain(self) -> None:
        """Read a body nobody wants: closing with it unread would reset the connection before the answer is read."""
        length = self.headers.get("Content-Length", "0")
        left = int(length) if length.isascii() and length.isdigit() else DRAIN
        self.close_connection = left > DRAIN or "Transfer-Encoding" in self.headers
        self.connection.settimeout(2)
        try:
            left = min(left, DRAIN)
            while left > 0 and (chunk := self.rfile.read(min(left, 65_536))):
                left -= len(chunk)
        except OSError:
            pass  # then the sender does not get to read why
        self.connection.settimeout(self.timeout)
        self.close_connection = self.close_connection or left > 0

    def _not_here(self) -> None:
        self._drain()
        path, sync_path = self._path(), self.server.sync_path
        allowed = {"/": "GET", "/users.json": "GET", "/healthz": "GET"}
        allowed |= {sync_path: "POST", f"{sync_path}/delete": "POST", f"{sync_path}/batch": "POST"}
        method = allowed.get(path)
        status = 405 if method else 404
        error = f"{path} takes {method}, not {self.command}" if method else f"there is nothing at {path}; users are received at {sync_path}"
        if self.command == "POST" or method == "POST":
            self.server.note(path, status, error)
        self._json(status, {"success": False, "error": error}, {"Allow": method} if method else {})

    def _json(self, status: int, answer: dict[str, Any], headers: dict[str, str] | None = None) -> None:
        self._send(status, json.dumps(answer).encode(), "application/json", headers or {})

    def _send(self, status: int, body: bytes, content_type: str, headers: dict[str, str]) -> None:
        self.send_response(status)
        all_headers = {"Content-Type": content_type, "Content-Length": str(len(body)), "Cache-Control": "no-store", **headers}
        for header, value in all_headers.items():
            self.send_header(header, value)
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def handle_expect_100(self) -> bool:
        go_on = super().handle_expect_100()
        self.wfile.flush()
        return go_on

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """For what http.server itself refuses: an unknown method, a malformed request line."""
        self.close_connection = True
        self._json(code, {"success": False, "error": message or explain or "request refused"})

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: the page shows the requests."""


def _users_json(name: str, holding: Holding) -> dict[str, Any]:
    users, removed = [asdict(user) for user in holding.users], [asdict(user) for user in holding.removed]
    return {"site": name, "count": len(users), "users": users, "removed": removed}
