"""What io_uring can be asked for; ``uring_ops.tsv`` has the facts, and its head says what they mean."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from bpfrec.formats.kernel.fact_tables import tsv_rows


@dataclass(frozen=True)
class UringOp:
    """A row of the table, with None for ``-``."""

    number: int
    name: str
    call: str | None
    fd: str | None
    second: str | None
    gives: str | None


@cache
def uring_ops() -> dict[int, UringOp]:
    """The operations by number."""
    found = {}
    for number, name, *rest in tsv_rows("uring_ops.tsv"):
        call, fd, second, gives = (None if value == "-" else value for value in rest)
        found[int(number)] = UringOp(int(number), name, call, fd, second, gives)
    return found
