"""Columns and texts of arrays, messages, strings and contents that were copied."""

from __future__ import annotations

from typing import Any

import pytest
from support.trace_builder import TraceBuilder

from bpfrec.analyze.facade import Trace
from bpfrec.formats import schema

NOTHING = 0
POINTER = 0x5000


def vector(builder: TraceBuilder, event: int, arg: int, *lengths: int, phase: str = "entry") -> None:
    for position, length in enumerate(lengths):
        where: dict[str, Any] = {"event_id": event, "arg": arg, "kind": "iovec", "phase": phase, "position": position}
        builder.add(schema.ARRAYS, **where, word0=0x100 * (position + 1), word1=length)


def broken(builder: TraceBuilder, event: int, arg: int, kind: str, position: int, status: str) -> None:
    builder.add(schema.ARRAYS, event_id=event, arg=arg, kind=kind, phase="entry", position=position, status=status)


def contents(builder: TraceBuilder, event: int, arg: int, raw: bytes, status: str | None = None) -> None:
    builder.add(schema.DATA, event_id=event, arg=arg, bytes=raw, size=len(raw), status=status)


def vectors(builder: TraceBuilder) -> None:
    whole = builder.call("writev", 0, 3, POINTER, 2, ret=5)
    vector(builder, whole, 1, 2, 3)
    contents(builder, whole, 1, b"ab\n\0\xff")
    cut = builder.call("writev", 1, 3, POINTER, 9, ret=5)
    vector(builder, cut, 1, 2, 3)
    broken(builder, cut, 1, "iovec", 2, "truncated")
    contents(builder, cut, 1, b"abc", "truncated")
    bad = builder.call("writev", 2, 3, POINTER, 2, ret=-14)
    broken(builder, bad, 1, "iovec", 0, "unreadable")
    builder.call("writev", 3, 3, POINTER, 0, ret=0)
    huge = builder.call("writev", 4, 3, POINTER, 2, ret=-22)
    vector(builder, huge, 1, 2**64 - 1, 1)
    contents(builder, huge, 1, b"abc", "truncated")
    partly = builder.call("readv", 5, 3, POINTER, 3, ret=4)
    vector(builder, partly, 1, 3, 3, 3)
    contents(builder, partly, 1, b"abcd")
    failed = builder.call("readv", 6, 3, POINTER, 1, ret=-9)
    vector(builder, failed, 1, 3)


def waits(builder: TraceBuilder) -> None:
    poll = builder.call("poll", 10, POINTER, 2, 5, ret=1)
    for phase, found in (("entry", 0), ("exit", 4)):
        for position, (fd, events) in enumerate(((3, 1), (2**32 - 1, 5))):
            revents = found if position == 0 else 0
            where: dict[str, Any] = {"event_id": poll, "arg": 0, "kind": "pollfd", "phase": phase, "position": position}
            builder.add(schema.ARRAYS, **where, word0=fd, word1=events | revents << 16)
    late = builder.call("poll", 11, POINTER, 1, 5, ret=0)
    builder.add(schema.ARRAYS, event_id=late, arg=0, kind="pollfd", phase="entry", position=0, word0=3, word1=1)
    lost = builder.call("poll", 12, POINTER, 1, 5, ret=-4)
    broken(builder, lost, 0, "pollfd", 0, "unreadable")
    select = builder.call("select", 13, 70, POINTER, NOTHING, NOTHING, NOTHING, ret=1)
    for phase, words in (("entry", (9, 0xFF)), ("exit", (8, 0))):
        for position, word in enumerate(words):
            builder.add(
                schema.ARRAYS, event_id=select, arg=1, kind="fd_set", phase=phase, position=position, word0=word
            )
    ready = builder.call("epoll_wait", 14, 3, POINTER, 8, -1, ret=1)
    builder.add(
        schema.ARRAYS, event_id=ready, arg=1, kind="epoll_event", phase="exit", position=0, word0=17, word1=2**63
    )
    builder.call("epoll_wait", 15, 3, POINTER, 8, 0, ret=0)
    added = builder.call("epoll_ctl", 16, 3, 1, 4, POINTER, ret=0)
    builder.add(schema.ARRAYS, event_id=added, arg=3, kind="epoll_event", phase="entry", position=0, word0=1, word1=7)


def messages(builder: TraceBuilder) -> None:
    sent = builder.call("sendmsg", 20, 3, POINTER, 0, ret=4)
    words = {"word0": 0x9, "word1": 16, "word2": 0x8, "word3": 2, "word4": 0x7, "word5": 24, "word6": 0}
    builder.add(schema.STRUCTS, event_id=sent, arg=1, kind="msghdr", **words)
    vector(builder, sent, 1, 1, 3)
    builder.add(schema.SOCKADDRS, event_id=sent, arg=1, family=2, address="192.0.2.1", port=53)
    for position, fd in enumerate((5, 2**32 - 1)):
        builder.add(schema.ARRAYS, event_id=sent, arg=1, kind="scm_rights", phase="entry", position=position, word0=fd)
    contents(builder, sent, 1, b"abcd")
    got = builder.call("recvmsg", 21, 3, POINTER, 0, ret=2)
    words = {"word0": 0, "word1": 0, "word2": 0x8, "word3": 1, "word4": 0x7, "word5": 99, "word6": 0}
    builder.add(schema.STRUCTS, event_id=got, arg=1, kind="msghdr", **words)
    vector(builder, got, 1, 100, phase="exit")
    builder.call("recvmsg", 22, 3, POINTER, 0, ret=-11)


def strings(builder: TraceBuilder) -> None:
    cwd = builder.call("getcwd", 30, POINTER, 4096, ret=5)
    builder.add(schema.STRINGS, event_id=cwd, arg=0, value="/a b")
    name = builder.call("memfd_create", 31, POINTER, 1, ret=3)
    builder.add(schema.STRINGS, event_id=name, arg=0, value="x" * 3, status="truncated")
    builder.call("memfd_create", 32, POINTER, 1, ret=-14)
    thread = builder.call("prctl", 33, 15, POINTER, ret=0)
    builder.add(schema.STRINGS, event_id=thread, arg=1, value="worker")
    run = builder.call("execve", 34, 1, 2, 3, path="/bin/sh", ret=0)
    for arg, value in ((1, "sh"), (2, "A=b")):
        builder.add(schema.EXEC_ARGS, event_id=run, arg=arg, position=0, value=value)
    read = builder.call("read", 35, 3, POINTER, 10, ret=2)
    contents(builder, read, 1, b'"\0')
    builder.call("read", 36, 3, POINTER, 10, ret=0)
    written = builder.call("write", 37, 3, POINTER, 10, ret=10)
    contents(builder, written, 1, b"abc", "truncated")


@pytest.fixture(scope="module")
def trace(tmp_path_factory):
    builder = TraceBuilder()
    for add in (vectors, waits, messages, strings):
        add(builder)
    with Trace(builder.write(tmp_path_factory.mktemp("arrays") / "t.bpfrec")) as opened:
        yield opened


@pytest.mark.parametrize(
    ("query", "rows"),
    [
        (
            "SELECT vec_bytes, vec_count, vec_status FROM sys.writev ORDER BY event_id",
            [(5, 2, None), (None, None, "truncated"), (None, None, "unreadable"), (0, 0, None), (None, 2, "overflow")],
        ),
        (
            "SELECT vec, vec_data, vec_data_status FROM sys.writev ORDER BY event_id LIMIT 2",
            [(POINTER, b"ab\n\0\xff", None), (POINTER, b"abc", "truncated")],
        ),
        (
            "SELECT vec_text FROM sys.writev ORDER BY event_id",
            [
                (r'[{iov_base="ab", iov_len=2}, {iov_base="\n\0\377", iov_len=3}]',),
                ('[{iov_base="ab", iov_len=2}, {iov_base="c"..., iov_len=3}, ...]',),
                ("0x5000",),
                ("[]",),
                ('[{iov_base="abc"..., iov_len=18446744073709551615}, {iov_base=""..., iov_len=1}]',),
            ],
        ),
        (
            "SELECT vec_text, vec_bytes FROM sys.readv ORDER BY event_id",
            [
                ('[{iov_base="abc", iov_len=3}, {iov_base="d", iov_len=3}, {iov_base="", iov_len=3}]', 9),
                ("[{iov_base=0x100, iov_len=3}]", 3),
            ],
        ),
        (
            "SELECT ufds, ufds_status, arg_ufds FROM sys.poll ORDER BY event_id",
            [
                (
                    [
                        {"fd": 3, "events": "POLLIN", "revents": "POLLOUT"},
                        {"fd": -1, "events": "POLLIN|POLLOUT", "revents": "0"},
                    ],
                    None,
                    POINTER,
                ),
                ([{"fd": 3, "events": "POLLIN", "revents": None}], None, POINTER),
                (None, "unreadable", POINTER),
            ],
        ),
        (
            "SELECT call_text FROM sys.poll ORDER BY event_id",
            [
                ("poll([{fd=3, events=POLLIN}, {fd=-1}], 2, 5) = 1 ([{fd=3, revents=POLLOUT}])",),
                ("poll([{fd=3, events=POLLIN}], 1, 5) = 0 (Timeout)",),
                ("poll(0x5000, 1, 5) = -1 EINTR (Interrupted system call)",),
            ],
        ),
        (
            "SELECT inp, inp_ready, outp, call_text FROM sys.select",
            [
                (
                    [0, 3, 64, 65, 66, 67, 68, 69],
                    [3],
                    None,
                    "select(70, [0 3 64 65 66 67 68 69], NULL, NULL, NULL) = 1 (in [3])",
                )
            ],
        ),
        (
            "SELECT events, call_text FROM sys.epoll_wait ORDER BY event_id",
            [
                (
                    [{"events": "EPOLLIN|EPOLLHUP", "data": 2**63}],
                    ("epoll_wait(3, [{events=EPOLLIN|EPOLLHUP, data={u32=0, u64=9223372036854775808}}], 8, -1) = 1"),
                ),
                (None, "epoll_wait(3, [], 8, 0) = 0"),
            ],
        ),
        (
            "SELECT event, event_text FROM sys.epoll_ctl",
            [([{"events": "EPOLLIN", "data": 7}], "{events=EPOLLIN, data={u32=7, u64=7}}")],
        ),
        (
            "SELECT msg_bytes, msg_count, msg_family, msg_address, msg_port, msg_fds, msg_data FROM sys.sendmsg",
            [(4, 2, "AF_INET", "192.0.2.1", 53, [5, -1], b"abcd")],
        ),
        (
            "SELECT msg_text FROM sys.sendmsg",
            [
                (
                    (
                        '{msg_name={sa_family=AF_INET, sin_port=htons(53), sin_addr=inet_addr("192.0.2.1")},'
                        ' msg_namelen=16, msg_iov=[{iov_base="a", iov_len=1}, {iov_base="bcd", iov_len=3}],'
                        " msg_iovlen=2, msg_control=[{cmsg_len=24, cmsg_level=SOL_SOCKET, cmsg_type=SCM_RIGHTS,"
                        " cmsg_data=[5, -1]}], msg_controllen=24, msg_flags=0}"
                    ),
                )
            ],
        ),
        (
            "SELECT msg_bytes, msg_text FROM sys.recvmsg ORDER BY event_id",
            [
                (
                    100,
                    (
                        "{msg_name=NULL, msg_namelen=0, msg_iov=[{iov_base=0x100, iov_len=100}], msg_iovlen=1,"
                        " msg_control=0x7, msg_controllen=99, msg_flags=0}"
                    ),
                ),
                (None, "0x5000"),
            ],
        ),
        ("SELECT buf, buf_status, call_text FROM sys.getcwd", [("/a b", None, 'getcwd("/a b", 4096) = 5')]),
        (
            "SELECT uname, uname_status, uname_text FROM sys.memfd_create ORDER BY event_id",
            [("xxx", "truncated", '"xxx"...'), (None, None, "0x5000")],
        ),
        ("SELECT arg2, arg2_string FROM sys.prctl", [(POINTER, "worker")]),
        ("SELECT argv, envp, arg_envp FROM sys.execve", [(["sh"], ["A=b"], 3)]),
        (
            "SELECT buf, buf_data, call_text FROM sys.read ORDER BY event_id",
            [(POINTER, b'"\0', r'read(3, "\"\0", 10) = 2'), (POINTER, None, 'read(3, "", 10) = 0')],
        ),
        (
            "SELECT buf_data, buf_data_status, buf_text FROM sys.write",
            [(b"abc", "truncated", '"abc"...')],
        ),
    ],
)
def test_arrays_strings_and_contents_have_columns_and_texts(trace, query, rows):
    assert trace.query(query).rows == rows


def test_contents_have_columns_where_there_are_any(tmp_path):
    builder = TraceBuilder()
    builder.call("read", 0, 3, POINTER, 10, ret=2)
    builder.call("writev", 1, 3, POINTER, 1, ret=2)
    with Trace(builder.write(tmp_path / "t.bpfrec")) as trace:
        assert not [c for c in trace.query("FROM sys.read").columns if c.startswith("buf_")]
        assert "vec_data" not in trace.query("FROM sys.writev").columns
        assert trace.query("SELECT call_text FROM sys.read ORDER BY event_id").rows == [("read(3, 0x5000, 10) = 2",)]


def test_a_view_joins_what_was_copied_when_a_query_names_it(trace):
    with Trace(trace.path) as fresh:
        plans = [str(fresh.sql(f"EXPLAIN SELECT {name} FROM sys.writev").fetchall()) for name in ("vec", "vec_bytes")]
    assert ["iovec" in plan for plan in plans] == [False, True]


@pytest.mark.parametrize(
    ("level", "option", "words", "value"),
    [
        (1, 4, {"word0": 111}, 111),
        (1, 3, {"word0": 0}, 0),
        (6, 1, {"word0": 1}, 1),
        (1, 13, {"word0": 1 | 9 << 32}, None),
        (1, 17, {"word0": 1 | 2 << 32, "word1": 3}, None),
        (1, 4, {"status": "unreadable"}, None),
    ],
)
def test_the_value_of_a_socket_option_has_a_column(tmp_path, level, option, words, value) -> None:
    builder = TraceBuilder()
    call = builder.call("getsockopt", 0, 3, level, option, 0x1000, 0x2000)
    builder.add(schema.STRUCTS, event_id=call, arg=3, kind="sockopt", **words)
    with Trace(builder.write(tmp_path / "t.bpfrec")) as trace:
        assert trace.query("SELECT optval_value FROM sys.getsockopt").rows == [(value,)]
