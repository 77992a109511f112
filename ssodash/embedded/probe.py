"""Is the server there? Decided by talking to it, never by a pid."""

import enum
from pathlib import Path
from typing import Any

import psycopg
from psycopg import conninfo, pq

from ssodash.ports import LOOPBACK

USER = "ssodash"
DATABASE = "ssodash"


class Answer(enum.Enum):
    """What came back from the port."""

    READY = "our server, ready"
    BUSY = "a PostgreSQL that is starting up or shutting down"
    STRANGER = "somebody else"
    SILENCE = "nothing"


def ask(port: int, password: str, data: Path) -> Answer:
    """Who answers at this port."""
    where = parameters(port, password) | {"dbname": "postgres"}
    ping = pq.PGconn.ping(conninfo.make_conninfo("", **where).encode())
    if ping == pq.Ping.REJECT:
        return Answer.BUSY
    if ping != pq.Ping.OK:
        return Answer.SILENCE
    try:
        with psycopg.connect(**where, autocommit=True) as connection:
            row = connection.execute("show data_directory").fetchone()
    except psycopg.Error:
        # Also when it shut down between the two questions; whoever asks again learns that.
        return Answer.STRANGER
    return Answer.READY if row and Path(row[0]).resolve() == data.resolve() else Answer.STRANGER


def create_database(port: int, password: str) -> None:
    """Create the hub's database where it is not there yet. Raises psycopg.Error."""
    with psycopg.connect(**(parameters(port, password) | {"dbname": "postgres"}), autocommit=True) as connection:
        if not connection.execute("select 1 from pg_database where datname = %s", [DATABASE]).fetchone():
            connection.execute(f"create database {DATABASE}")


def parameters(port: int, password: str) -> dict[str, Any]:
    """How to connect. Everything that PGHOST and its like could change from outside is said."""
    return {
        "host": LOOPBACK,
        "hostaddr": LOOPBACK,
        "port": port,
        "user": USER,
        "password": password,
        "dbname": DATABASE,
        "sslmode": "disable",
        "gssencmode": "disable",
        "connect_timeout": 5,
        "application_name": "ssodash embedded",
    }


def url(port: int, password: str) -> str:
    """The same as an address for DATABASE_URL. The password holds only characters that need no quoting."""
    return f"postgresql://{USER}:{password}@{LOOPBACK}:{port}/{DATABASE}?sslmode=disable"
