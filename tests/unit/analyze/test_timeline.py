"""The report timeline: one thread's calls around a moment, what they waited for, and who ended the waits."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.program import run_bpfrec
from support.trace_builder import MS, START_NS, TraceBuilder

import bpfrec
from bpfrec.formats import schema
from bpfrec.formats.errors import ReportError

LOCK, WAIT, WAKE = 0xABC0, 0x80, 0x81
ME, OTHER, CHILD = 4242, 4243, 77


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A thread that waits for a lock, a pipe, a peer and a child, and those who end these waits."""
    builder = TraceBuilder()
    builder.add(schema.PROCESSES, pid=ME, ppid=1, cwd="/", root="/", snapshot_ns=START_NS)
    born, ended = START_NS + 2 * MS, START_NS + 90 * MS
    builder.add(
        schema.PROCESSES, pid=CHILD, ppid=ME, comm="ls", start_ns=born, end_ns=ended, exit_code=3, cwd="/", root="/"
    )
    builder.add(schema.PROCESSES, pid=500, ppid=1, start_ns=born, end_ns=ended, comm="stranger")
    for fd, name in ((3, "TCP 127.0.0.1:80->127.0.0.1:5000"), (4, "TCP 127.0.0.1:5000->127.0.0.1:80")):
        builder.add(schema.DESCRIPTORS, pid=ME, fd=fd, target=f"socket:[{fd}]", name=name, flags=2, ts_ns=START_NS)
    builder.add(schema.DESCRIPTORS, pid=ME, fd=5, target="pipe:[7]", flags=0, ts_ns=START_NS)
    builder.add(schema.DESCRIPTORS, pid=ME, fd=6, target="pipe:[7]", flags=1, ts_ns=START_NS)

    other = {"pid": ME, "tid": OTHER, "comm": "worker"}
    builder.call("getpid", 1 * MS, ret=ME, took=MS // 2)  # 0
    builder.call("execve", 3 * MS, 1, 2, 3, took=MS, path="/bin/ls", pid=CHILD, comm="sh")  # 1
    builder.call("futex", 10 * MS, LOCK, WAIT, 0, 0, ret=0, took=10 * MS)  # 2
    builder.call("futex", 12 * MS, LOCK + 4, WAKE, 1, ret=1, **other)  # 3
    builder.call("futex", 15 * MS, LOCK, WAKE, 1, ret=0, **other)  # 4
    builder.call("futex", 19 * MS, LOCK, WAKE, 1, ret=1, **other)  # 5
    builder.call("read", 30 * MS, 5, 1, 100, ret=5, took=10 * MS)  # 6
    builder.call("write", 29 * MS, 6, 1, 9, ret=9, **other)  # 7
    builder.call("write", 39 * MS, 6, 1, 5, ret=5, **other)  # 8
    builder.call("recvfrom", 50 * MS, 3, 1, 100, 0, 0, 0, ret=4, took=10 * MS)  # 9
    builder.call("sendto", 55 * MS, 4, 1, 4, 0, 0, 0, ret=4, **other)  # 10
    builder.call("wait4", 70 * MS, -1, 0, 0, 0, ret=CHILD, took=20 * MS)  # 11
    builder.call("openat", 95 * MS, -100, 1, 0, ret=-2, path="/" + "x" * 200)  # 12
    builder.call("poll", 100 * MS, 1, 1, ret=None, took=None, unfinished="recording-stopped")  # 13
    for at in range(50):
        builder.call("getpid", (300 + at) * MS, ret=9, pid=9, comm="busy")
    return builder.write(tmp_path_factory.mktemp("timeline") / "t.bpfrec")


def test_waits_know_what_for_and_who_ended_them(target: Path) -> None:
    with bpfrec.open(target) as trace:
        rows = trace.report("timeline", around="event:6", context=20).dicts()
    waits = {row["event_id"]: (row["waited_for"], row["woken_by"]) for row in rows if row["waited_for"]}
    assert waits == {
        2: ("lock 0xabc0", 5),
        6: ("pipe:[7]", 8),
        9: ("TCP 127.0.0.1:80->127.0.0.1:5000", 10),
        11: (f"process {CHILD}", None),
    }
    assert [row["event_id"] for row in rows if row["kind"] == "wake"] == [5, 8, 10]


def test_what_happened_to_children_stands_in_between(target: Path) -> None:
    with bpfrec.open(target) as trace:
        rows = trace.report("timeline", around="event:6", context=20).dicts()
    assert [row["offset_ns"] for row in rows] == sorted(row["offset_ns"] for row in rows)
    told = [
        (row["kind"], row["what"], row["offset_ns"] + 30 * MS) for row in rows if row["kind"] not in ("call", "wake")
    ]
    assert told == [
        ("birth", f"process {CHILD} begins", 2 * MS),
        ("exec", f"process {CHILD} executes /bin/ls", 4 * MS),
        ("end", f"process {CHILD} ends with 3", 90 * MS),
    ]


def test_gaps_are_since_the_threads_call_before(target: Path) -> None:
    with bpfrec.open(target) as trace:
        rows = trace.report("timeline", around="event:6", context=1).dicts()
        futexes = trace.report("timeline", around="event:6", context=1, syscall="futex").dicts()
    gaps = {row["event_id"]: row["gap_ns"] for row in rows if row["kind"] == "call"}
    assert gaps == {2: 8_500_000, 6: 10 * MS, 9: 10 * MS}
    assert {row["event_id"]: row["gap_ns"] for row in futexes if row["kind"] == "call"} == {2: 8_500_000}


def test_a_span_has_all_that_was_in_progress(target: Path) -> None:
    with bpfrec.open(target) as trace:
        rows = trace.report("timeline", around="35ms", span_s=0.015, tid=ME).dicts()
        late = trace.report("timeline", around=1.5, span_s=0.001, tid=ME).dicts()
    assert [row["event_id"] for row in rows if row["kind"] == "call"] == [2, 6, 9]
    assert [(row["event_id"], row["duration_ns"]) for row in late if row["kind"] == "call"] == [(13, None)]


def test_which_thread_it_is(target: Path) -> None:
    def thread(**options: object) -> set[int]:
        with bpfrec.open(target) as trace:
            return {row["tid"] for row in trace.report("timeline", **options).dicts() if row["kind"] == "call"}

    assert thread(around="event:8") == {OTHER}
    assert thread(around="320ms") == {9}, "the busiest then"
    assert thread(around="320ms", tid=ME) == {ME}
    assert thread(around="1.9") == {9}, "nobody made a call then"
    assert thread() == {ME}, "the longest call"
    with pytest.raises(ReportError, match="one thread"):
        thread(tid=[1, 2])
    with pytest.raises(ReportError, match="event:0 to"):
        thread(around="event:" + "9" * 17)
    with pytest.raises(ReportError, match="is no time"):
        thread(around="event:" + "9" * 5000)


def test_the_text_at_80_columns(target: Path) -> None:
    arguments = ("analyze", "-i", target, "report", "timeline", "--around", "event:6")
    lines = run_bpfrec(*arguments, "-C", "1", columns=80).stdout.splitlines()
    assert lines[0] == f"thread {ME} (server); |------------| is 50.0ms"
    marked = [line for line in lines if line.startswith(">")]
    assert marked == [">        0  10.0ms  10.0ms |    ===     | read(5, 0x1, 100) = 5"]
    assert lines[lines.index(marked[0]) + 1 :][:2] == [" " * 44 + "waited for pipe:[7]", " " * 44 + "ended by event:8"]
    lines = run_bpfrec(*arguments, columns=80).stdout.splitlines()
    assert max(map(len, lines)) <= 80
    assert "characters)" in "".join(lines)
    assert "characters)" not in run_bpfrec(*arguments, "--full", columns=80).stdout
    around = run_bpfrec(*arguments[:-1], "35ms", "-t", str(ME), columns=80).stdout
    assert f" {'0':>9} ----" in around
    assert run_bpfrec(*arguments, "-t", "1,2").returncode == 2
