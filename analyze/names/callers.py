"""Threads as one number each: the upper 32 bits are the thread's id, the lower ones that of its process."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from bpfrec.formats.numeric.asof import Integers, Numbers

CALLER_SQL = (
    "((if(coalesce(tid, -1) < 0, coalesce(pid, -1), tid)::BIGINT & 2147483647) << 32)"
    " | (coalesce(pid, -1)::BIGINT & 4294967295)"
)
"""What :func:`callers` gives, in SQL: it is computed beside what is read."""

_PID = 0xFFFFFFFF
_INT64 = pa.int64()


def numbers(table: pa.Table, name: str, null: int) -> Integers:
    """A column of integers, ``null`` where it is NULL; not to be written to."""
    return short_numbers(table, name, null, _INT64).astype(np.int64, copy=False)


def short_numbers(table: pa.Table, name: str, null: int, kind: pa.DataType) -> Numbers:
    """The same as numbers of ``kind``."""
    # What takes all 64 bits of an argument becomes negative.
    column = table[name].combine_chunks().cast(kind, safe=False)
    filled: Numbers = (column.fill_null(null) if column.null_count else column).to_numpy()
    return filled


def callers(table: pa.Table) -> Integers:
    """The threads in the columns ``pid`` and ``tid``; a process whose ``tid`` is NULL stands for its main thread."""
    pid = numbers(table, "pid", -1)
    tid = numbers(table, "tid", -1)
    return caller(pid, np.where(tid < 0, pid, tid) if len(tid) and tid.min() < 0 else tid)


def caller(pid: Integers, tid: Integers) -> Integers:
    """The number of each thread."""
    return (tid & 0x7FFFFFFF) << 32 | (pid & _PID)


def pid_of(callers: Integers) -> Integers:
    """The process of each thread."""
    return callers & _PID


def tid_of(callers: Integers) -> Integers:
    """The thread's own id."""
    return callers >> 32
