"""The report latency: errors, percentiles, single slow calls, and the maxima as they were hit."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.program import run_bpfrec
from support.trace_builder import MS, TraceBuilder

import bpfrec
from bpfrec.formats.errors import ReportError


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Reads that take 1 to 100 us, some of which fail; a write that returns before an earlier one."""
    builder = TraceBuilder()
    for number in range(1, 101):
        builder.call("read", number * MS, 3, 0x10, 1, ret=-5 if number % 10 == 0 else 1, took=number * 1_000)
    builder.call("write", 200 * MS, 4, 0x10, 1, ret=1, took=50 * MS)
    builder.call("write", 201 * MS, 4, 0x10, 2, ret=2, took=3 * MS)
    builder.call("write", 300 * MS, 4, 0x10, 3, ret=3, took=50 * MS)
    builder.call("write", 400 * MS, 4, 0x10, 4, ret=4, took=60 * MS, abi="i386")
    builder.call("write", 500 * MS, 4, 0x10, 5, ret=None, took=None, unfinished="recording-stopped")
    builder.call("write", 0, 4, 0x10, 6, ret=6, took=900 * MS, entry_status="before-recording")
    return builder.write(tmp_path_factory.mktemp("latency") / "t.bpfrec")


def test_errors_and_percentiles(target: Path) -> None:
    with bpfrec.open(target) as trace:
        row = trace.report("latency", syscall="read").dicts()[0]
    told = {name: row[name] for name in ("count", "errors", "p50_ns", "p90_ns", "p95_ns", "p99_ns")}
    assert told == {"count": 100, "errors": 10, "p50_ns": 50_000, "p90_ns": 90_000, "p95_ns": 95_000, "p99_ns": 99_000}


def test_the_slowest_calls_have_their_arguments(target: Path) -> None:
    with bpfrec.open(target) as trace:
        rows = trace.report("latency", slowest=3).dicts()
    assert [(row["duration_ns"], row["call"]) for row in rows] == [
        (60 * MS, "write(0x4, 0x10, 0x4) = 4"),
        (50 * MS, "write(4, 0x10, 1) = 1"),
        (50 * MS, "write(4, 0x10, 3) = 3"),
    ], "neither the call that never returned nor the one whose entry was not seen"
    assert "before_ns" not in rows[0]


def test_maxima_are_in_the_order_of_returns_and_for_each_call(target: Path) -> None:
    with bpfrec.open(target) as trace:
        rows = trace.report("latency", maxima=True, syscall="write").dicts()
        reads = trace.report("latency", maxima=True, syscall="read").dicts()
        few = trace.report("latency", maxima=True, syscall="read", top=2).dicts()
    assert [(row["duration_ns"], row["before_ns"]) for row in rows] == [
        (3 * MS, None),
        (50 * MS, 3 * MS),
        (60 * MS, 50 * MS),
    ], "a maximum that is hit a second time is not new"
    assert [row["end_ts"][11:26] for row in rows] == ["10:00:00.204000", "10:00:00.250000", "10:00:00.460000"]
    assert len(reads) == 100
    assert few == reads[:2]


def test_only_one_answer_at_a_time(target: Path) -> None:
    with bpfrec.open(target) as trace, pytest.raises(ReportError, match="different answers"):
        trace.report("latency", slowest=1, maxima=True)
    done = run_bpfrec("analyze", "-i", target, "report", "latency", "-H", "--maxima")
    assert (done.returncode, "--maxima" in done.stderr) == (2, True)


def test_texts_fit_a_terminal_of_80_columns(target: Path, hostile_trace: Path) -> None:
    for options in ((), ("--slowest", "3"), ("--maxima",)):
        for trace in (target, hostile_trace):
            lines = run_bpfrec("analyze", "-i", trace, "report", "latency", *options, columns=80).stdout.splitlines()
            # The name of a thread has 15 characters at most, but in a trace that lies.
            assert trace == hostile_trace or max(map(len, lines)) <= 80
            assert all(map(str.isprintable, lines))


def test_stacks_stand_below_the_slowest_calls(tmp_path: Path) -> None:
    from support.stack_traces import stacked

    trace = stacked().write(tmp_path / "t.bpfrec")
    text = run_bpfrec("analyze", "-i", trace, "report", "latency", "--slowest", "1").stdout
    assert "  > open+0x10 (libc.so.6)\n" in text
