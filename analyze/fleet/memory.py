"""How much memory a process that asks traces may take."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from pathlib import Path

from bpfrec.analyze.engine.session import MEMORY_VARIABLE, MOST_BYTES
from bpfrec.formats.units import bytes_in

_LEAST_BYTES = 256 << 20
_MORE_BYTES = 768 << 20
"""What a process may take beside DuckDB: for Python, Arrow, the names of files, and threads with their stacks."""

_USAGE = Path("/proc/self/statm")
_DATA = 5
"""The field of statm that has the pages of data and stacks."""


def limit_of_each(jobs: int) -> str:
    """What DuckDB may take in each of ``jobs`` processes, if the user has not said it."""
    own = os.environ.get(MEMORY_VARIABLE)
    if own:
        return own
    whole = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") if hasattr(os, "sysconf") else MOST_BYTES
    return f"{min(max(whole // 2 // jobs, _LEAST_BYTES), MOST_BYTES) >> 20}MiB"


class MemoryBound:
    """Bounds the memory of this process by ``limit``, which DuckDB has, and some more.

    Beyond it an allocation fails, which is an error of one question; without a bound the kernel would kill some
    process of the machine. It holds on Linux only, and for a limit in bytes.
    """

    def __init__(self, limit: str) -> None:
        self._begin = data_bytes()
        self._most = 0
        if not sys.platform.startswith("linux"):
            return
        import resource  # noqa: PLC0415 - Windows has none

        with suppress(ValueError, OSError):
            self._most = bytes_in(limit) + _MORE_BYTES
            _, hard = resource.getrlimit(resource.RLIMIT_DATA)
            resource.setrlimit(resource.RLIMIT_DATA, (self._begin + self._most, hard))

    def is_half_used(self) -> bool:
        """Whether this process keeps so much that it had better be replaced."""
        return bool(self._most) and data_bytes() - self._begin > self._most // 2


def data_bytes() -> int:
    """What counts for the bound: memory of this process that it can write to and shares with none; 0 if not known."""
    try:
        return int(_USAGE.read_text("ascii").split()[_DATA]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, IndexError, AttributeError):
        return 0
