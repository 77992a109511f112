"""The baseline: a bare pycurl multi loop. Kept connections, bodies and signatures like the hub's, and no database at all."""

import base64
import hmac
import json
import math
import select
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pycurl

KEY = b"0123456789abcdef0123456789abcdef"
HEADERS = ["Content-Type: application/json", "Accept: application/json", "User-Agent: SSO-Dashboard/1", "Accept-Encoding: identity"]
EVENTS = {
    pycurl.POLL_IN: select.EPOLLIN,
    pycurl.POLL_OUT: select.EPOLLOUT,
    pycurl.POLL_INOUT: select.EPOLLIN | select.EPOLLOUT,
}


@dataclass(frozen=True)
class Measured:
    """What one loop did."""

    rate: float
    cpu: float
    """Milliseconds of the caller's CPU for each request."""


def loop(urls: Sequence[str], *, each: int, requests: int) -> Measured:
    """Sends so many requests, `each` of them under way at every site at all times."""
    handles = [_handle(url) for url in urls for _ in range(each)]
    started, cpu = time.perf_counter(), time.process_time()
    _send_all(handles, requests)
    took, cpu = time.perf_counter() - started, time.process_time() - cpu
    return Measured(requests / took, cpu / requests * 1000)


def _handle(url: str) -> Any:
    handle = pycurl.Curl()
    handle.setopt(pycurl.URL, f"{url}/api/users/sync")
    handle.setopt(pycurl.POST, 1)
    handle.setopt(pycurl.NOSIGNAL, 1)
    handle.setopt(pycurl.TIMEOUT_MS, 10_000)
    handle.setopt(pycurl.WRITEFUNCTION, lambda data: None)
    return handle


def _send_all(handles: list[Any], requests: int) -> None:
    # `perform`, which looks at every handle at every turn, does a third of what `socket_action` does with 80 handles.
    multi, epoll, timer = pycurl.CurlMulti(), select.epoll(), [math.inf]
    known: set[int] = set()

    def watch(what: int, descriptor: int, _multi: Any, _data: Any) -> None:
        if what == pycurl.POLL_REMOVE:
            known.discard(descriptor)
            epoll.unregister(descriptor)
        elif descriptor in known:
            epoll.modify(descriptor, EVENTS[what])
        else:
            known.add(descriptor)
            epoll.register(descriptor, EVENTS[what])

    def set_timer(milliseconds: int) -> None:
        timer[0] = math.inf if milliseconds < 0 else time.monotonic() + milliseconds / 1000

    multi.setopt(pycurl.M_SOCKETFUNCTION, watch)
    multi.setopt(pycurl.M_TIMERFUNCTION, set_timer)
    multi.setopt(pycurl.M_MAXCONNECTS, len(handles) * 2)
    begun = ended = 0
    for handle in handles:
        _sign(handle, begun)
        begun += 1
        multi.add_handle(handle)
    while ended < requests:
        for descriptor, events in epoll.poll(max(0.0, min(1.0, timer[0] - time.monotonic()))):
            readable = pycurl.CSELECT_IN if events & ~select.EPOLLOUT else 0
            multi.socket_action(descriptor, readable | (pycurl.CSELECT_OUT if events & select.EPOLLOUT else 0))
        if time.monotonic() >= timer[0]:
            timer[0] = math.inf
            multi.socket_action(pycurl.SOCKET_TIMEOUT, 0)
        _, succeeded, failed = multi.info_read(len(handles))
        if failed:
            raise RuntimeError(f"the sink failed: {failed[0][2]}")
        for handle in succeeded:
            ended += 1
            if handle.getinfo(pycurl.RESPONSE_CODE) != 200:
                raise RuntimeError(f"the sink answered {handle.getinfo(pycurl.RESPONSE_CODE)}")
            multi.remove_handle(handle)
            if begun < requests:
                _sign(handle, begun)
                begun += 1
                multi.add_handle(handle)
    for handle in handles:
        handle.close()
    multi.close()
    epoll.close()


def _sign(handle: Any, number: int) -> None:
    user = f"user_{number % 1000:06d}"
    content = {
        "id": user,
        "email": f"{user}@example.com",
        "full_name": f"Round {number // 1000} of {user}",
        "role": "user",
        "is_active": True,
        "action": "upsert",
        "version": number,
        "updated_at": "2026-01-01T00:00:00.000000+00:00",
    }
    body = json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode()
    name, moment = f"msg_{number}_{number}_0", str(int(time.time()))
    signature = base64.b64encode(hmac.digest(KEY, f"{name}.{moment}.".encode() + body, "sha256")).decode()
    handle.setopt(
        pycurl.HTTPHEADER, [*HEADERS, f"webhook-id: {name}", f"webhook-timestamp: {moment}", f"webhook-signature: v1,{signature}"]
    )
    handle.setopt(pycurl.POSTFIELDS, body)
