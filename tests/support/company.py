"""Which kernel tests run at the same time as those of another worker of pytest-xdist.

Most recordings are of processes that a test starts itself, and what runs beside them does no harm. A recording of
everything, of a user or of a name would find the processes of another test as well: such a test runs alone.
"""

from __future__ import annotations

import fcntl
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def in_company(run: str, *, alone: bool) -> Iterator[None]:
    """Waits until a test of the test run called ``run`` may run, and lets no other one begin that would disturb it."""
    folder = Path(tempfile.gettempdir())
    with (folder / f"bpfrec-door-{run}").open("w") as door, (folder / f"bpfrec-room-{run}").open("w") as room:
        # Whoever wants to be alone waits in the door, so that nobody else enters meanwhile.
        fcntl.flock(door, fcntl.LOCK_EX)
        fcntl.flock(room, fcntl.LOCK_EX if alone else fcntl.LOCK_SH)
        fcntl.flock(door, fcntl.LOCK_UN)
        yield
