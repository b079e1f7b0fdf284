"""The text of what was copied beside what the installed strace prints of the same bytes."""

from __future__ import annotations

import re
import struct
from pathlib import Path

import pytest
from support.strace_lines import TEXT, strace_lines, strace_works
from support.trace_builder import TraceBuilder

from bpfrec.analyze.facade import Trace
from bpfrec.formats import schema
from bpfrec.formats.kernel.captures import ELEMENTS
from bpfrec.formats.kernel.sockaddr import parse_sockaddr
from bpfrec.formats.kernel.syscalls import RESULT_LENGTH, Capture, syscalls

needs_strace = pytest.mark.skipif(not strace_works(), reason="no strace 6.1 that may trace, or no gcc")

FUTEX_WAKE_OP = 5  # strace splits its operation
POINTER = re.compile(r"\b(0x4[0-9a-f]{5}|42[0-9]{5})\b")
POINTERS = ("20480", "0x5000")
"""What ours are; the program of strace's lies above 0x400000."""
SIZE = re.compile(r"\[\d\]\)(?= = 5$)")
"""The size of an option, which is not copied."""
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
MASKS = (0, 1, -1, ~(1 << 8), *((1 << bits) - 1 for bits in (41, 42, 43)), *(1 << bit for bit in range(64)))
CLONES = (
    *((0,) * size for size in (8, 9, 11)),
    *((flags, 1, 2, 3, 0, 5, 6, 7, 0, 0, 0) for flags in (0, 0x1000, 0x300000, 0x80000, -1)),
    *((0, 1, 2, 3, signal, 5, 6, 7, 0, 0, 0) for signal in (0, 17, 99)),
    *((0, 1, 2, 3, 2**33, 5, 6, 7, 0, size, group) for size in (0, 1, 33) for group in (0, 3)),
    (0x200000000, 1, 2, 3, 17, 5, 6, 7, 0, 0, 0),
)
OPTIONS = (
    *((1, name) for name in (*range(1, 13), 15, 16, 18, 19, 30, 32, 33, 36, 42, 46, 60)),
    *((6, name) for name in (*range(1, 11), 12, 18, 23, 25, 30)),
    *((0, name) for name in (1, 2, 8, 10, 11, 15, 19)),
    *((41, name) for name in (16, 18, 19, 26)),
    *((17, name) for name in (1, 100, 101, 102)),
)


def lock(kind: int, whence: int, start: int, length: int, pid: int) -> bytes:
    return struct.pack("<hh4xqqi4x", kind, whence, start, length, pid)


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
    *(("rt_sigprocmask", 0, words(mask), 0, 8) for mask in MASKS),
    *(
        ("rt_sigaction", 2, words(handler, flags, 0x1234, 5), 0, 8)
        for handler in (0, 1, -1, 0x555500001234)
        for flags in (0, 4, 0x04000000, -1)
    ),
    *(("sigaltstack", words(sp, flags, 70000), 0) for sp in (0, 0x1000) for flags in (0, 1, 2, 0xFFFFFFFF)),
    *(("fcntl", 3, command, lock(*of)) for command in (6, 7, 37, 38) for of in ((1, 0, 0, 0, 0), (9, 9, -5, -6, -7))),
    *(("clone3", words(*of), 8 * len(of)) for of in CLONES),
    *(("setsockopt", 3, level, name, ints(1), 4) for level, name in OPTIONS),
    ("setsockopt", 3, 1, 13, ints(1, 70000), 8),
    *(("memfd_create", text + b"\0", 1) for text in (b"", b"a b", b'a"\n', "ü".encode(), b"\xff1")),
    ("getxattr", 0, b"user.x\0", 0, 0),
    ("poll", ints(3, 0xFFFF, -1, 0xFFFF, 4, 0), 3, 5),
    ("poll", ints(0, 0), 0, 5),
    ("ppoll", ints(3, 1), 1, 0, words(6), 8),
    *(("epoll_ctl", 3, op, 5, ints(events, 7, 8)) for op in (1, 3) for events in (0, 0x80000001, 0xFFFFFFFF)),
    *(("select", n, words(*[0xFFFF] * -(-n // 64)), words(*[0x12] * -(-n // 64)), 0, 0) for n in (16, 64, 65)),
    ("pselect6", 5, words(0x15), words(0), 0, 0, 0),
    *((name, 3, words(0, 5, 0x10, 7), 2, 0) for name in ("writev", "readv", "vmsplice")),
    ("writev", 3, words(0, 5), 0),
    ("process_madvise", 3, words(0x1000, 2**63), 1, 3, 0),
    ("sendmsg", 3, words(0, 0, 0, 0, 0, 0, 0), 0),
    ("sendmsg", 3, words(0, 5, 0, 0, 0x1000, 32, 0x4040), 0),
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
    *(("fcntl", 3, command, lock(2, 0, -5, 6, -7)) for command in (5, 36)),
    ("poll", ints(3, 0xFFFF0001, 4, 1, -1, 0x40000), 3, 5),
    ("epoll_wait", 3, ints(5, 6, 7, 8, 9, 10) + ints(1, 2, 3, 4, 5, 6) + ints(3, -1, -1), 5, 1),
    ("select", 5, words(0x1F), words(0), words(0), 0),
    ("readlink", 0, b"/a\n\377x", 5),
    ("getcwd", b"/tmp\0", 5),
    *(
        ("getsockopt", 3, 1, name, value, ints(4))
        for name, value in ((2, ints(1)), (3, ints(1)), (4, ints(1)), (4, ints(0)), (4, ints(111)))
    ),
)


def texts_of(folder: Path, calls: tuple[Call, ...], given: list[bytes], ret: int) -> list[str]:
    """Our texts; pointers and the rows of what they point at as the recorder makes them."""
    builder = TraceBuilder()
    for name, *arguments in calls:
        numbers = [0x5000 if isinstance(argument, bytes) else argument for argument in arguments]
        event = builder.call(name, 0, *numbers, ret=ret)
        for index, argument in enumerate(arguments):
            if isinstance(argument, bytes):
                captures = [c for c in syscalls()[name].captures if c.index == index and c.kind != "buffers"]
                for capture in captures if captures and captures[0].kind in ELEMENTS else captures[:1]:
                    if ret >= 0 or not capture.at_exit:
                        add(builder, event, capture, elements(capture, numbers, ret, argument))
    with Trace(builder.write(folder / "t.bpfrec")) as trace:
        found: dict[int, str] = {}
        for name in {name for name, *_ in calls}:
            found |= dict(trace.query(f"SELECT event_id, call_text FROM sys.{name}").rows)
    assert len(given) == len({*given})
    return [found[i] for i in range(len(calls))]


def elements(capture: Capture, numbers: list[int], ret: int, raw: bytes) -> bytes:
    """As many of ``raw`` as the call says there are; those of an fd_set are in whole words."""
    if capture.kind not in ELEMENTS or capture.length is None or capture.kind == "fd_set":
        return raw
    return raw[: ELEMENTS[capture.kind] * (ret if capture.length == RESULT_LENGTH else numbers[capture.length])]


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
    elif capture.kind == "string":
        raw = raw.removesuffix(b"\0")
        text = raw.decode("utf-8", "backslashreplace")
        builder.add(schema.STRINGS, **where, value=text, status=None if text.encode() == raw else "not-utf8")
    elif capture.kind in ELEMENTS:
        form = {"iovec": "<QQ", "pollfd": "<II", "epoll_event": "<IQ", "fd_set": "<Q"}[capture.kind]
        phase = "exit" if capture.at_exit else "entry"
        for position, element in enumerate(struct.iter_unpack(form, raw)):
            columns = {f"word{i}": word for i, word in enumerate(element)}
            builder.add(schema.ARRAYS, **where, kind=capture.kind, phase=phase, position=position, **columns)
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
    strace = [SIZE.sub(f"{POINTERS[1]})", line) for line in strace]
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


@pytest.mark.grid
@pytest.mark.parametrize("name", [call.name for call in syscalls().values() if call.captures])
def test_every_view_of_a_call_with_captures_can_be_made_whole(copied, name):
    copied.execute(f"SELECT * FROM sys.{name}")
    declared = {a.name for a in syscalls()[name].arguments or ()}
    assert declared, "captures of arguments that are not described"
