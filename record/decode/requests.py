"""Requests to io_uring to rows of the table ``uring``."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from bpfrec.bpf import wire
from bpfrec.formats.kernel.uring_ops import uring_ops
from bpfrec.formats.schema import URING
from bpfrec.record.decode.calls import errno_column
from bpfrec.record.decode.text import choice, status, string_array, thread_names

_NO_PATH = -61
_LONGEST = 255
_FIXED_FILE = 1
"""IOSQE_FIXED_FILE: the descriptor is a number among the ring's own files."""

Mask = NDArray[np.bool_]
Integers = NDArray[np.int64]


def request_rows(requests: NDArray[np.void], data: NDArray[np.uint8], starts: Integers) -> pa.Table:
    """The rows of ``uring`` for records (dtype :data:`.wire.URING`), whose paths start at ``starts`` in ``data``."""
    flags = requests["flags"]
    ts, end = (requests[name].astype(np.int64) for name in ("ts", "end"))
    is_read = (flags & wire.URING_UNREAD) == 0
    has_file = is_read & ~np.isin(requests["opcode"], [op.number for op in uring_ops().values() if op.fd is None])
    is_fixed = (requests["entry_flags"] & _FIXED_FILE) != 0
    has_request = (flags & wire.URING_NO_REQUEST) == 0
    is_complete = end > 0
    ret = requests["ret"]
    first, second = requests["path"].astype(np.int64), requests["path2"].astype(np.int64)
    held = np.maximum(requests["captured"].astype(np.int64), 0)
    columns: dict[str, pa.Array] = {
        "ts_ns": pa.array(ts),
        "duration_ns": _where(end - ts, is_complete),
        "op": _operations(requests["opcode"], has_request),
        "fd": _where(requests["fd"].astype(np.int32), has_file & ~is_fixed),
        "slot": _where(requests["fd"].astype(np.int32), has_file & is_fixed),
        "ret": _where(ret.astype(np.int64), is_complete),
        "errno": errno_column(ret.astype(np.int64), ~is_complete),
        **_path("path", first, data, starts, held),
        **_path("path2", second, data, starts + np.clip(first, 0, held), held - np.clip(first, 0, held)),
        **{name: pa.array(requests[name].astype(np.int32)) for name in ("pid", "tid")},
        "comm": thread_names(requests["comm"]),
        "uid": pa.array(np.ascontiguousarray(requests["uid"]).view(np.int32)),
        "status": _statuses(flags, is_complete),
        "done_by": status(
            [((flags & wire.URING_HANDED_OVER) != 0, "worker"), ((flags & wire.URING_POLLED) != 0, "poller")],
            len(requests),
        ),
        "offset": _where(requests["off"], is_read),
        "address": _where(requests["addr"], is_read),
        **{name: _where(requests[name].astype(np.int64), is_read) for name in ("len", "op_flags")},
        **{name: _where(requests[name].astype(np.int32), is_read) for name in ("entry_flags", "ioprio", "file_index")},
        "user_data": pa.array(requests["user_data"]),
        "cqe_flags": _where(requests["cqe_flags"].astype(np.int64), is_complete),
        "call_ns": _where(requests["call"].astype(np.int64), requests["call"] > 0),
    }
    return pa.table(columns).select([c.name for c in URING.columns])


def _statuses(flags: NDArray[np.uint8], is_complete: Mask) -> pa.Array:
    untold = (flags & wire.URING_UNTOLD) != 0
    conditions = [
        (untold, "untold"),
        (~is_complete, "in-progress"),
        ((flags & wire.URING_EARLIER) != 0, "before-recording"),
        ((flags & wire.URING_NO_REQUEST) != 0, "no-request"),
        ((flags & wire.URING_REFUSED) != 0, "refused"),
        ((flags & wire.URING_UNREAD) != 0, "unread"),
    ]
    return status(conditions, len(flags))


def _operations(opcode: NDArray[np.uint8], known: Mask) -> pa.Array:
    ops = uring_ops()
    names = [ops[number].name if number in ops else f"unknown_{number}" for number in range(256)]
    return choice(np.where(known, opcode.astype(np.int32), -1).astype(np.int32), names)


def _path(
    name: str, length: Integers, data: NDArray[np.uint8], starts: Integers, held: Integers
) -> dict[str, pa.Array]:
    """The columns ``name`` and its status.

    ``length``: bytes of the path, or -errno. ``held``: bytes that there are from ``starts`` on.
    """
    there = (length >= 0) & (length <= held)
    text, odd = string_array(data, starts, np.where(there, length, 0), there)
    conditions = [
        ((length < 0) & (length != _NO_PATH), "unreadable"),
        ((length >= 0) & ~there, "lost"),
        (there & (length >= _LONGEST), "truncated"),
        (odd, "not-utf8"),
    ]
    return {name: text, f"{name}_status": status(conditions, len(length))}


def _where(values: NDArray[np.generic], having: Mask) -> pa.Array:
    return pa.array(np.ascontiguousarray(values), mask=~having)
