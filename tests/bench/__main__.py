"""`make bench`, or some of it: `make bench ARGS="single pushes"`."""

import signal
import sys
import time
from collections.abc import Callable, Sequence

from tests.bench import batches, pages, pushes, servers, single, sweeps, writers
from tests.bench.database import Database, database
from tests.bench.table import Row, render, say

ITEMS: dict[str, Sequence[Callable[[Database], list[Row]]]] = {
    "single": single.PARTS,
    "batches": batches.PARTS,
    "writers": writers.PARTS,
    "pushes": pushes.PARTS,
    "sweeps": sweeps.PARTS,
    "pages": pages.PARTS,
}


def main(arguments: Sequence[str]) -> int:
    """The exit status: 1 when a target is missed, 2 when it cannot be run."""
    unknown = [name for name in arguments if name not in ITEMS]
    trouble = f"There is no {unknown[0]!r}: choose from {', '.join(ITEMS)}." if unknown else servers.missing_program()
    if trouble:
        sys.stderr.write(trouble + "\n")
        return 2
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # leave the with blocks, which stop the servers
    rows: list[Row] = []
    started = time.monotonic()
    with database() as db:
        for name in arguments or ITEMS:
            say(f"{name} …")
            for part in ITEMS[name]:
                try:
                    rows += part(db)
                except (RuntimeError, TimeoutError) as error:
                    say(f"  {error}")
                    rows.append(Row(f"{name}: {part.__name__.strip('_').replace('_', ' ')}", f"not done: {str(error)[:80]}", "done", False))
    say(f"\n{render(rows)}\n\n{time.monotonic() - started:.0f} s in all, by Python {sys.version.split()[0]} of {sys.base_prefix}.")
    return 0 if all(row.met is not False for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
