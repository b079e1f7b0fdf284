"""record/decode/requests.py: what is known of a request to io_uring."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from support import ring_bytes

from bpfrec.bpf import wire
from bpfrec.formats.schema import URING
from bpfrec.record.decode.requests import request_rows

READ, OPENAT, RENAMEAT, NOP = 22, 18, 35, 0
PLAIN = {"opcode": READ, "fd": 5, "ts": 1000, "end": 1250, "ret": 7, "len": 64}


def row(paths: bytes = b"", **columns: int) -> dict[str, Any]:
    """The row of one request, without what is NULL or 0."""
    records = ring_bytes.decode(ring_bytes.request(paths, **columns))
    (found,) = request_rows(records.requests, records.data, records.request_data).to_pylist()
    return {name: value for name, value in found.items() if value or name in ("fd", "slot", "ret")}


def test_a_request_that_is_completed() -> None:
    found = row(**PLAIN, user_data=2**64 - 1, call=900, uid=2**32 - 1)
    assert {name: value for name, value in found.items() if value is not None} == {
        "ts_ns": 1000,
        "duration_ns": 250,
        "op": "read",
        "fd": 5,
        "ret": 7,
        "len": 64,
        "call_ns": 900,
        "pid": 100,
        "tid": 101,
        "comm": "worker",
        "uid": -1,
        "user_data": 2**64 - 1,
    }


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        ({"end": 0}, {"status": "in-progress", "ret": None, "duration_ns": None}),
        ({"end": 0, "flags": wire.URING_UNTOLD}, {"status": "untold", "ret": None}),
        ({"flags": wire.URING_REFUSED, "ret": -22}, {"status": "refused", "errno": "EINVAL"}),
        ({"flags": wire.URING_UNREAD}, {"status": "unread", "fd": None, "len": None, "ret": 7}),
        ({"flags": wire.URING_UNREAD | wire.URING_EARLIER}, {"status": "before-recording", "op": "read"}),
        ({"flags": wire.URING_UNREAD | wire.URING_NO_REQUEST}, {"status": "no-request", "op": None}),
        ({"flags": wire.URING_HANDED_OVER | wire.URING_POLLED}, {"done_by": "worker", "status": None}),
        ({"flags": wire.URING_POLLED}, {"done_by": "poller"}),
        ({"entry_flags": 1}, {"fd": None, "slot": 5}),
        ({"opcode": NOP}, {"op": "nop", "fd": None, "slot": None}),
        ({"opcode": 255}, {"op": "unknown_255", "fd": 5}),
        ({"ret": -2}, {"errno": "ENOENT", "ret": -2}),
    ],
)
def test_only_what_is_known_is_told(columns: dict[str, int], expected: dict[str, Any]) -> None:
    found = row(**(PLAIN | columns))
    assert {name: found.get(name) for name in expected} == expected


@pytest.mark.parametrize(
    ("paths", "columns", "expected"),
    [
        (b"/a", {"path": 2}, ("/a", None, None, None)),
        (b"oldnew", {"path": 3, "path2": 3}, ("old", None, "new", None)),
        (b"\xff", {"path": 1}, ("\\xff", "not-utf8", None, None)),
        (b"", {"path": -14}, (None, "unreadable", None, None)),
        (b"", {"path": 5}, (None, "lost", None, None)),
        (b"a" * 255, {"path": 255}, ("a" * 255, "truncated", None, None)),
    ],
)
def test_paths(paths: bytes, columns: dict[str, int], expected: tuple[str | None, ...]) -> None:
    found = row(paths, **(PLAIN | {"opcode": RENAMEAT} | columns))
    assert tuple(found.get(name) for name in ("path", "path_status", "path2", "path2_status")) == expected


# More bytes of paths than 16 bits count, with those of the record.
@example(b"\x88\x7f" + bytes(wire.URING.itemsize - 5))
@given(st.binary(min_size=wire.URING.itemsize - 5, max_size=wire.URING.itemsize + 64))
def test_no_bytes_make_it_fail(data: bytes) -> None:
    head = b"\0\0" + data[:2] + bytes([wire.KIND_URING]) + data[2:]
    record = wire.record(head, b"")
    records = wire.decode(np.frombuffer(wire.batch_sample(record, 0), np.uint8))
    found = request_rows(records.requests, records.data, records.request_data)
    assert found.column_names == [column.name for column in URING.columns]
    assert len(found) == len(records.requests) <= 1
