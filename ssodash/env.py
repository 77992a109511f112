"""Read settings from the environment; a wrong value is an error that names the variable and the remedy."""

import ipaddress
import os
from collections.abc import Sequence

import environ
from django.core.exceptions import ImproperlyConfigured

env = environ.Env()


def number(name: str, default: float, *, low: float, high: float) -> float:
    """A number from the environment, within low..high. Raises ImproperlyConfigured otherwise."""
    raw = os.environ.get(name, "").strip()
    if not raw:
        return default
    try:
        value = float(raw)
    except ValueError:
        raise ImproperlyConfigured(f"{name}={raw!r} is not a number. Set it to a number from {low:g} to {high:g}.") from None
    if not low <= value <= high:
        raise ImproperlyConfigured(f"{name}={raw} is out of range. Set it to a number from {low:g} to {high:g}.")
    return value


def integer(name: str, default: int, *, low: int, high: int) -> int:
    """A whole number from the environment, within low..high. Raises ImproperlyConfigured otherwise."""
    value = number(name, default, low=low, high=high)
    if value != int(value):
        raise ImproperlyConfigured(f"{name}={value} is not a whole number.")
    return int(value)


def choice(name: str, default: str, allowed: Sequence[str]) -> str:
    """One of the allowed words. Raises ImproperlyConfigured otherwise."""
    value = os.environ.get(name, "").strip() or default
    if value not in allowed:
        raise ImproperlyConfigured(f"{name}={value!r} is not known. Set it to one of: {', '.join(allowed)}.")
    return value


def flag(name: str, default: bool) -> bool:
    """A yes/no setting. Raises ImproperlyConfigured on anything but true/false words."""
    raw = os.environ.get(name, "").strip().lower()
    if not raw:
        return default
    if raw in {"1", "true", "yes", "on"}:
        return True
    if raw in {"0", "false", "no", "off"}:
        return False
    raise ImproperlyConfigured(f"{name}={raw!r} is neither true nor false. Set it to true or false.")


def words(name: str, default: Sequence[str]) -> list[str]:
    """A comma-separated list."""
    raw = os.environ.get(name)
    if raw is None:
        return list(default)
    return [word.strip() for word in raw.split(",") if word.strip()]


def networks(name: str, default: Sequence[str]) -> list[str]:
    """A comma-separated list of networks. Raises ImproperlyConfigured naming the one that is none."""
    given = words(name, default)
    for text in given:
        try:
            ipaddress.ip_network(text)
        except ValueError:
            raise ImproperlyConfigured(
                f"{name}: {text!r} is not a network. Write networks like 169.254.0.0/16, several with commas between them."
            ) from None
    return given
