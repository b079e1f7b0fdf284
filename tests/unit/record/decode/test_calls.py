"""record/decode/calls.py: bytes of a ring in, rows of syscalls and timespecs out."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from support import ring_bytes

from bpfrec.bpf import wire
from bpfrec.formats.kernel.syscalls import syscalls
from bpfrec.record.decode.calls import call_rows
from bpfrec.record.processes.calls_in_progress import CallInProgress

POINTER = 0x7F00_0000_1000
EFAULT = 14


def native(name: str) -> int:
    return syscalls()[name].numbers["x86_64"]


def row(*records: bytes) -> dict[str, Any]:
    """The only row that ``records`` give."""
    rows: list[dict[str, Any]] = call_rows(ring_bytes.decode(*records, cpu=3)).table.to_pylist()
    assert len(rows) == 1, f"one call was put in, {len(rows)} came out"
    return rows[0]


def openat(**options: Any) -> bytes:
    return ring_bytes.call(native("openat"), args=(0xFFFFFF9C, POINTER, 0, 0), **options)


def path_of(*records: bytes) -> tuple[str | None, str | None]:
    found = row(*records)
    return found["path"], found["path_status"]


def test_a_failed_open() -> None:
    found = row(openat(inline=b"/etc/nothing", ret=-2, ts=5_000, duration=70, pid=10, tid=11, uid=1000))
    expected = {
        "ts_ns": 5000,
        "duration_ns": 70,
        "pid": 10,
        "tid": 11,
        "uid": 1000,
        "cpu": 3,
        "abi": "x86_64",
        "nr": native("openat"),
        "syscall": "openat",
        "arg1": POINTER,
        "arg4": None,
        "arg5": None,
        "ret": -2,
        "errno": "ENOENT",
        "path": "/etc/nothing",
        "path_status": None,
        "path2": None,
        "unfinished": None,
    }
    assert {name: found[name] for name in expected} == expected


@pytest.mark.parametrize(
    ("records", "expected"),
    [
        ([openat(inline=b"")], ("", None)),
        ([openat(inline=b"/\xff\xfe")], ("/\\xff\\xfe", "not-utf8")),
        ([openat(captured=-EFAULT)], (None, "unreadable")),
        ([ring_bytes.call(native("openat"), args=(0, 0), captured=-EFAULT)], (None, "null")),
    ],
    ids=["empty", "not UTF-8", "unreadable", "NULL"],
)
def test_paths_that_fit(records: list[bytes], expected: tuple[str | None, str | None]) -> None:
    assert path_of(*records) == expected


def long_path(whole: bytes, *, captured: int | None = None) -> list[bytes]:
    return [
        ring_bytes.extra(wire.KIND_DATA, whole, arg=1, captured=captured),
        openat(inline=whole[: wire.INLINE_BYTES - 1].ljust(wire.INLINE_BYTES - 1, b"/"), flags=wire.SPILLED),
    ]


def test_paths_that_do_not_fit_come_aside() -> None:
    whole = b"/" + b"d" * 3000
    assert path_of(*long_path(whole)) == (whole.decode(), None), "the whole path is in the record beside the call"
    cut = b"/" + b"d" * (wire.DATA_MAX - 2)
    assert path_of(*long_path(cut))[1] == "truncated", "a path longer than PATH_MAX is not whole"
    assert path_of(*long_path(b"", captured=-EFAULT)) == (None, "unreadable")
    text, status = path_of(*long_path(whole)[1:])
    assert (len(text or ""), status) == (wire.INLINE_BYTES - 1, "lost"), "the rest was lost, and that must be said"


def test_second_paths() -> None:
    rename = ring_bytes.call(native("rename"), args=(POINTER, POINTER + 64), inline=b"a")
    both = row(ring_bytes.extra(wire.KIND_DATA, b"b", arg=1), rename)
    assert (both["path"], both["path2"], both["path2_status"]) == ("a", "b", None)
    assert row(rename)["path2_status"] == "lost", "a second path that never came is lost, not absent"
    null = ring_bytes.call(native("rename"), args=(POINTER, 0), inline=b"a")
    assert row(null)["path2_status"] == "null"
    assert row(openat(inline=b"a"))["path2_status"] is None, "openat has no second path"


def test_calls_without_paths_have_none() -> None:
    found = row(ring_bytes.call(native("read"), args=(3, POINTER, 100), ret=7, inline=b"/etc/passwd"))
    assert (found["path"], found["path_status"], found["arg2"], found["arg3"]) == (None, None, 100, None)


@pytest.mark.parametrize(
    ("nr", "flags", "expected"),
    [
        (5, wire.COMPAT, ("i386", 5, "open")),
        (5, 0, ("x86_64", 5, "fstat")),
        (0, wire.X32, ("x32", 0, "read")),
        (499, 0, ("x86_64", 499, "unknown_499")),
        (100_000, 0, ("x86_64", -1, "unknown_100000")),
        (-1, 0, ("x86_64", -1, "unknown_-1")),
    ],
)
def test_numbers_belong_to_their_abi(nr: int, flags: int, expected: tuple[str, int, str]) -> None:
    found = row(ring_bytes.call(nr, flags=flags))
    assert (found["abi"], found["nr"], found["syscall"]) == expected


def test_unknown_calls_keep_all_arguments() -> None:
    found = row(ring_bytes.call(499, args=(1, 2, 3, 4, 5, 2**64 - 1)))
    assert [found[f"arg{i}"] for i in range(6)] == [1, 2, 3, 4, 5, 2**64 - 1]


@pytest.mark.parametrize(
    ("ret", "errno"),
    [(0, None), (-1, "EPERM"), (-512, "ERESTARTSYS"), (-4095, "E4095"), (-4096, None), (2**47, None)],
)
def test_errno(ret: int, errno: str | None) -> None:
    found = row(ring_bytes.call(native("mmap"), ret=ret))
    assert (found["ret"], found["errno"]) == (ret, errno)


def test_what_is_not_copied_of_32_bit_calls_is_counted() -> None:
    def unread(number: int, args: tuple[int, ...], flags: int = wire.COMPAT) -> int:
        return call_rows(ring_bytes.decode(ring_bytes.call(number, args=args, flags=flags))).unread_32_bit

    sendmsg, select, socketcall, clock_gettime64, connect, access = 370, 82, 102, 403, 362, 33
    assert unread(sendmsg, (3, 4096, 0)) == 1
    assert unread(sendmsg, (3, 0, 0)) == 0, "nothing is passed"
    assert unread(select, (4096,)) == unread(socketcall, (1, 4096)) == 1
    assert unread(clock_gettime64, (0, 4096)) == unread(connect, (3, 4096, 16)) == unread(access, (4096, 0)) == 0
    assert unread(native("sendmsg"), (3, 4096, 0), flags=0) == 0


def test_calls_that_did_not_return() -> None:
    record = ring_bytes.call(native("exit_group"), args=(1,), flags=wire.NO_RETURN, ret=-2, duration=5)
    ended = row(record)
    expected = {"ret": None, "errno": None, "duration_ns": None, "unfinished": "thread-exited", "cpu": 3}
    assert {name: ended[name] for name in expected} == expected
    records = ring_bytes.decode(openat(inline=b"/dev/tty", flags=wire.NO_RETURN))
    waiting = call_rows(records, still_running=True).table.to_pylist()[0]
    expected |= {"unfinished": "recording-stopped", "cpu": None, "path": "/dev/tty"}
    assert {name: waiting[name] for name in expected} == expected


def test_no_calls_give_no_rows() -> None:
    rows = call_rows(wire.decode(np.empty(0, np.uint8)))
    assert (len(rows.table), rows.captures) == (0, [])


@pytest.mark.parametrize(
    ("flags", "expected"),
    [(0, None), (wire.NO_ENTRY, "refused"), (wire.NO_ENTRY | wire.EARLIER, "before-recording")],
)
def test_entries_that_were_not_seen(flags: int, expected: str | None) -> None:
    assert row(openat(inline=b"/a", flags=flags))["entry_status"] == expected


def test_a_call_that_is_known_from_proc_alone() -> None:
    arguments = (2**64 - 100, POINTER, 0, 0)
    sample = CallInProgress(7, 8, 9, native("openat"), arguments, compat=False).sample(began=1000)
    rows = call_rows(wire.decode(np.frombuffer(sample, np.uint8)), still_running=True).table.to_pylist()
    expected = {"pid": 7, "tid": 8, "uid": 9, "ts_ns": 1000, "duration_ns": None, "ret": None}
    expected |= {"entry_status": "before-recording", "unfinished": "recording-stopped"}
    expected |= {"syscall": "openat", "arg0": 2**64 - 100, "arg3": 0, "arg4": None}
    expected |= {"path": None, "path_status": "not-captured"}
    assert len(rows) == 1
    assert {name: rows[0][name] for name in expected} == expected
