from __future__ import annotations

from collections import Counter

import duckdb
import pytest
from support import trace_builder

import bpfrec
from bpfrec.analyze.engine.requirements import Requirements
from bpfrec.analyze.render.process_tree import process_tree
from bpfrec.analyze.reports import REPORTS
from bpfrec.formats import schema
from bpfrec.formats.kernel.open_flags import OPEN_FLAGS

ROWS = trace_builder.lab1().rows["syscalls"]
RETURNED = [row for row in ROWS if row["ret"] is not None]


@pytest.fixture(scope="module")
def lab1(lab1_trace):
    with bpfrec.open(lab1_trace) as trace:
        yield trace


@pytest.mark.parametrize(
    ("options", "chosen"),
    [
        ({}, lambda r: True),  # noqa: ARG005
        ({"pid": 99}, lambda r: r["pid"] == 99),
        ({"tid": 99}, lambda r: r["tid"] == 99),
        ({"failures": True}, lambda r: r["ret"] < 0),
        ({"errno": 2}, lambda r: r["ret"] == -2),
        ({"syscall": "write"}, lambda r: r["syscall"] == "write"),
        (
            {"pid": 4242, "failures": True, "syscall": "openat"},
            lambda r: r["syscall"] == "openat" and -4096 < r["ret"] < 0,
        ),
    ],
)
def test_syscount_counts_calls_that_returned(lab1, options, chosen):
    rows = lab1.report("syscount", top=0, **options).rows
    assert dict(rows) == Counter(r["syscall"] for r in RETURNED if chosen(r))
    assert [count for _, count in rows] == sorted((count for _, count in rows), reverse=True)


def test_syscount_by_process_with_latency(lab1):
    result = lab1.report("syscount", process=True, latency=True)
    total = {pid: sum(r["duration_ns"] for r in RETURNED if r["pid"] == pid) for pid in (4242, 99)}
    assert result.dicts() == [
        {"pid": 4242, "comm": "server", "count": 57, "total_ns": total[4242]},
        {"pid": 99, "comm": "cat", "count": 3, "total_ns": total[99]},
    ]


def test_syscount_top_and_unfinished(lab1):
    result = lab1.report("syscount", top=2)
    assert result.rows == [("openat", 26), ("clock_nanosleep", 23)]
    assert result.notes == ["calls that never returned, which are not counted: 1"]
    assert lab1.report("syscount", failures=True).notes == []


def test_syscount_names_the_last_process_of_a_pid_used_twice(tmp_path):
    builder = trace_builder.TraceBuilder()
    builder.call("close", 0)
    for start, comm in ((None, "first"), (5, "second")):
        builder.add(trace_builder.schema.PROCESSES, pid=4242, start_ns=start, comm=comm)
    with bpfrec.open(builder.write(tmp_path / "t.bpfrec")) as trace:
        assert trace.report("syscount", process=True).rows == [(4242, "second", 1)]


@pytest.mark.parametrize(
    ("options", "paths"),
    [
        ({"pid": 99}, ["/tmp/out file", "/etc/hosts"]),
        ({"uid": 0}, ["/tmp/out file", "/etc/hosts"]),
        ({"name": "ca"}, ["/tmp/out file", "/etc/hosts"]),
        ({"pid": 99, "failed": True}, []),
        ({"flags": [OPEN_FLAGS["O_WRONLY"], OPEN_FLAGS["O_TRUNC"]]}, ["/tmp/out file"]),
        ({"duration_s": 0.02}, ["/tmp/out file", "/etc/hosts", "/etc/tracing-server-example.conf"]),
        ({"failed": True}, ["/etc/tracing-server-example.conf"] * 23 + [None]),
    ],
)
def test_opensnoop_filters(lab1, options, paths):
    assert [row["path"] for row in lab1.report("opensnoop", **options).dicts()] == paths


def test_opensnoop_reads_flags_and_mode_of_every_call_that_opens(tmp_path):
    builder = trace_builder.TraceBuilder()
    builder.call("creat", 0, 1, 0o600, path="/creat")
    builder.call("open", 1, 1, 0o102, 0o640, path="/open")
    builder.call("openat", 2, -100, 1, 0o20200002, 0o400, path="/tmpfile")
    builder.call("openat", 3, -100, 1, 0o200000, 0o777, path="/directory")
    how = builder.call("openat2", 4, -100, 1, 0x7000, 24, path="/openat2")
    builder.add(schema.STRUCTS, event_id=how, arg=2, kind="open_how", word0=0o101, word1=0o644, word2=0)
    unread = builder.call("openat2", 4, -100, 1, 0x7000, 24, path="/unread", ret=-14)
    builder.add(schema.STRUCTS, event_id=unread, arg=2, kind="open_how", status="unreadable")
    builder.call("openat", 5, -100, 1, 0, 0, ret=None, path="/never", unfinished="recording-stopped")
    with bpfrec.open(builder.write(tmp_path / "t.bpfrec")) as trace:
        result = trace.report("opensnoop")
        assert [(r["path"], r["flags"], r["mode"]) for r in result.dicts()] == [
            ("/creat", 0o1101, 0o600),
            ("/open", 0o102, 0o640),
            ("/tmpfile", 0o20200002, 0o400),
            ("/directory", 0o200000, None),
            ("/openat2", 0o101, 0o644),
            ("/unread", None, None),
        ]
        assert result.notes == [
            "open: matched open, openat, openat2, creat",
            "opens that never returned, which are not shown: 1",
        ]
        shown = trace.report("opensnoop", flags=[1]).dicts()
        assert [r["path"] for r in shown] == ["/creat", "/openat2"]
        shown = trace.report("opensnoop", flags=[0]).dicts()
        assert [r["path"] for r in shown] == ["/directory"]
        shown = trace.report("opensnoop", flags=[0, 1]).dicts()
        assert [r["path"] for r in shown] == ["/creat", "/directory", "/openat2"]


def test_opensnoop_times_start_at_the_first_open_even_if_that_is_not_shown(lab1):
    first = next(r for r in RETURNED if r["syscall"] == "openat")
    shown = lab1.report("opensnoop", failed=True).dicts()[0]
    end = {r["event_id"]: (r["ts_ns"] + r["duration_ns"]) // 1000 for r in RETURNED}
    assert shown["time_s"] == pytest.approx((end[shown["event_id"]] - end[first["event_id"]]) / 1e6)


def test_failed_opens(lab1):
    result = lab1.report("failed-opens")
    assert [(row["resolved_path"], row["uid"]) for row in result.dicts()] == [
        ("/etc/tracing-server-example.conf", 1000),
        (None, 1000),
    ]
    assert [row[:8] for row in result.rows] == [
        (
            23,
            "ENOENT",
            "server",
            4242,
            "/etc/tracing-server-example.conf",
            None,
            "2026-08-01T10:00:00.010000000",
            "2026-08-01T10:00:00.890000000",
        ),
        (1, "EFAULT", "server", 4242, None, "unreadable", *["2026-08-01T10:00:00.985000000"] * 2),
    ]


def test_failures_know_what_worked_later(lab1):
    later = {(r["syscall"], r["errno"]): r["succeeded_later"] for r in lab1.report("failures").dicts()}
    assert later == {
        ("openat", "ENOENT"): True,
        ("read", "EAGAIN"): True,
        ("kill", "ESRCH"): False,
        ("openat", "EFAULT"): False,
        ("unknown_999", "ENOSYS"): False,
    }


def test_a_success_before_the_failure_or_of_another_path_is_none_later(tmp_path):
    builder = trace_builder.TraceBuilder()
    builder.call("stat", 0, path="/a")
    builder.call("stat", 1, ret=-2, path="/a")
    builder.call("stat", 2, path="/b")
    with bpfrec.open(builder.write(tmp_path / "t.bpfrec")) as trace:
        assert trace.report("failures").dicts()[0]["succeeded_later"] is False


def test_another_process_is_not_the_same_call(tmp_path):
    builder = trace_builder.TraceBuilder()
    for pid in (1, 2, 3):
        builder.call("stat", pid, ret=-2, path="/a", pid=pid)
    builder.call("stat", 9, path="/a", pid=2)
    builder.call("stat", 10, ret=-2, path="/b", pid=1)
    builder.call("stat", 11, path="/b", pid=2)
    with bpfrec.open(builder.write(tmp_path / "t.bpfrec")) as trace:
        rows = trace.report("failures").dicts()
    told = [(r["path"], r["count"], r["processes"], r["processes_succeeded"], r["succeeded_later"]) for r in rows]
    assert told == [("/a", 3, 3, 1, False), ("/b", 1, 1, 0, False)]


@pytest.fixture
def two_directories() -> trace_builder.TraceBuilder:
    """A process that looks for app.conf in one directory, where it is not, and then in another, where it is."""
    builder = trace_builder.TraceBuilder()
    start = trace_builder.START_NS
    builder.add(schema.PROCESSES, pid=4242, ppid=1, cwd="/srv", root="/", snapshot_ns=start)
    builder.add(schema.THREADS, tid=4242, pid=4242, comm="server")
    builder.call("openat", 10_000, -100, 1, 0, ret=3, path="a")
    builder.call("openat", 20_000, -100, 1, 0, ret=4, path="b")
    builder.call("openat", 30_000, 3, 1, 0, ret=-2, path="app.conf")
    builder.call("openat", 40_000, 4, 1, 0, ret=5, path="app.conf")
    return builder


def test_a_name_that_works_in_another_directory_has_not_worked_later(two_directories, tmp_path):
    with bpfrec.open(two_directories.write(tmp_path / "t.bpfrec")) as trace:
        [row] = trace.report("failures").dicts()
        assert (row["path"], row["object"], row["succeeded_later"]) == ("app.conf", "/srv/a/app.conf", False)
        assert (row["pid"], row["comm"], row["uid"]) == (4242, "server", 1000)
        [row] = trace.report("failed-opens").dicts()
        assert row["resolved_path"] == "/srv/a/app.conf"
        opens = trace.report("opensnoop").dicts()
        assert [row["resolved_path"] for row in opens[2:]] == ["/srv/a/app.conf", "/srv/b/app.conf"]
        assert "resolved_path" not in trace.report("opensnoop", full_path=False).columns


def test_the_same_file_by_another_path_has_worked_later(two_directories, tmp_path):
    two_directories.call("openat", 50_000, -100, 1, 0, ret=6, path="a/app.conf")
    with bpfrec.open(two_directories.write(tmp_path / "t.bpfrec")) as trace:
        assert [row["succeeded_later"] for row in trace.report("failures").dicts()] == [True]


def test_failures_of_descriptors_and_sockets_say_what_they_are(two_directories, tmp_path):
    builder = two_directories
    builder.call("socket", 50_000, 2, 1, 0, ret=6)
    call = builder.call("connect", 60_000, 6, 0x5000, 16, ret=-111)
    builder.add(schema.SOCKADDRS, event_id=call, arg=1, family=2, address="192.0.2.7", port=80)
    for at in range(3):
        call = builder.call("connect", 70_000 + at, 6, 0x5000, 16, ret=-115)
        builder.add(schema.SOCKADDRS, event_id=call, arg=1, family=2, address="192.0.2.7", port=81)
    builder.call("lseek", 80_000, 4, 0, 9, ret=-22)
    builder.call("rename", 81_000, 1, 2, ret=-2, path="x", path2="/y")
    builder.call("read", 82_000, 77, 1, 1, ret=-9)
    for at in range(2):
        builder.call("futex", 90_000 + at, 1, 0, 0, 0, ret=-110, pid=1 + at)
    with bpfrec.open(builder.write(tmp_path / "t.bpfrec")) as trace:
        rows = trace.report("failures").dicts()
        by_process = trace.report("failures", process=True).dicts()
        top = trace.report("summary", top=20).dicts()
    told = [(r["syscall"], r["errno"], r["object"], r["count"], r["not_yet"]) for r in rows]
    assert told == [
        ("openat", "ENOENT", "/srv/a/app.conf", 1, False),
        ("connect", "ECONNREFUSED", "TCP 192.0.2.7:80", 1, False),
        ("lseek", "EINVAL", "/srv/b", 1, False),
        ("rename", "ENOENT", "/srv/x -> /y", 1, False),
        ("read", "EBADF", None, 1, False),
        ("connect", "EINPROGRESS", "TCP 192.0.2.7:81", 3, True),
        ("futex", "ETIMEDOUT", None, 2, True),
    ]
    assert (rows[-1]["pid"], rows[-1]["processes"], rows[-1]["comm"]) == (None, 2, "server")
    assert [(r["pid"], r["count"]) for r in by_process[-2:]] == [(1, 1), (2, 1)]
    assert [r["name"] for r in top if r["section"] == "failures"][-2:] == ["connect EINPROGRESS", "futex ETIMEDOUT"]


@pytest.fixture
def restarted(tmp_path):
    """A trace of opens: one that failed, one that worked, one that the kernel made again for a signal, by each code."""
    builder = trace_builder.TraceBuilder()
    builder.add(trace_builder.schema.PROCESSES, pid=4242, comm="server", uid=-2)
    for ret in (-2, 3, -512, -513, -514, -516, -515):
        builder.call("open", -ret, 1, 0, path="/x", ret=ret, uid=-2)
    with bpfrec.open(builder.write(tmp_path / "t.bpfrec")) as trace:
        yield trace


def test_a_call_that_the_kernel_makes_again_has_not_failed(restarted):
    assert restarted.report("syscount", failures=True).rows == [("open", 2)]
    assert [(r["errno"], r["count"]) for r in restarted.report("failures").dicts()] == [
        ("ENOENT", 1),
        ("ENOIOCTLCMD", 1),
    ]
    assert [r["ret"] for r in restarted.report("opensnoop", failed=True).dicts()] == [-2, -515]
    assert len(restarted.report("failed-opens").rows) == 2
    assert restarted.report("processes").dicts()[0]["failed"] == 2
    summary = restarted.report("summary").dicts()
    assert [r["name"] for r in summary if r["section"] == "failures"] == ["open ENOENT", "open ENOIOCTLCMD"]
    assert restarted.query("SELECT count(*) FROM syscalls WHERE errno LIKE 'ERESTART%'").rows == [(4,)]


def test_a_summary_speaks_of_samples_where_there_are_some(lab1, tmp_path):
    assert "samples" not in [r["name"] for r in lab1.report("summary").dicts()]
    builder = trace_builder.lab1()
    builder.add(schema.SAMPLES, ts_ns=trace_builder.START_NS, pid=4242, tid=4242, comm="server", uid=1000, cpu=0)
    for configuration, said in (
        ({"profile_hz": 99}, "99 a second on each CPU, of what ran"),
        ({"profile_hz": "x"}, None),
    ):
        manifest = builder.manifest()
        manifest.configuration = configuration
        with bpfrec.open(builder.write(tmp_path / "t.bpfrec", manifest)) as trace:
            [row] = [r for r in trace.report("summary").dicts() if r["name"] == "samples"]
            assert (row["section"], row["value"], row["detail"]) == ("recording", "1", said)


def test_user_ids_have_no_sign_in_reports(restarted):
    assert {r["uid"] for r in restarted.report("opensnoop", uid=2**32 - 2).dicts()} == {2**32 - 2}
    assert restarted.report("opensnoop", uid=2).rows == []
    assert restarted.report("processes").dicts()[0]["uid"] == 2**32 - 2
    count = restarted.report("argdist", counts=["p::open(char *f):u32:$uid"]).dicts()
    assert [row["event"] for row in count] == ["$uid = 4294967294"]


@pytest.mark.grid
@pytest.mark.parametrize("name", [n for n in REPORTS if n not in ("argdist", "trace")])
def test_reports_need_no_columns_that_they_do_not_name(lab1, name):
    sql = lab1.report(name, lazy=True).sql
    assert not Requirements(sql, duckdb.connect()).everything_of("syscalls"), "such a column costs every such report"


def test_latency_percentiles_are_exact(lab1):
    took = sorted(r["duration_ns"] for r in RETURNED if r["syscall"] == "clock_nanosleep")
    (row,) = lab1.report("latency", syscall="clock_nanosleep").rows
    assert row[:8] == ("clock_nanosleep", 23, sum(took), took[0], took[11], took[21], took[22], took[22])
    assert row[8:] == (0, took[20])


def test_latency_histogram_slots(tmp_path):
    builder = trace_builder.TraceBuilder()
    for took in (0, 1, 2, 3, 4, 2**40 - 1, 2**40):
        builder.call("close", 0, took=took)
    with bpfrec.open(builder.write(tmp_path / "t.bpfrec")) as trace:
        assert trace.report("latency", histogram=True).rows == [
            ("close", 0, 1, 2),
            ("close", 2, 3, 2),
            ("close", 4, 7, 1),
            ("close", 2**39, 2**40 - 1, 1),
            ("close", 2**40, 2**41 - 1, 1),
        ]


@pytest.mark.grid
@pytest.mark.parametrize("name", [name for name in REPORTS if name not in ("argdist", "trace")])
def test_only_missing_events_are_announced_and_first(lab1, lossy_trace, name):
    with bpfrec.open(lossy_trace) as trace:
        notes = trace.report(name).notes
    assert notes[0] == "this trace lacks 1234 events (ring-full): record with --buffer 64M"
    assert not any("lacks" in note for note in lab1.report(name).notes)


def test_an_unknown_report_is_answered_with_its_neighbours(lab1):
    with pytest.raises(bpfrec.BpfrecError, match="syscount"):
        lab1.report("syscout")


@pytest.fixture
def executed(tmp_path):
    """A process 7 that tried one program and executed two, a child of it, and another process with its pid later."""
    builder = trace_builder.TraceBuilder()
    start, ms = trace_builder.START_NS, trace_builder.MS
    builder.add(schema.PROCESSES, pid=7, ppid=1, start_ns=start, end_ns=start + 9 * ms, comm="b", cmdline="b", signal=9)
    builder.add(schema.PROCESSES, pid=8, ppid=7, start_ns=start + ms, end_ns=start + 2 * ms, uid=-2, exit_code=3)
    builder.add(schema.PROCESSES, pid=7, ppid=1, start_ns=start + 20 * ms, comm="other", cmdline="other")

    def execute(at, path, *argv, **columns):
        call = builder.call("execve", at * ms, pid=7, path=path, comm="sh", **columns)
        for position, value in enumerate(argv):
            builder.add(schema.EXEC_ARGS, event_id=call, arg=1, position=position, value=value)

    execute(1, "/bin/none", "none", ret=-2)
    execute(2, "/bin/a", "a", "it's", "", None)
    execute(4, "/bin/b", "b", "--x=1,2")
    builder.call("getpid", 5 * ms, pid=7, tid=70)
    builder.call("exit_group", 6 * ms, pid=7, ret=None)
    builder.call("getppid", 21 * ms, pid=7)
    with bpfrec.open(builder.write(tmp_path / "t.bpfrec")) as trace:
        yield trace


def test_execs_names_every_try_with_its_arguments(executed):
    assert executed.query("SELECT pid, tid, comm, path, argv, ret, errno FROM execs ORDER BY ts_ns").rows == [
        (7, 7, "sh", "/bin/none", "none", -2, "ENOENT"),
        (7, 7, "sh", "/bin/a", """a 'it'"'"'s' '' ...""", 0, None),
        (7, 7, "sh", "/bin/b", "b --x=1,2", 0, None),
    ]


def test_processes_tells_programs_threads_and_ends_of_each_life(executed):
    rows = executed.report("processes").dicts()
    keys = ("pid", "depth", "threads", "calls", "first_call", "last_call", "exit_code", "signal", "uid")
    assert [tuple(row[key] for key in keys) for row in rows] == [
        (7, 0, 2, 5, "execve", "exit_group", None, 9, None),
        (8, 1, 0, 0, None, None, 3, None, 2**32 - 2),
        (7, 0, 1, 1, "getppid", "getppid", None, None, None),
    ]
    assert [[(e["start_s"], e["path"]) for e in row["execs"] or []] for row in rows] == [
        [(0.002, "/bin/a"), (0.004, "/bin/b")],
        [],
        [],
    ]
    shown = [line.rstrip() for line in process_tree(rows, None, calls=False)]
    assert [line.split("  ")[-1].strip() for line in shown[2:5]] == ["""a 'it'"'"'s' '' ...""", "exec b --x=1,2", "?"]


def test_users_beyond_two_billion_are_found_and_shown_as_they_are(tmp_path):
    builder = trace_builder.TraceBuilder()
    builder.call("openat", 0, -100, 0, uid=-2, path="/x")
    builder.call("openat", 1, -100, 0, uid=2, path="/y")
    with bpfrec.open(builder.write(tmp_path / "t.bpfrec")) as trace:
        found = trace.report("opensnoop", uid=4294967294).dicts()
        probed = trace.report("trace", probes=['do_sys_openat2 "%u", $uid'], uid=4294967294)
        [probed_row] = probed.rows
        assert probed_row[-1] == "4294967294"
    assert [(row["uid"], row["path"]) for row in found] == [(4294967294, "/x")]
