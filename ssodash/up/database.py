"""The database of a running hub: the one DATABASE_URL names, or the embedded one, which is kept running."""

import os
import time
from collections.abc import Callable

from ssodash import embedded
from ssodash.local import embedded_folder, embedded_port

STOP_SECONDS = 4
RETRY_SECONDS = 10


class Database:
    """What the hub's programs connect to. `url` holds the password: it goes into their environment and nowhere else.

    `say` tells the person; `still_wanted` is called while it waits and may raise.
    """

    def __init__(self, say: Callable[[str], None], still_wanted: Callable[[], None]) -> None:
        self._say = say
        self._still_wanted = still_wanted
        self._server: embedded.Server | None = None
        self._next_try = 0.0

    def start(self) -> str:
        """Its address for DATABASE_URL. Raises EmbeddedError, and ImproperlyConfigured for a wrong EMBEDDED_PORT."""
        given = os.environ.get("DATABASE_URL", "").strip()
        if given:
            self._say("Database: the one in DATABASE_URL.")
            return given
        if not embedded_folder().exists():
            self._say("Making the embedded database; this happens once …")
        self._server = self._start_embedded()
        self._say(f"Database: embedded PostgreSQL on 127.0.0.1:{self._server.port}, its data in {self._server.home.data}.")
        return self._server.url

    def look_after(self) -> None:
        """Start the embedded database again when it ended. Call it often; it is quick while all is well."""
        now = time.monotonic()
        if self._server is None or self._server.is_alive() or now < self._next_try:
            return
        self._say("The embedded database ended; starting it again …")
        self._next_try = now + RETRY_SECONDS
        self._server.stop()
        try:
            self._server = self._start_embedded()
        except embedded.EmbeddedError as error:
            self._say(f"{error} Next try in {RETRY_SECONDS} s.")

    def stop(self) -> None:
        """Stop the embedded database if it was started here."""
        if self._server is not None:
            self._server.stop(STOP_SECONDS)

    def _start_embedded(self) -> embedded.Server:
        return embedded.start(embedded_folder(), port=embedded_port(), still_wanted=self._still_wanted)
