"""What ``compare`` tells of two traces, and what it holds to be the same."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from support.trace_builder import MS, START_NS, TraceBuilder

import bpfrec
from bpfrec.analyze.compare.compare import compare
from bpfrec.analyze.reports.call_filter import CallFilter
from bpfrec.formats import schema

Row = tuple[Any, ...]


@pytest.fixture
def differing(tmp_path: Path) -> Any:
    """Writes the traces of two builders and gives the rows: section, what, calls of both."""

    def rows(
        a: TraceBuilder, b: TraceBuilder, calls: CallFilter | None = None, **options: Any
    ) -> list[tuple[Any, ...]]:
        paths = [builder.write(tmp_path / f"{name}.bpfrec") for name, builder in (("a", a), ("b", b))]
        with bpfrec.open(paths[0]) as one, bpfrec.open(paths[1]) as other:
            return [row[:4] for row in compare(one, other, calls, **options).rows]

    return rows


def both() -> tuple[TraceBuilder, TraceBuilder]:
    return TraceBuilder(), TraceBuilder()


def test_what_is_in_one_trace_alone_is_told(differing):
    a, b = both()
    for builder in (a, b):
        builder.call("openat", 0, -100, 1, 0, 0, ret=3, path="/etc/both")
    a.call("openat", MS, -100, 1, 0, 0, ret=3, path="/etc/good.conf")
    b.call("openat", MS, -100, 1, 0, 0, ret=-2, path="/etc/good.conf")
    b.call("execve", 2 * MS, 1, 2, 3, path="/bin/sh")
    call = b.call("connect", 3 * MS, 4, 1, 16, ret=-111)
    b.add(schema.SOCKADDRS, event_id=call, arg=1, family=2, address="192.0.2.7", port=80)
    b.add(schema.PROCESSES, pid=4242, comm="server", end_ns=START_NS + MS, exit_code=1)
    assert differing(a, b) == [
        ("ends", "server exited with 1", 0, 1),
        ("failures", "connect ECONNREFUSED", 0, 1),
        ("failures", "openat ENOENT /etc/good.conf", 0, 1),
        ("programs", "/bin/sh", 0, 1),
        ("files", "/etc/good.conf", 1, 0),
        ("peers", "connect 192.0.2.7:80", 0, 1),
        ("calls", "connect", 0, 1),
        ("calls", "execve", 0, 1),
        ("startup", "server: own code", 0, 0),
    ]


def test_a_trace_does_not_differ_from_itself(differing):
    a, _ = both()
    for i in range(5):
        a.call("openat", i * MS, -100, 1, 0, 0, ret=-2, path="/etc/x")
    assert differing(a, a) == []


def test_names_made_up_for_a_run_are_the_same(differing):
    a, b = both()
    names = (
        ("/proc/123/maps", "/proc/4567/maps"),
        ("/tmp/ccDL53tf.s", "/tmp/cclxc9rm.s"),
        ("/tmp/tmp.fseWRfcSJG/db", "/tmp/tmp.aQdZkPwwXy/db"),
        ("/var/log/app.20261101.log", "/var/log/app.20261128.log"),
    )
    for i, (one, other) in enumerate(names):
        a.call("openat", i * MS, -100, 1, 0, 0, ret=3, path=one)
        b.call("openat", i * MS, -100, 1, 0, 0, ret=3, path=other)
    assert differing(a, b) == []
    assert len(differing(a, b, exact=True)) == 8


@pytest.mark.parametrize(("times", "told"), [(1, []), (2, [("calls", "read", 10, 20)])])
def test_how_often_something_was_done_is_told_from_a_ratio_on(differing, times, told):
    a, b = both()
    for i in range(10):
        a.call("read", i * MS, 3, 1, 1)
    for i in range(10 * times):
        b.call("read", i * MS, 3, 1, 1)
    assert differing(a, b) == told
    assert differing(a, b, ratio=3.0) == []


def test_recordings_of_different_lengths_are_compared_by_the_second(differing):
    a, b = both()
    b.stop_ns = START_NS + 20_000 * MS
    for i in range(10):
        a.call("read", i * MS, 3, 1, 1)
    for i in range(100):
        b.call("read", i * MS, 3, 1, 1)
    assert differing(a, b) == []


def test_calls_that_took_longer_are_told_if_they_took_long(differing):
    a, b = both()
    for i in range(10):
        a.call("fsync", i * MS, 3, took=20_000)
        b.call("fsync", i * MS, 3, took=90_000)
        a.call("read", i * MS, 3, took=1_000)
        b.call("read", i * MS, 3, took=9_000)
    assert differing(a, b) == [("latency", "fsync", 10, 10)]


def test_a_filter_chooses_calls_in_both(differing):
    a, b = both()
    a.call("read", 0, 3, 1, 1, comm="other")
    b.call("write", 0, 3, 1, 1)
    assert differing(a, b, CallFilter(name="server")) == [("calls", "write", 0, 1)]


def test_what_the_start_took_is_compared_part_by_part(differing):
    a, b = both()
    for builder, loading, reading in ((a, 2, 3), (b, 20, 3)):
        builder.add(schema.PROCESSES, pid=4242, comm="server")
        builder.call("execve", 0, 1, 2, 3, path="/bin/server", took=MS)
        builder.call("openat", 2 * MS, -100, 1, 0, 0, ret=3, path="/lib/libx.so.1", took=loading * MS)
        builder.call("openat", 50 * MS, -100, 1, 0, 0, ret=3, path="/etc/server.conf", took=reading * MS)
        builder.call("epoll_wait", 60 * MS, 3, 1, 1, 1, ret=1, took=900 * MS)
    assert differing(a, b) == [("startup", "server: libraries", 1, 1)]
