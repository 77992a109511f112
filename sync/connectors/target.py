"""What a connector knows of a site. Pure."""

from dataclasses import dataclass, field


class Unsendable(Exception):
    """The site is set up in a way that no request can be made for it; the message says what to mend."""


@dataclass(frozen=True, slots=True)
class Target:
    """A site as a request needs it."""

    site_id: int
    name: str
    display_name: str
    url: str
    sync_path: str
    connector: str
    batch_size: int
    max_in_flight: int
    timeout: float
    epoch: int
    secrets: tuple[str, ...] = field(repr=False)
    """Signing secrets, the newest first; every request is signed with each."""
    confirms_ids: bool = False
    connect_timeout: float = 5.0
