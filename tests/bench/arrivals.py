"""A site that notes when a request arrives."""

import socket
import threading
import time
from typing import Self


class Arrivals:
    """Listens on 127.0.0.1 in a thread; `first` is the moment (of `time.time`) of the first request since `forget`."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.settimeout(0.1)
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self.first: float | None = None
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._serve)

    def forget(self) -> None:
        """Starts anew."""
        self.first = None

    def _serve(self) -> None:
        while not self._over.is_set():
            try:
                connection, _ = self._listener.accept()
            except TimeoutError:
                continue
            with connection:
                connection.settimeout(5)
                connection.recv(65536)  # the first bytes are enough
                self.first = self.first or time.time()
                connection.sendall(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 16\r\n\r\n" + b'{"success":true}')

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()
        self._listener.close()
