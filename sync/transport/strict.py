"""http.client's answer, made strict where it would take a broken answer for a whole one, or read without end."""

import contextlib
import http.client
import io
import socket
from typing import Any

from sync.transport import failures
from sync.transport.values import MAX_RESPONSE_BYTES

MAX_READ = 512 * 1024
"""Bytes of one answer read off the connection at most, headers, chunk sizes and trailers included."""
assert MAX_READ > 2 * MAX_RESPONSE_BYTES  # noqa: S101  (else answers would fail that should be cut)


class _Bounded(io.RawIOBase):
    """A socket's stream that ends in `Failed` after MAX_READ bytes."""

    def __init__(self, raw: Any) -> None:
        self._raw = raw
        self._count = 0
        self.dry = False
        """Nothing more is read off the connection; what the buffer above holds can still be looked at."""

    def readable(self) -> bool:
        return True

    def fileno(self) -> int:
        return int(self._raw.fileno())

    def readinto(self, buffer: Any) -> int | None:
        if self.dry:
            return None
        count: int | None = self._raw.readinto(buffer)
        self._count += count or 0
        if self._count > MAX_READ:
            raise failures.too_long()
        return count

    def close(self) -> None:
        self._raw.close()
        super().close()


class _Head:
    """The lines before the body, each of which must have an end: http.client takes the site's hanging up for the blank line."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream
        self._begun = False

    def readline(self, limit: int) -> bytes:
        line: bytes = self._stream.readline(limit)
        # Nothing at all is the reader's business; a line as long as the limit, too.
        if not line.endswith(b"\n") and len(line) < limit and (line or self._begun):
            raise failures.cut_short()
        self._begun = True
        return line

    def close(self) -> None:
        self._stream.close()


class StrictResponse(http.client.HTTPResponse):
    """An answer whose headers are whole, and which is bounded in size. Interim answers (RFC 9110, 15.2) are passed over.

    A connection on which more came than the answer is shut: the next request on it could be given the wrong answer.
    """

    fp: Any

    def __init__(self, sock: socket.socket, *args: Any, **kwargs: Any) -> None:
        super().__init__(sock, *args, **kwargs)
        self._sock = sock
        self._bounded = _Bounded(self.fp.detach())
        self.fp = io.BufferedReader(self._bounded)

    def begin(self) -> None:
        stream = self.fp
        self.fp = _Head(stream)
        try:
            super().begin()
        finally:
            if self.fp is not None:
                self.fp = stream

    def _read_status(self) -> Any:
        while True:
            version, status, reason = super()._read_status()  # type: ignore[misc]
            # http.client itself passes over 100 only; 101 is final.
            if not 101 < status < 200:
                return version, status, reason
            http.client._read_headers(self.fp)  # type: ignore[attr-defined]

    def _close_conn(self) -> None:
        self._bounded.dry = True
        if isinstance(self.fp, io.BufferedReader) and self.fp.peek(1):
            with contextlib.suppress(OSError):
                self._sock.shutdown(socket.SHUT_RDWR)
        super()._close_conn()  # type: ignore[misc]
