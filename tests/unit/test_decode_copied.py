"""The text of what was copied beside what the installed strace prints of the same bytes."""

from __future__ import annotations

import re
import struct
from pathlib import Path

import pytest
from strace_lines import TEXT, strace_lines, strace_works
from trace_builder import TraceBuilder

from bpfrec.analyze.trace import Trace
from bpfrec.formats import schema
from bpfrec.formats.sockaddr import parse_sockaddr
from bpfrec.formats.syscalls import Capture, syscalls

needs_strace = pytest.mark.skipif(not strace_works(), reason="no strace 6.1 that may trace, or no gcc")

FUTEX_WAKE_OP = 5  # strace splits its operation
POINTER = re.compile(r"\b(0x4[0-9a-f]{5}|42[0-9]{5})\b")
POINTERS = ("20480", "0x5000")
"""What ours are; the program of strace's lies above 0x400000."""
Call = tuple[str, *tuple[int | bytes, ...]]
"""Bytes stand for a pointer to them."""


def words(*values: int) -> bytes:
    return struct.pack(f"<{len(values)}Q", *(value % 2**64 for value in values))


def ints(*values: int) -> bytes:
    return struct.pack(f"<{len(values)}I", *(value % 2**32 for value in values))


IN = b"\2\0\0\x50\x7f\0\0\1" + bytes(8)
IN6 = b"\12\0\1\xbb" + struct.pack(">I", 9) + b"\x20\1" + bytes(13) + b"\1" + ints(99)
ADDRESSES = (
    *(IN, IN6, IN6[:24] + ints(0), IN[:5], IN[:2], IN[:1]),
    *(b'\1\0/a"b\n\0', b"\1\0/a", b"\1\0", b"\1\0\0", b"\1\0\0ab\0c", b"\1\0\0ab\0001", b"\1\0\0\xff\0\\", b"\1\0\0@a"),
    *("\1\0/ü".encode(), b"\1\0/\xff\xfe1\\", b"\1\0" + b"/" * 108),
    *(b"\x10\0\0\0" + ints(77, groups) for groups in (0, 0x11, 0x12345678)),
    *(b"\x1f\0ab\377", b"\x63\0ab\3771", b"\0\0abcdef", b"\0\0"),
)
ENTERED: tuple[Call, ...] = (
    *(("nanosleep", words(*time), 0) for time in ((1, -1), (-1, 5), (2**62, 10**9))),
    *(("futex", 0x1000, op, 1, words(1, 2), 0x2000, 3) for op in range(14) if op != FUTEX_WAKE_OP),
    ("utimensat", -100, 0, words(0, 0x3FFFFFFF, 1, 0x3FFFFFFE), 0),
    ("utimensat", -100, 0, words(-3, 4, 5, -6), 0),
    ("utimes", 0, words(0, 0x3FFFFFFF, 1, 0x3FFFFFFE)),
    ("utimes", 0, words(-3, 4, 5, -6)),
    ("utime", 0, words(-3, 4)),
    ("select", 1, 0, 0, 0, words(-3, 4)),
    ("setitimer", 0, words(-3, 4, 5, -6), 0),
    ("timer_settime", 1, 0, words(-3, 4, 5, -6), 0),
    *(("setrlimit", 7, words(*limits)) for limits in ((1024, 2048), (-1, 2047), (0, 2**63))),
    *(
        ("openat2", -100, 0, words(flags, mode, 0x1F), 24)
        for flags in (0, 0x42, 0x400000, -1)
        for mode in (0, 4, 0o644)
    ),
    ("openat2", -100, 0, words(0x8002, 0o177, 0x21), 24),
    *(("connect", 3, address, len(address)) for address in ADDRESSES),
)
RETURNED: tuple[Call, ...] = (
    ("pipe", ints(3, 4)),
    ("socketpair", 1, 1, 0, ints(-1, 70000)),
    ("getrlimit", 7, words(1024, -1)),
    ("prlimit64", 0, 7, words(5, 6), words(1, 2)),
    ("getitimer", 0, words(1, 2, 3, 4)),
    ("timerfd_gettime", 3, words(1, 2, 3, 4)),
    ("clock_gettime", 0, words(1, 2)),
    ("gettimeofday", words(1, 2), 0),
    *(("wait4", -1, ints(status), 0, 0) for status in (0, 0x300, 0xFF00, 9, 0x8B, 0x137F, 0xFFFF, 0x857F, 0x20, 0x5)),
    *(("wait4", -1, ints(event << 16 | 0x57F), 0, 0) for event in (1, 8, 9, 128)),
)


def texts_of(folder: Path, calls: tuple[Call, ...], given: list[bytes], ret: int) -> list[str]:
    """Our texts; pointers and the rows of what they point at as the recorder makes them."""
    builder = TraceBuilder()
    for name, *arguments in calls:
        numbers = [0x5000 if isinstance(argument, bytes) else argument for argument in arguments]
        event = builder.call(name, 0, *numbers, ret=ret)
        captures = {capture.index: capture for capture in syscalls()[name].captures}
        for index, argument in enumerate(arguments):
            if isinstance(argument, bytes):
                add(builder, event, captures[index], argument)
    with Trace(builder.write(folder / "t.bpfrec")) as trace:
        found: dict[int, str] = {}
        for name in {name for name, *_ in calls}:
            found |= dict(trace.query(f"SELECT event_id, call_text FROM sys.{name}").rows)
    assert len(given) == len({*given})
    return [found[i] for i in range(len(calls))]


def add(builder: TraceBuilder, event: int, capture: Capture, raw: bytes) -> None:
    where = {"event_id": event, "arg": capture.index}
    if capture.kind == "timespec":
        sec, nsec = struct.unpack("<qq", raw)
        builder.add(schema.TIMESPECS, **where, tv_sec=sec, tv_nsec=nsec)
    elif capture.kind == "sockaddr":
        one = parse_sockaddr(raw)
        status = "not-utf8" if one.escaped else None
        columns = {"family": one.family, "address": one.address, "port": one.port, "extra": one.extra}
        builder.add(schema.SOCKADDRS, **where, **columns, status=status)
    else:
        padded = raw + bytes(-len(raw) % 8)
        columns = {f"word{i}": word for i, (word,) in enumerate(struct.iter_unpack("<Q", padded))}
        builder.add(schema.STRUCTS, **where, kind=capture.kind, **columns)


@needs_strace
@pytest.mark.parametrize(
    ("calls", "inject", "ret"), [(ENTERED, "error=ENOSYS", -38), (RETURNED, "retval=5", 5)], ids=["entered", "returned"]
)
def test_what_was_copied_is_written_as_strace_writes_it(tmp_path, calls, inject, ret):
    given = list(dict.fromkeys(a for _, *arguments in calls for a in arguments if isinstance(a, bytes)))
    made = [(name, *(TEXT + given.index(a) if isinstance(a, bytes) else a for a in rest)) for name, *rest in calls]
    strace = strace_lines(tmp_path, made, tuple(given), inject=inject)
    ours = texts_of(tmp_path, calls, given, ret)
    strace = [POINTER.sub(lambda match: POINTERS[match[0][:2] == "0x"], line) for line in strace]

    wrong = [f"strace: {s}\n  ours: {o}" for s, o in zip(strace, ours, strict=True) if s != o]
    assert not wrong, "\n".join(wrong)


@pytest.fixture(scope="module")
def copied(tmp_path_factory):
    """A trace of calls with everything that is copied, and one of each with nothing."""
    builder = TraceBuilder()
    connect = builder.call("connect", 0, 3, 0x5000, 16)
    builder.add(schema.SOCKADDRS, event_id=connect, arg=1, family=2, address="192.0.2.7", port=443)
    unread = builder.call("connect", 1, 3, 0x5000, 16, ret=-14)
    builder.add(schema.SOCKADDRS, event_id=unread, arg=1, status="unreadable")
    builder.call("connect", 2, 3, 0, 16, ret=-14)
    run = builder.call("execve", 3, 0x1, 0x2, 0x3, path="/bin/sh")
    for position, value in enumerate(("sh", "a b", "\\xff")):
        status = "not-utf8" if "\\" in value else None
        builder.add(schema.EXEC_ARGS, event_id=run, arg=1, position=position, value=value, status=status)
    cut = builder.call("execve", 4, 0x1, 0x2, 0x3, path="/bin/sh")
    builder.add(schema.EXEC_ARGS, event_id=cut, arg=1, position=0, value="sh")
    builder.add(schema.EXEC_ARGS, event_id=cut, arg=1, position=1, status="truncated")
    builder.call("execve", 5, 0x1, 0x2, 0x3, path="/bin/sh")
    limit = builder.call("prlimit64", 6, 0, 7, 0x1000, 0x2000)
    builder.add(schema.STRUCTS, event_id=limit, arg=2, kind="rlimit", word0=2**64 - 1, word1=2**63)
    builder.add(schema.STRUCTS, event_id=limit, arg=3, kind="rlimit", status="unreadable")
    pipe = builder.call("pipe2", 7, 0x1000, 0)
    builder.add(schema.STRUCTS, event_id=pipe, arg=0, kind="fds", word0=2**32 * 4 + 3)
    setting = builder.call("setitimer", 8, 0, 0x1000, 0)
    builder.add(
        schema.STRUCTS, event_id=setting, arg=1, kind="itimerval", word0=2**64 - 1, word1=2**64 - 2, word2=3, word3=4
    )
    with Trace(builder.write(tmp_path_factory.mktemp("copied") / "t.bpfrec")) as trace:
        yield trace


@pytest.mark.parametrize(
    ("query", "rows"),
    [
        (
            "SELECT uservaddr_family, uservaddr_address, uservaddr_port, uservaddr_status, uservaddr FROM sys.connect",
            [
                ("AF_INET", "192.0.2.7", 443, None, 0x5000),
                (None, None, None, "unreadable", 0x5000),
                (None, None, None, None, 0),
            ],
        ),
        (
            "SELECT uservaddr_text FROM sys.connect",
            [
                ('{sa_family=AF_INET, sin_port=htons(443), sin_addr=inet_addr("192.0.2.7")}',),
                ("0x5000",),
                ("NULL",),
            ],
        ),
        (
            "SELECT argv, argv_text, argv_status, arg_argv FROM sys.execve",
            [
                (["sh", "a b", "\\xff"], '["sh", "a b", "\\377"]', None, 2),
                (["sh"], '["sh", ...]', "truncated", 2),
                (None, "0x2", None, 2),
            ],
        ),
        ("SELECT argv[1], len(argv) FROM sys.execve LIMIT 1", [("sh", 3)]),
        (
            "SELECT new_rlim_rlim_cur, new_rlim_rlim_max, old_rlim_rlim_cur, old_rlim_status FROM sys.prlimit64",
            [(2**64 - 1, 2**63, None, "unreadable")],
        ),
        (
            "SELECT call_text FROM sys.prlimit64",
            [("prlimit64(0, RLIMIT_NOFILE, {rlim_cur=RLIM64_INFINITY, rlim_max=9007199254740992*1024}, 0x2000) = 0",)],
        ),
        ("SELECT fildes_0, fildes_1, call_text FROM sys.pipe2", [(3, 4, "pipe2([3, 4], 0) = 0")]),
        ("SELECT value_interval_tv_sec, value_interval_tv_usec FROM sys.setitimer", [(-1, -2)]),
        ("SELECT value_value_tv_sec, ovalue_status FROM sys.setitimer", [(3, None)]),
    ],
)
def test_what_was_copied_has_columns(copied, query, rows):
    assert copied.query(query).rows == rows


def test_columns_of_what_was_copied_have_types_and_comments(copied):
    types = dict(copied.query("SELECT column_name, column_type FROM (DESCRIBE sys.setitimer)").rows)
    assert types["value_value_tv_usec"] == "BIGINT"
    types = dict(copied.query("SELECT column_name, column_type FROM (DESCRIBE sys.execve)").rows)
    assert types["argv"] == "VARCHAR[]"
    assert copied.query("SELECT count(*) FROM duckdb_columns() WHERE schema_name = 'sys' AND comment IS NULL").rows == [
        (0,)
    ]


@pytest.mark.parametrize("name", [call.name for call in syscalls().values() if call.captures])
def test_every_view_of_a_call_with_captures_can_be_made_whole(copied, name):
    assert copied.sql(f"SELECT * FROM sys.{name}").fetchall() is not None
    declared = {a.name for a in syscalls()[name].arguments or ()}
    assert declared, "captures of arguments that are not described"
