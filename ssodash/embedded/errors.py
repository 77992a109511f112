"""What goes wrong with the embedded PostgreSQL, said so that a person can mend it."""


class EmbeddedError(Exception):
    """The embedded PostgreSQL cannot be used; the message says why and what to do. It never holds the password."""


class PortTaken(EmbeddedError):
    """Another program listens on the port that the embedded PostgreSQL uses."""
