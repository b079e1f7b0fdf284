"""What the first seconds of a process went to: every nanosecond is somewhere, once."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from support.program import run_bpfrec
from support.trace_builder import MS, START_NS, TraceBuilder

import bpfrec
from bpfrec.formats import schema

LIBC = "/lib/x86_64-linux-gnu/libc.so.6"


class Start(TraceBuilder):
    """A process that executes a program at 1 ms; times are ms."""

    def __init__(self, executes: bool = True) -> None:
        super().__init__()
        self.add(schema.PROCESSES, pid=4242, ppid=1, cwd="/", root="/", snapshot_ns=START_NS, comm="server")
        self.add(schema.THREADS, tid=4242, pid=4242, comm="server")
        if executes:
            self.do("execve", 1, 1, 1, 1, path="/usr/bin/server")

    def do(self, name: str, begin: float, took: float | None, *args: int, ret: int | None = 0, **columns):
        if took is None:
            return self.call(name, round(begin * MS), *args, ret=None, unfinished="recording-stopped", **columns)
        return self.call(name, round(begin * MS), *args, ret=ret, took=round(took * MS), **columns)

    def open(self, begin: float, took: float, path: str, ret: int = 3):
        return self.do("openat", begin, took, -100, 1, 0, ret=ret, path=path)


@pytest.fixture
def startup(tmp_path):
    """A function that asks the report: kinds with ms, calls, failures and object; the rows of phases; one row."""

    def ask(trace: Start, **options):
        with bpfrec.open(trace.write(tmp_path / "trace.bpfrec")) as opened:
            rows = opened.report("startup", **options).dicts()
        kinds = {
            row["kind"]: (row["time_ns"] / MS, row["calls"], row["failed"], row["object"])
            for row in rows
            if row["part"] == "kind"
        }
        return kinds, [row for row in rows if row["part"] == "phase"], rows[0]

    return ask


def serving() -> Start:
    trace = Start()
    trace.open(3, 1, LIBC)
    trace.do("read", 4, 1, 3, 1, 832, ret=832)
    trace.do("mmap", 5, 1, 0, 4096, 5, 2, 3, 0, ret=0x7F0000000000)
    trace.do("close", 6, 1, 3)
    trace.open(8, 0.5, "/etc/missing", ret=-2)
    trace.open(9, 2, "/etc/server.conf")
    trace.do("read", 11, 3, 3, 1, 100, ret=100)
    trace.do("mmap", 15, 1, 0, 4096, 3, 0x22, -1, 0, ret=0x7F0000100000)
    trace.do("brk", 16, 1, 0)
    trace.do("socket", 20, 1, 2, 1, 6, ret=4)
    trace.do("clock_nanosleep", 30, 10, 0, 0, 1, 0)
    trace.do("wait4", 40, 5, -1, 0, 0, 0, ret=-10)
    trace.do("getpid", 46, 1)
    trace.do("futex", 50, 2, 0x1000, 128, 2, 0)
    trace.do("epoll_wait", 60, 700, 5, 1, 10, -1, ret=1)
    trace.do("read", 800, 1, 3, 1, 1, ret=1)
    return trace


def test_kinds_and_own_code_are_the_whole(startup):
    kinds, phases, row = startup(serving())
    assert kinds == {
        "own code": (27.5, 0, 0, "after socket"),
        "sleeping": (10, 1, 0, "clock_nanosleep"),
        "files": (5, 2, 0, "/etc/server.conf"),
        "children": (5, 1, 1, "wait4"),
        "libraries": (4, 4, 0, LIBC),
        "memory": (2, 2, 0, "mmap"),
        "waiting": (2, 1, 0, "futex"),
        "programs": (1, 1, 0, "/usr/bin/server"),
        "network": (1, 1, 0, "socket"),
        "other calls": (1, 1, 0, "getpid"),
        "missing files": (0.5, 1, 1, "/etc/missing"),
    }
    assert row["whole_ns"] == 59 * MS
    assert (row["until"], row["is_exec"]) == ("it waited in epoll_wait", True)
    assert sum(phase["time_ns"] for phase in phases) == 59 * MS
    assert sum(phase["calls"] for phase in phases) == sum(calls for _, calls, *_ in kinds.values()) == 15
    (at_sleep,) = [p for p in phases if p["offset_ns"] < 30 * MS <= p["offset_ns"] + p["time_ns"]]
    assert at_sleep["kind"] == "sleeping"


def test_what_ends_the_start(startup):
    trace = serving()
    assert startup(trace, idle_s=1.0)[2]["until"] == "the recording stopped"
    kinds, _, row = startup(trace, for_s=0.0105)
    assert (row["until"], row["whole_ns"]) == ("the time that was asked for was over", 10.5 * MS)
    assert kinds["files"] == (2.5, 2, 0, "/etc/server.conf")  # the read is cut
    trace.rows["processes"][0]["end_ns"] = START_NS + 48 * MS
    assert (startup(trace)[2]["until"], startup(trace)[2]["whole_ns"]) == ("it ended", 47 * MS)
    waiting = Start()
    waiting.do("accept4", 5, None, 3, 0, 0, 0)
    assert startup(waiting)[2]["until"] == "it waited in accept4"
    reading = Start()
    reading.add(schema.DESCRIPTORS, pid=4242, fd=0, target="/dev/pts/1", flags=0, ts_ns=START_NS)
    reading.add(schema.DESCRIPTORS, pid=4242, fd=5, target="/big", flags=0, ts_ns=START_NS)
    reading.do("read", 5, 600, 5, 1, 10, ret=10)  # a slow disk is no wait for work
    reading.do("read", 700, 600, 0, 1, 10, ret=10)
    assert (startup(reading)[2]["until"], startup(reading)[2]["whole_ns"]) == ("it waited in read", 699 * MS)


def test_which_process(startup, tmp_path):
    trace = serving()
    trace.add(schema.PROCESSES, pid=99, ppid=1, cwd="/", root="/", snapshot_ns=START_NS, comm="other")
    trace.do("getpid", 0, 1, pid=99, comm="other")
    trace.do("getpid", 0.5, 0.1, tid=4243)  # another thread
    assert startup(trace)[2]["pid"] == 4242
    _, _, row = startup(trace, pid=99)
    assert (row["pid"], row["comm"], row["is_exec"], row["whole_ns"]) == (99, "other", False, 2000 * MS)
    with bpfrec.open(trace.write(tmp_path / "two.bpfrec")) as opened:
        assert Counter(row["pid"] for row in opened.report("startup", pid=[99, 4242]).dicts()).keys() == {99, 4242}


CALLS = st.lists(
    st.tuples(
        st.sampled_from(["read", "getpid", "brk", "futex", "clock_nanosleep"]),
        st.integers(0, 1_000_000),
        st.integers(0, 400_000),
    ),
    min_size=1,
    max_size=30,
)


@example([("read", 0, 1), ("read", 0, 0)], 1)
@given(CALLS, st.integers(1, 2_000_000))
@settings(max_examples=8, deadline=None)
def test_the_parts_are_the_whole(tmp_path_factory, calls, for_ns):
    """Also of calls that overlap, which only a damaged trace has, and of times that twenty does not divide."""
    trace = Start(executes=False)
    for name, begin, took in calls:
        trace.call(name, begin, 3, 0, 0, 0, took=took)
    path = trace.write(tmp_path_factory.mktemp("parts") / "t.bpfrec")
    with bpfrec.open(path) as opened:
        rows = opened.report("startup", for_s=for_ns / 1e9).dicts()
    for part in ("kind", "phase"):
        of_part = [row for row in rows if row["part"] == part]
        assert sum(row["time_ns"] for row in of_part) == for_ns == rows[0]["whole_ns"]
        begun = [at for _, at, _ in calls if at - min(at for _, at, _ in calls) < for_ns]
        assert sum(row["calls"] for row in of_part) == len(begun)
        assert all(0 <= row["kind_ns"] <= row["time_ns"] for row in of_part)


def test_the_text_and_the_query(tmp_path):
    path = serving().write(tmp_path / "t.bpfrec")
    done = run_bpfrec("analyze", "-i", path, "report", "startup")
    lines = done.stdout.splitlines()
    assert lines[0] == ("server (4242): 59.0ms from its exec at 10:00:00.001 (UTC) until it waited in epoll_wait")
    assert lines[2].split() == ["TIME", "SHARE", "CALLS", "FAILED", "KIND", "MOST", "OF", "IT"]
    assert lines[4].split() == ["27.5ms", "46.6%", "0", "0", "own", "code", "after", "socket", "9.00ms"]
    query = run_bpfrec("analyze", "-i", path, "report", "startup", "--sql").stdout
    direct = run_bpfrec("analyze", "-i", path, "report", "startup", "--format", "json").stdout
    assert run_bpfrec("analyze", "-i", path, "sql", query, "--format", "json").stdout == direct
