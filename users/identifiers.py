"""Public user ids: `user_` and a ULID, so that newer ids sort after older ones (https://github.com/ulid/spec)."""

import secrets
import time

ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


def new_user_id() -> str:
    """A fresh public id. The database's function of the same name makes ids of the same form."""
    number = (time.time_ns() // 1_000_000 << 80) | secrets.randbits(80)
    return "user_" + "".join(ALPHABET[number >> shift & 31] for shift in range(125, -1, -5))
