"""Say in one line, and without a traceback, what is wrong with the settings or the database."""

import json
import os
import re
import sys
import threading
from typing import Any

import psycopg
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.db import utils

from ssodash.embedded import EmbeddedError

WRONG_SETTING = 2
NO_DATABASE = 1
_GONE_OR_FULL = ("08", "28", "3D", "53", "57P")
"""SQLSTATEs that speak of the server or the way to it, not of a statement."""

_MISSING = {"42P01", "42703"}
"""A table or a column that is not there: `migrate` never ran, or not since the hub was brought up to date."""

_NOISE = re.compile(
    r"^connection (failed|is bad): |connection to server at \S+( \(\S+\))?, port \d+ failed: |Is the server running on that host[^?]*\?"
)
"""What libpq adds to the reason. We name the address ourselves, and give better advice."""


def explain(error: BaseException) -> tuple[str, int] | None:
    """One line for a person and an exit status; None for an error that is a programmer's."""
    if isinstance(error, ImproperlyConfigured):
        return _one_line(error), WRONG_SETTING
    if isinstance(error, EmbeddedError):
        return _one_line(error), NO_DATABASE
    if isinstance(error, (utils.OperationalError, utils.ProgrammingError, psycopg.OperationalError, psycopg.ProgrammingError)):
        return _about_database(error)
    return None


def report(error: BaseException, *, as_json: bool = False) -> int | None:
    """Write the line to stderr (or, for a program that asked for a JSON document, one on stdout) and give the exit status; None when the
    error is not one to be explained."""
    explained = explain(error)
    if explained is None:
        return None
    line, status = explained
    stream = sys.stdout if as_json else sys.stderr
    stream.write((json.dumps({"error": line}, indent=2, ensure_ascii=False) if as_json else line) + "\n")
    stream.flush()
    return status


def report_in_threads() -> None:
    """The same for errors that end a thread, as those of `runserver` do: they end the process."""
    usual = threading.excepthook

    def hook(args: Any) -> None:
        status = report(args.exc_value) if args.exc_value else None
        if status is None:
            usual(args)
        else:
            os._exit(status)

    threading.excepthook = hook


def _about_database(error: Exception) -> tuple[str, int] | None:
    cause = error if isinstance(error, psycopg.Error) else error.__cause__
    state = getattr(cause, "sqlstate", None)
    reason = _NOISE.sub("", _one_line(error)).strip(" .")
    if "invalid dsn" in reason or "invalid connection option" in reason:
        return f"DATABASE_URL has an option that PostgreSQL does not know: {reason}. Correct what follows the ? in it.", WRONG_SETTING
    if isinstance(cause, psycopg.Error) and state in _MISSING:
        missing = cause.diag.message_primary
        return f"The database does not fit this version of the hub: {missing}. Run `manage.py migrate`, then try again.", NO_DATABASE
    if isinstance(error, (utils.ProgrammingError, psycopg.ProgrammingError)):
        return None
    if state is not None and not state.startswith(_GONE_OR_FULL):
        return f"PostgreSQL at {_address()} refused: {reason}.", NO_DATABASE
    remedy = "Start it, or correct DATABASE_URL; `make run` brings an embedded PostgreSQL when DATABASE_URL is not set."
    if "authentication failed" in reason or "no password supplied" in reason:
        remedy = "Correct the user and the password in DATABASE_URL (special characters percent-encoded, such as %40 for @)."
    elif "sslmode" in reason:
        remedy = "Correct sslmode in DATABASE_URL: disable, require, verify-ca or verify-full."
    elif "does not exist" in reason:
        remedy = "Create it (`createdb`), or correct DATABASE_URL."
    elif "too many" in reason or "slots are reserved" in reason:
        remedy = "Raise its max_connections, or run fewer processes."
    return f"cannot reach PostgreSQL at {_address()}: {reason}. {remedy}", NO_DATABASE


def _address() -> str:
    try:
        used = settings.DATABASES["default"]
    except ImproperlyConfigured:
        return "the address in DATABASE_URL"
    host = used.get("HOST") or used.get("OPTIONS", {}).get("host") or "localhost"
    return f"{host}:{used.get('PORT') or 5432}"


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split())
