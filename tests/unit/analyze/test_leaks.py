"""Descriptors that are never closed: which are open at a time, and how they are counted."""

from __future__ import annotations

import pytest
from support.program import run_bpfrec
from support.stack_traces import DEEP, LIBC, add_stack, function
from support.trace_builder import MS, START_NS, TraceBuilder

import bpfrec
from bpfrec.formats import schema

CLOEXEC = 0o2000000
F_DUPFD, F_SETFD = 0, 2
COLUMNS = ("syscall", "name", "open", "opened", "closed", "left_at_exit", "unknown")


class Process(TraceBuilder):
    """A process that was read when recording began, and its calls, one after the other."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0
        self.configuration: dict[str, object] = {"pids": [4242]}
        self.add(schema.PROCESSES, pid=4242, ppid=1, cwd="/home", root="/", snapshot_ns=START_NS)
        self.add(schema.THREADS, tid=4242, pid=4242, comm="server")
        self.add(schema.THREADS, tid=4243, pid=4242, comm="worker")

    def manifest(self):
        manifest = super().manifest()
        manifest.configuration = self.configuration
        return manifest

    def do(self, name: str, *args: int, **columns):
        self.now += 10_000
        return self.call(name, self.now, *args, **columns)

    def open(self, fd: int, path: str, flags: int = 0, **columns):
        return self.do("openat", -100, 1, flags, ret=fd, path=path, **columns)

    def fork(self, child: int) -> None:
        self.do("fork", ret=child)
        self.add(schema.PROCESSES, pid=child, ppid=4242, start_ns=START_NS + self.now + 500)
        self.add(schema.THREADS, tid=child, pid=child, comm="child")


@pytest.fixture
def leaks(tmp_path):
    """A function that asks the report of a trace: the columns of COLUMNS, and the notes."""

    def ask(process: Process, **options):
        with bpfrec.open(process.write(tmp_path / "trace.bpfrec")) as trace:
            result = trace.report("leaks", **({"least": 1} | options))
            return [tuple(row[c] for c in COLUMNS) for row in result.dicts()], result.notes

    return ask


def test_every_way_to_make_and_to_close_a_descriptor(leaks):
    process = Process()
    for fd in range(3, 9):
        process.open(fd, f"/srv/data-{fd}.log")
    process.do("close", 3)
    process.do("close", 4, ret=-9)  # EBADF: nothing was closed
    process.do("close", 5, ret=-4)  # EINTR: it was
    process.do("dup2", 4, 6, ret=6)
    process.do("close_range", 7, 7, 0)
    process.do("close_range", 0, 100, 4)  # only marks them
    process.do("fcntl", 4, F_DUPFD, 20, ret=20)
    process.do("fcntl", 20, F_SETFD, 1)
    process.do("fcntl", 8, F_SETFD, 0)
    rows, notes = leaks(process)
    assert rows == [
        ("openat", "/srv/data-*.log", 2, 6, 4, 0, 0),
        ("dup2", "/srv/data-4.log", 1, 1, 0, 0, 0),
        ("fcntl", "/srv/data-4.log", 1, 1, 0, 0, 0),
    ]
    assert notes == []


def test_an_exec_closes_what_is_marked(leaks):
    process = Process()
    process.open(3, "/a", CLOEXEC)
    process.open(4, "/b")
    process.open(5, "/c", CLOEXEC)
    process.do("fcntl", 5, F_SETFD, 0)
    process.do("execve", 1, 0, 0, path="/bin/x")
    rows, _ = leaks(process)
    assert rows == [("openat", "/b", 1, 1, 0, 0, 0), ("openat", "/c", 1, 1, 0, 0, 0)]


def test_threads_share_and_children_have_copies(leaks):
    process = Process()
    process.open(3, "/shared", tid=4243)
    process.open(4, "/kept")
    process.fork(99)
    process.do("close", 4, pid=99)
    process.open(5, "/of child", pid=99)
    process.do("close", 3)
    rows, _ = leaks(process)
    assert rows == [("openat", "/kept", 1, 1, 0, 0, 0), ("openat", "/of child", 1, 1, 0, 0, 0)]


def test_what_a_process_had_open_when_it_ended_counts_only_when_asked_for(leaks):
    process = Process()
    process.fork(99)
    process.open(7, "/x", pid=99)
    process.rows["processes"][-1]["end_ns"] = START_NS + MS
    rows, notes = leaks(process)
    assert rows == []
    assert notes == ["open when their process ended, which --ended counts: 1"]
    rows, notes = leaks(process, ended=True)
    assert (rows, notes) == ([("openat", "/x", 0, 1, 0, 1, 0)], [])
    # Before its end it was open.
    rows, _ = leaks(process, at="500us")
    assert rows == [("openat", "/x", 1, 1, 0, 0, 0)]


def test_at_a_moment(leaks):
    process = Process()
    for fd in (3, 4, 5):
        process.open(fd, "/x")
    process.do("close", 3)
    assert leaks(process, at="25us")[0] == [("openat", "/x", 2, 2, 0, 0, 0)]
    assert leaks(process, at="1s")[0] == [("openat", "/x", 2, 3, 1, 0, 0)]
    assert leaks(process, at="1s", least=3)[0] == []


def test_what_is_not_known_is_said_and_not_counted(leaks):
    process = Process()
    process.add(schema.DESCRIPTORS, pid=4242, fd=0, target="/dev/pts/1", flags=0, ts_ns=START_NS)
    process.add(schema.DESCRIPTORS, pid=4242, fd=9, target="/old", flags=0, ts_ns=START_NS)
    process.do("close", 9)
    process.open(3, "/before the loss")
    process.add(
        schema.LOSSES,
        kind="ring-full",
        severity="data_loss",
        count=3,
        remedy="",
        ts_ns=START_NS + process.now + 5_000,
        until_ns=START_NS + process.now + 6_000,
    )
    process.open(4, "/after it")
    rows, notes = leaks(process)
    assert rows == [("openat", "/after it", 1, 1, 0, 0, 0)]
    assert notes[1:] == [
        "of 1 descriptors it is not known whether they were closed: calls were lost between its making and its use"
    ]


def test_what_was_open_before_is_counted_by_itself(leaks):
    process = Process()
    for fd in (0, 9):
        process.add(schema.DESCRIPTORS, pid=4242, fd=fd, target="/old", flags=0, ts_ns=START_NS)
    process.do("close", 9)
    assert leaks(process) == ([], ["open when recording began and still, not counted, for no call made them: 1"])


def test_a_recording_without_close_knows_nothing(leaks):
    process = Process()
    process.configuration = {"events": ["openat"]}
    process.open(3, "/x")
    rows, notes = leaks(process)
    assert rows == []
    assert [note.partition(":")[0] for note in notes] == ["of 1 descriptors it is not known whether they were closed"]


def test_names_of_one_kind_are_one_row(leaks):
    process = Process()
    fd = 3
    for name in ("a", "b", "c", "d"):
        process.open(fd, f"/srv/7/{name}.tmp")
        fd += 1
    for number in (3, 4):
        process.open(fd, f"/proc/12/task/{number}/stat")
        fd += 1
    process.open(fd, "/etc/one")
    process.open(fd + 1, "/etc/two")
    rows, _ = leaks(process)
    assert [(name, count) for _, name, count, *_ in rows] == [
        ("/srv/7/*", 4),
        ("/proc/12/task/*/stat", 2),
        ("/etc/one", 1),
        ("/etc/two", 1),
    ]


def test_connections_are_told_by_the_end_that_stays(leaks):
    process = Process()
    process.do("socket", 2, 1, 6, ret=3)
    for client in range(2):
        process.do("accept4", 3, 1, 1, 0, ret=10 + client)
        event = process.do("socket", 2, 1, 6, ret=20 + client)
        event = process.do("connect", 20 + client, 1, 16)
        process.add(schema.SOCKADDRS, event_id=event, arg=1, family=2, address="10.0.0.9", port=80)
    rows, _ = leaks(process, least=2)
    assert ("socket", "TCP ?->10.0.0.9:80", 2, 2, 0, 0, 0) in rows


def stacked() -> Process:
    process = Process()
    for number, name in ((1, "leak"), (2, "keep")):
        add_stack(process, number, [function("open", LIBC, "ip"), function(name, DEEP), function("main", DEEP)])
    for fd in range(3, 8):
        process.open(fd, "/x", stack_id=1)
        process.open(90, "/x", stack_id=2)
        process.do("close", 90)
    process.do("socket", 1, 1, 0, ret=60)
    process.do("socket", 1, 1, 0, ret=61)
    return process


def test_stacks_tell_callers_apart_and_stand_below_the_rows(tmp_path):
    trace = stacked().write(tmp_path / "t.bpfrec")
    done = run_bpfrec("analyze", "-i", trace, "report", "leaks", "-k")
    assert done.stdout.splitlines() == [
        "OPEN  OPENED  CLOSED   PID  COMM    CALL    FIRST (UTC)   LAST (UTC)    NAME",
        "----  ------  ------  ----  ------  ------  ------------  ------------  -----",
        "   5       5       0  4242  server  openat  10:00:00.000  10:00:00.000  /x",
        "    open [libc.so.6]",
        "    leak [deep]",
        "    main [deep]",
        "   2       2       0  4242  server  socket  10:00:00.000  10:00:00.000  unix:",
    ]
    assert "to have these stacks too: record --stack-on failed,paths,socket" in done.stderr


def test_the_query_that_is_shown_runs_by_itself(tmp_path):
    trace = stacked().write(tmp_path / "t.bpfrec")
    query = run_bpfrec("analyze", "-i", trace, "report", "leaks", "--sql").stdout
    direct = run_bpfrec("analyze", "-i", trace, "report", "leaks", "--format", "json").stdout
    assert run_bpfrec("analyze", "-i", trace, "sql", query, "--format", "json").stdout == direct
