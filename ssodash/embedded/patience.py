"""How long to wait for something."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Patience:
    """So many seconds from now on. `still_wanted` is asked all the while, and may raise to call it off."""

    seconds: float
    still_wanted: Callable[[], None] = lambda: None
    _began: float = field(default_factory=time.monotonic)

    def is_over(self) -> bool:
        """Ask this in a loop. Raises what `still_wanted` raises."""
        self.still_wanted()
        return time.monotonic() - self._began > self.seconds
