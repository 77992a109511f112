"""Which form of chaos this is: a short one among all tests, or the long one of `make chaos`."""

import os
import random

LONG = os.environ.get("CHAOS") == "long"
SEED = os.environ.get("CHAOS_SEED") or str(random.SystemRandom().randrange(10**6))
"""Repeats the same edits and kills, as far as the processes' own timing allows."""
