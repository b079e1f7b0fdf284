"""record/decode/narrow.py: structs of 32-bit programs come out as those of 64-bit ones."""

from __future__ import annotations

import struct
from typing import Any

import pytest
from support import ring_bytes

from bpfrec.bpf import wire
from bpfrec.formats.columns import Table
from bpfrec.formats.kernel.captures import NARROW, STRUCTS, captured_bytes, narrow, wide_members
from bpfrec.formats.kernel.syscalls import syscalls
from bpfrec.formats.schema import ARRAYS, EXEC_ARGS, TIMESPECS
from bpfrec.formats.schema import STRUCTS as STRUCT_TABLE
from bpfrec.record.decode.calls import call_rows

POINTER = 0xFFF0_1000
NO_LIMIT = 2**64 - 1


def made(name: str, *args: int, **more: Any) -> bytes:
    call = syscalls()[name]
    return ring_bytes.call(call.numbers["i386"], args=args, flags=wire.COMPAT, **more)


def rows(table: Table, *records: bytes) -> list[tuple[int, dict[str, Any]]]:
    """Rows of ``table``, each with the number of the call that it belongs to, without what is NULL."""
    sides = [side for side in call_rows(ring_bytes.decode(*records)).captures if side.table is table]
    pairs = [row for side in sides for row in zip(side.calls.tolist(), side.rows.to_pylist(), strict=True)]
    return [(call, {name: value for name, value in row.items() if value is not None}) for call, row in pairs]


def test_times_and_other_structs() -> None:
    found = rows(
        TIMESPECS,
        made("nanosleep", POINTER, 0, inline=struct.pack("<ii", 1, 250)),
        ring_bytes.call(35, args=(POINTER, 0), inline=struct.pack("<qq", -3, 4)),
        made("nanosleep", POINTER, 0, inline=struct.pack("<ii", -1, 5)),
        made("nanosleep", POINTER, 0, captured=-14),
    )
    assert found == [
        (0, {"arg": 0, "tv_sec": 1, "tv_nsec": 250}),
        (1, {"arg": 0, "tv_sec": -3, "tv_nsec": 4}),
        (2, {"arg": 0, "tv_sec": -1, "tv_nsec": 5}),
        (3, {"arg": 0, "status": "unreadable"}),
    ]
    found = rows(
        STRUCT_TABLE,
        made("setrlimit", 7, POINTER, inline=struct.pack("<II", 1024, 0xFFFFFFFF)),
        made("prlimit64", 0, 7, POINTER, 0, inline=struct.pack("<QQ", 5, 0xFFFFFFFF)),
        made("rt_sigaction", 10, POINTER, 0, 8, inline=struct.pack("<IIIQ", 0xFFFF0000, 0x4000000, 7, 1 << 40)),
        made("timerfd_settime", 3, 0, POINTER, 0, inline=struct.pack("<iiii", 1, 2, -3, 4)),
        made("rt_sigprocmask", 0, POINTER, 0, 8, inline=struct.pack("<Q", 1 << 40)),
    )
    assert [(call, row["kind"], *(row[f"word{n}"] for n in range(4) if f"word{n}" in row)) for call, row in found] == [
        (0, "rlimit", 1024, NO_LIMIT),
        (1, "rlimit", 5, 0xFFFFFFFF),
        (2, "sigaction", 0xFFFF0000, 0x4000000, 7, 1 << 40),
        (3, "itimerspec", 1, 2, 2**64 - 3, 4),
        (4, "sigset", 1 << 40),
    ]


def test_vectors() -> None:
    call = made("writev", 1, POINTER, 2, inline=struct.pack("<IIII", 0x1000, 5, 0xFFFF0000, 7))
    kept = {"arg": 1, "kind": "iovec", "phase": "entry"}
    assert rows(ARRAYS, call) == [
        (0, kept | {"position": 0, "word0": 0x1000, "word1": 5}),
        (0, kept | {"position": 1, "word0": 0xFFFF0000, "word1": 7}),
    ]
    argv = ring_bytes.extra(wire.KIND_DATA, b"ls\0-l\0", arg=1)
    call = made("execve", POINTER, POINTER, POINTER, inline=b"/bin/ls")
    assert [row["value"] for _, row in rows(EXEC_ARGS, argv + call)] == ["ls", "-l"]


def test_what_is_copied_does_not_count_as_missing() -> None:
    def missing(*records: bytes) -> int:
        return call_rows(ring_bytes.decode(*records)).unread_32_bit

    assert missing(made("nanosleep", POINTER, 0), made("execve", POINTER, POINTER, POINTER)) == 0
    assert missing(made("sendmsg", 3, POINTER, 0), made("socketcall", 1, POINTER), made("select", POINTER)) == 3


@pytest.mark.parametrize("name", NARROW)
def test_each_member_has_its_place(name: str) -> None:
    assert len(NARROW[name]) == len(wide_members(name))
    places = [place for m in NARROW[name] for place in range(m.offset, m.offset + m.size)]
    assert len(places) == len(set(places))
    assert captured_bytes(narrow(name)) == max(places) + 1
    assert name not in STRUCTS or captured_bytes(name) > captured_bytes(narrow(name)) or name == "siginfo"
