"""Why `up` cannot start."""


class CannotStart(Exception):
    """The hub cannot be started; the message says why and what to do."""
