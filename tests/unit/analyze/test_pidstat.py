"""The report pidstat: time in user code and in the kernel by second."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from support.trace_builder import MS, START_NS, TraceBuilder

import bpfrec
from bpfrec.formats import schema
from bpfrec.formats.errors import ReportError

SHOWN = ("interval", "pid", "tid", "user_percent", "system_percent", "wait_percent", "cpu", "comm")


def left(trace: TraceBuilder, at: int, took: int | None, run: int, user: int, system: int, **columns: Any) -> None:
    """A thread leaves its CPU, after it has run ``run`` ms; all times in ms; ``took`` None: it lasts."""
    row = {"pid": 1, "tid": 1, "comm": "main", "uid": 0, "cpu": 0, "state": "sleeping", "wait_ns": 0} | columns
    times = {"run_ns": run * MS, "user_ns": user * MS, "system_ns": system * MS}
    duration = None if took is None else took * MS
    trace.add(schema.SCHED, ts_ns=START_NS + at * MS, duration_ns=duration, **times, **row)


@pytest.fixture
def builder() -> TraceBuilder:
    """A recording of 2 s."""
    trace = TraceBuilder()
    # An old thread: what it ran before 100 ms is not known. It runs from 200 to 600, and from 900 to 1400.
    left(trace, 100, 100, 5_000, 4_000, 1_000)
    left(trace, 600, 300, 5_400, 4_400, 1_000, wait_ns=50 * MS)
    left(trace, 1_400, None, 5_900, 4_400, 1_500, cpu=1)
    # A thread of the same process that was born at 500 and runs on to the end.
    trace.add(schema.THREADS, tid=2, pid=1, comm="other", start_ns=START_NS + 500 * MS)
    left(trace, 700, 300, 200, 200, 0, tid=2, comm="other")
    return trace


def asked(trace: TraceBuilder, folder: Path, **options: Any) -> list[tuple[Any, ...]]:
    with bpfrec.open(trace.write(folder / "t.bpfrec")) as opened:
        rows = opened.report("pidstat", **options).dicts()
    return [tuple(round(row[c], 3) if isinstance(row[c], float) else row[c] for c in SHOWN) for row in rows]


def test_times_are_shared_out_by_second(builder: TraceBuilder, tmp_path: Path) -> None:
    assert asked(builder, tmp_path) == [
        (1, 1, None, 60.0, 10.0, 5.0, 1, "main"),
        (2, 1, None, 100.0, 40.0, 0.0, 0, "main"),
    ]


def test_threads_and_other_intervals(builder: TraceBuilder, tmp_path: Path) -> None:
    found = asked(builder, tmp_path, threads=True, interval_s=0.5, tid=2)
    assert found == [
        (2, 1, 2, 40.0, 0.0, 0.0, 0, "other"),
        (3, 1, 2, 100.0, 0.0, 0.0, 0, "other"),
        (4, 1, 2, 100.0, 0.0, 0.0, 0, "other"),
    ]
    assert [row[0] for row in asked(builder, tmp_path, interval_s=0.5, since=0.5, until=1.2)] == [2, 3]


def test_neither_time_ever_falls(tmp_path: Path) -> None:
    """The kernel's ticks may say of a thread that it has run more of its time in the kernel than they said before."""
    trace = TraceBuilder()
    left(trace, 100, 100, 100, 90, 10)
    left(trace, 300, 100, 200, 90, 110)
    left(trace, 500, None, 300, 290, 110)
    total = sum(row[3] + row[4] for row in asked(trace, tmp_path))
    assert total == pytest.approx(20)
    assert all(row[3] >= 0 and row[4] >= 0 for row in asked(trace, tmp_path, interval_s=0.1))


def test_too_many_intervals_are_refused(builder: TraceBuilder, tmp_path: Path) -> None:
    with pytest.raises(ReportError, match="too many intervals"):
        asked(builder, tmp_path, interval_s=1e-6)


def test_times_that_no_recording_has_make_no_rows(tmp_path: Path) -> None:
    trace = TraceBuilder()
    for ts, took, run in ((-(2**63), 2**63 - 1, 2**63 - 1), (2**63 - 1, 2**63 - 1, -(2**63)), (START_NS, -(2**63), 1)):
        row = {"pid": 1, "tid": 1, "comm": "x", "uid": 0, "cpu": 0, "state": "sleeping", "wait_ns": took}
        trace.add(schema.SCHED, ts_ns=ts, duration_ns=took, run_ns=run, user_ns=run, system_ns=run, **row)
    assert len(asked(trace, tmp_path)) <= 2
