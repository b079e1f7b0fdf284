"""The listing of all calls, and the report of waiting."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from support.program import run_bpfrec
from support.trace_builder import MS, START_NS, TraceBuilder

import bpfrec
from bpfrec.analyze.reports import calls
from bpfrec.formats import schema
from bpfrec.formats.errors import ReportError

SAMPLE = Path(__file__).parents[3] / "sample_traces" / "talk.bpfrec"


@pytest.fixture(scope="module")
def lab1(lab1_trace):
    with bpfrec.open(lab1_trace) as trace:
        yield trace


def test_every_call_is_listed_once_in_the_order_of_time(lab1):
    rows = lab1.report("calls").dicts()
    every = lab1.query("SELECT event_id, syscall FROM syscalls ORDER BY ts_ns, event_id").rows
    assert [(row["event_id"], row["syscall"]) for row in rows] == every
    texts = {row["event_id"]: row["call"] for row in rows}
    assert texts[3] == 'openat(AT_FDCWD, "/tmp/out file", O_WRONLY|O_CREAT|O_APPEND, 0644) = 3'
    by_view = dict(lab1.query("SELECT event_id, call_text FROM sys.openat").rows)
    assert {event: texts[event] for event in by_view} == by_view


@pytest.mark.parametrize("options", [{"stack": True}, {"failed": True}])
def test_many_calls_are_listed_part_by_part(options, monkeypatch):
    with bpfrec.open(SAMPLE) as trace:
        at_once = trace.report("calls", **options).rows
        monkeypatch.setattr(calls, "_AT_ONCE", len(at_once) // 3 + 1)
        found = trace.report("calls", lazy=True, **options)
        assert not isinstance(found.source, list)
        assert found.rows == at_once


def test_calls_around_one_and_around_a_moment(lab1):
    order = [event for (event,) in lab1.query("SELECT event_id FROM syscalls ORDER BY ts_ns, event_id").rows]
    rows = lab1.report("calls", around=30, context=2).dicts()
    place = order.index(30)
    assert [row["event_id"] for row in rows] == order[place - 2 : place + 3]
    rows = lab1.report("calls", around="10:00:00.9505", context=1).dicts()
    assert [row["syscall"] for row in rows] == ["clock_nanosleep", "read", "read"]
    rows = lab1.report("calls", around=0.9505, context=0, pid=99).dicts()
    assert [row["comm"] for row in rows] == ["cat"]
    with pytest.raises(ReportError, match="no call with event_id 999999"):
        lab1.report("calls", around=999999)


def test_calls_of_32_bit_programs_are_listed_with_numbers(tmp_path):
    builder = TraceBuilder()
    builder.call("read", 0, 3, 0x10, 5, ret=5, abi="i386")
    builder.call("read", 1, 3, 0x10, 5, ret=None, took=None, unfinished="recording-stopped", abi="i386")
    with bpfrec.open(builder.write(tmp_path / "t.bpfrec")) as trace:
        assert [row["call"] for row in trace.report("calls").dicts()] == [
            "read(0x3, 0x10, 0x5) = 5",
            "read(0x3, 0x10, 0x5) = ?",
        ]


def test_the_text_of_calls(lab1_trace, hostile_trace):
    arguments = ("analyze", "-i", lab1_trace, "report", "calls")
    lines = run_bpfrec(*arguments, "--around", "3", "-C", "1").stdout.splitlines()
    opened = 'openat(AT_FDCWD, "/tmp/out file", O_WRONLY|O_CREAT|O_APPEND, 0644) = 3'
    assert lines == [
        '  10:00:00.001000 99      sh              execve("/bin/cat", 0x5100, 0x5200) = 0 <0.000400>',
        f"> 10:00:00.002000 99      cat             {opened} <0.000009>",
        '  10:00:00.002020 99      cat             open("/etc/hosts", O_RDONLY) = 4 <0.000004>',
    ]
    last = run_bpfrec(*arguments, "--from", "0.995").stdout
    assert last.startswith("10:00:00.999000 4242    server          read(6, ")
    assert last.endswith(" = ? <unfinished>\n")
    assert len(run_bpfrec(*arguments, "-T", "4").stdout.splitlines()) == 4
    assert run_bpfrec(*arguments, "-T", "4", "--around", "3").returncode == 2
    hostile = run_bpfrec("analyze", "-i", hostile_trace, "report", "calls").stdout
    assert hostile.replace("\n", "").isprintable()


def test_stacks_stand_below_their_calls(tmp_path):
    from support.stack_traces import stacked

    trace = stacked().write(tmp_path / "t.bpfrec")
    lines = run_bpfrec("analyze", "-i", trace, "report", "calls", "-k", "-T", "1").stdout.splitlines()
    assert lines[1].startswith("    > open+0x10 (libc.so.6)")


def test_waiting_is_long_calls_by_what_was_waited_for(tmp_path):
    builder = TraceBuilder()
    builder.add(schema.PROCESSES, pid=4242, ppid=1, cwd="/", root="/", snapshot_ns=START_NS)
    builder.add(schema.THREADS, tid=4242, pid=4242, comm="server")
    builder.call("openat", 1, -100, 1, 0, ret=3, path="/disk", took=1)
    builder.call("read", 10, 3, 1, 1, ret=1, took=5 * MS)
    builder.call("read", 11, 3, 1, 1, ret=1, took=7 * MS, tid=5)
    builder.call("read", 12, 3, 1, 1, ret=1, took=99_999)
    builder.call("fsync", 13, 3, took=100_000)
    builder.call("socket", 14, 2, 1, 0, ret=4, took=1)
    for at, port in ((15, 80), (16, 80)):
        event = builder.call("connect", at, 4, 1, 16, ret=-110, took=20 * MS)
        builder.add(schema.SOCKADDRS, event_id=event, arg=1, family=2, address="192.0.2.7", port=port)
    builder.call("futex", 17, 0xABC0, 0, took=2 * MS)
    builder.call("wait4", 18, 0, ret=77, took=3 * MS)
    builder.call("nanosleep", 19, 1, took=1 * MS)
    builder.call("poll", 1_000 * MS, 1, 1, ret=None, took=None, unfinished="recording-stopped")
    builder.call("exit_group", 1_000 * MS, 1, ret=None, took=None, unfinished="thread-exited")
    target = builder.write(tmp_path / "t.bpfrec")
    with bpfrec.open(target) as trace:
        rows = trace.report("waiting").dicts()
        everything = trace.report("waiting", least_us=0).dicts()
    shown = ("syscall", "object", "total_ns", "calls", "max_ns", "still", "threads")
    assert [tuple(row[name] for name in shown) for row in rows] == [
        ("poll", None, 1_000 * MS, 1, 1_000 * MS, 1, 1),
        ("connect", "TCP 192.0.2.7:80", 40 * MS, 2, 20 * MS, 0, 1),
        ("read", "/disk", 12 * MS, 2, 7 * MS, 0, 2),
        ("wait4", "process 77", 3 * MS, 1, 3 * MS, 0, 1),
        ("futex", "lock 0xabc0 of process 4242", 2 * MS, 1, 2 * MS, 0, 1),
        ("nanosleep", None, 1 * MS, 1, 1 * MS, 0, 1),
        ("fsync", "/disk", 100_000, 1, 100_000, 0, 1),
    ]
    assert sum(row["calls"] for row in everything) == 12
    done = run_bpfrec("analyze", "-i", target, "report", "waiting", "-T", "1", "--format", "json")
    assert [row["syscall"] for row in json.loads(done.stdout)] == ["poll"]


def test_files_that_are_left_open(tmp_path):
    builder = TraceBuilder()
    for pid, end in ((1, None), (2, START_NS + 900 * MS)):
        builder.add(schema.PROCESSES, pid=pid, ppid=0, cwd="/", root="/", snapshot_ns=START_NS, end_ns=end)
        builder.add(schema.THREADS, tid=pid, pid=pid, comm="x")
        for number in range(3):
            builder.call("openat", 10 * number + pid, -100, 1, 0, ret=3 + number, path="/leaky", pid=pid, took=1)
        builder.call("close", 100 + pid, 3, pid=pid, took=1)
        builder.call("close", 110 + pid, 9, ret=-9, pid=pid, took=1)
    with bpfrec.open(builder.write(tmp_path / "t.bpfrec")) as trace:
        [row] = trace.report("files", sort="left").dicts()
    assert (row["opens"], row["closes"], row["left_open"], row["processes"]) == (6, 2, 2, 2)


def test_processes_that_failed(tmp_path):
    builder = TraceBuilder()
    ends = {1: {"exit_code": 0}, 2: {"exit_code": 3}, 3: {"signal": 11}, 4: {}}
    for pid, end in ends.items():
        builder.add(schema.PROCESSES, pid=pid, ppid=0, start_ns=START_NS, comm="p", end_ns=START_NS + 1, **end)
        builder.call("getpid", pid, pid=pid)
    with bpfrec.open(builder.write(tmp_path / "t.bpfrec")) as trace:
        assert [row["pid"] for row in trace.report("processes", failed=True).dicts()] == [2, 3]
        assert len(trace.report("processes").rows) == 4
