"""Where this clone keeps what it makes for itself: database, secrets, sample sites' data."""

import os
import secrets
import tempfile
from pathlib import Path

import environ

from ssodash.env import integer

BASE_DIR = Path(__file__).resolve().parent.parent


def read_env_file() -> None:
    """Take over what `.env` says, as the settings do; what the environment says already stays."""
    environ.Env.read_env(str(BASE_DIR / ".env"))


def var_dir() -> Path:
    """The folder for everything made here (VAR_DIR, default `var` beside manage.py). Raises OSError when it cannot be made."""
    folder = Path(os.environ.get("VAR_DIR", "").strip() or BASE_DIR / "var")
    folder.mkdir(parents=True, exist_ok=True)
    return folder.resolve()


def embedded_folder() -> Path:
    """The embedded database's folder."""
    return var_dir() / "pg"


def embedded_port() -> int | None:
    """The port that EMBEDDED_PORT asks for; None leaves it to the database. Raises ImproperlyConfigured."""
    return integer("EMBEDDED_PORT", 0, low=1, high=65_535) or None


def kept_secret(name: str, length: int) -> str:
    """A random text in a file of `var_dir()` that only we can read, made up when there is none. `length` counts random bytes."""
    path = var_dir() / name
    try:
        if text := path.read_text().strip():
            return text
    except FileNotFoundError:
        pass
    text = secrets.token_urlsafe(length)
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{name}-")  # mkstemp makes it 0600
    with os.fdopen(descriptor, "w") as file:
        file.write(text + "\n")
    os.replace(temporary, path)
    return text
