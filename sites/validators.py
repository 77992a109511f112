"""What a site's address and paths may look like. Pure."""

from urllib.parse import urlsplit

from django.core.exceptions import ValidationError

EXAMPLE = "for example https://hrms.example.com"


def validate_site_url(value: str) -> None:
    """Accepts an http(s) address with a host and nothing secret in it. Raises ValidationError naming the remedy."""
    try:
        parts = urlsplit(value)
        port = parts.port
    except ValueError:
        raise ValidationError(f"This is not a web address. Write it like this: {EXAMPLE}.") from None
    if any(character.isspace() or ord(character) < 32 for character in value):
        raise ValidationError(f"The address has a space or a control character in it. Write it like this: {EXAMPLE}.")
    if parts.scheme not in {"http", "https"}:
        found = f"It begins with {parts.scheme}:" if parts.scheme else "It has no scheme"
        raise ValidationError(f"{found}; the address must begin with https:// (or http://), {EXAMPLE}.")
    if parts.username is not None or parts.password is not None:
        raise ValidationError(
            "The address has a user name or password in it. Take it out: requests are signed with the site's secret instead."
        )
    if not parts.hostname or port == 0:
        raise ValidationError(f"The address has no host name. Write it like this: {EXAMPLE}.")
    if parts.query or parts.fragment:
        raise ValidationError("The address has a ? or # part. Leave it out; the sync path is added behind the address.")


def validate_sync_path(value: str) -> None:
    """Accepts an absolute path. Raises ValidationError naming the remedy."""
    if not value.startswith("/") or value.startswith("//") or any(c.isspace() or c in "?#\\" for c in value):
        raise ValidationError("The sync path must begin with one / and have no spaces, ? or #, for example /api/users/sync.")
