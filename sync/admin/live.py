"""Parts of an admin's page that keep themselves up to date: the page asks again and again, and is answered only when they changed."""

import hashlib
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.utils import timezone

from sync import status

BUSY_SECONDS = 3
IDLE_SECONDS = 15
SOON = timedelta(minutes=1)


@dataclass(frozen=True)
class Live:
    """What moves on a page: the part that is renewed as a whole, and what is put `beside` it, by htmx's out-of-band swaps."""

    address: str
    """Where the page looks for news."""
    part: str
    beside: str
    every: int
    """Seconds between two looks; 0 where nothing will move any more."""

    @property
    def digest(self) -> str:
        """Of what is shown."""
        return hashlib.sha256((self.part + self.beside).encode()).hexdigest()[:16]

    def context(self, request: HttpRequest) -> dict[str, Any]:
        """For the templates of the page, which asks for as much as its own address does."""
        asked = request.GET.copy()
        asked["seen"] = self.digest
        return {"live": self.part, "poller": {"address": f"{self.address}?{asked.urlencode()}", "seconds": self.every}}

    def answer(self, request: HttpRequest) -> HttpResponse:
        """What moves, for htmx; 204 when the browser shows it already (`seen`)."""
        if request.GET.get("seen") == self.digest:
            return HttpResponse(status=204)
        poller = render_to_string("admin/sync/poller.html", self.context(request) | {"oob": True})
        return HttpResponse(self.part + self.beside + poller)


def seconds_for(state: status.UserStatus | None) -> int:
    """How often to look at where a user stands: often while something is under way or due, else seldom."""
    soon = timezone.now() + SOON
    for at in state.sites if state else ():
        is_due = at.status == "pending" and not at.wait and (at.next_attempt_at is None or at.next_attempt_at < soon)
        if at.status == "in_progress" or is_due:
            return BUSY_SECONDS
    return IDLE_SECONDS
