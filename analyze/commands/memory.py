"""A bound for all memory of `bpfrec analyze`: a crafted trace makes it fail, and not the machine."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bpfrec.analyze.engine.session import MEMORY_VARIABLE, MOST_BYTES

try:
    import resource
except ImportError:  # Windows has none
    resource = None  # type: ignore[assignment]

_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([KMGT])(i?)B?", re.IGNORECASE)
_BESIDE_BYTES = 512 << 20
"""For what is not DuckDB's: Python, Arrow."""
_CPU_BYTES = 32 << 20
"""For the threads of each CPU: libraries start several, each with a stack of 8 MiB."""


@contextmanager
def bounded_memory() -> Iterator[None]:
    """Lets the process take one and a half times the memory that DuckDB may have, and some for all else.

    DuckDB counts most of what it takes, but not the rows that it hands out: one text of 64 MiB that stands in
    thousands of rows takes kilobytes in a file. Beyond the bound there is a MemoryError, or DuckDB's own.
    """
    limit = _duckdb_bytes() if resource else None
    if limit is None:
        yield
        return
    before = resource.getrlimit(resource.RLIMIT_DATA)
    bound = _taken_bytes() + limit * 3 // 2 + _BESIDE_BYTES + (os.cpu_count() or 1) * _CPU_BYTES
    if before[0] != resource.RLIM_INFINITY:
        bound = min(bound, before[0])
    resource.setrlimit(resource.RLIMIT_DATA, (bound, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, before)


def _duckdb_bytes() -> int | None:
    """What DuckDB may take; None if the variable says it in a way that only DuckDB reads."""
    wanted = os.environ.get(MEMORY_VARIABLE, "")
    if not wanted:
        return min(MOST_BYTES, os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2)
    size = _SIZE.fullmatch(wanted.strip())
    if size is None:
        return None
    power = "KMGT".index(size[2].upper()) + 1
    return int(float(size[1]) * (1024 if size[3] else 1000) ** power)


def _taken_bytes() -> int:
    """Private memory that the process has already, in the terms of RLIMIT_DATA; 0 if the system does not say."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[5])
    except (OSError, IndexError, ValueError):
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE")
