"""The report offcpu and the flame graph of what threads waited for."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.trace_builder import MS, START_NS, TraceBuilder, lab1

import bpfrec
from bpfrec.analyze.facade import Trace
from bpfrec.analyze.flame.draw import measured
from bpfrec.analyze.flame.folded import folded
from bpfrec.formats import schema
from bpfrec.formats.errors import ReportError


def off(trace: TraceBuilder, at: int, took: int | None, blocked: int | None, **columns: Any) -> None:
    """Adds a time off the CPU, all in ms; ``took`` None: it lasts."""
    wait = None if took is None or blocked is None else (took - blocked) * MS
    row = {"pid": 1, "tid": 1, "comm": "main", "state": "sleeping", "uid": 0} | columns
    trace.add(
        schema.SCHED,
        ts_ns=START_NS + at * MS,
        duration_ns=None if took is None else took * MS,
        blocked_ns=None if blocked is None else blocked * MS,
        wait_ns=wait,
        **row,
    )


@pytest.fixture(scope="module")
def trace(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Trace]:
    builder = TraceBuilder()
    for stack_id, symbol, source in ((0, "main", "cfi"), (1, "schedule", "kernel")):
        builder.add(schema.STACKS, stack_id=stack_id, pid=1, ts_ns=START_NS, depth=1, status="root")
        builder.add(schema.FRAMES, stack_id=stack_id, depth=0, ip=1, symbol=symbol, module="app", source=source)
    builder.call("read", 10 * MS, 3, 0, 1, ret=1, took=20 * MS, pid=1, stack_id=0)
    in_read = {"syscall": "read", "call_ns": START_NS + 10 * MS, "kernel_stack_id": 1}
    off(builder, 11, 10, 8, **in_read)
    off(builder, 22, 4, None, **in_read)
    off(builder, 50, 6, 0, state="preempted")
    off(builder, 60, 5, 5, tid=2, syscall="futex", call_ns=START_NS + 60 * MS)
    off(builder, 1990, None, None, pid=7, tid=7, comm="other", syscall="read", call_ns=START_NS + 1990 * MS)
    builder.add(schema.SCHED, ts_ns=START_NS + 99 * MS, state="exited", pid=1, tid=2, comm="main")
    with bpfrec.open(builder.write(tmp_path_factory.mktemp("offcpu") / "t.bpfrec")) as opened:
        yield opened


def times(trace: Trace, *names: str, **options: Any) -> list[tuple[Any, ...]]:
    """Total, blocked, wait and unknown time in ms and how often, behind the columns ``names``."""
    measures = ("total_ns", "blocked_ns", "wait_ns", "unknown_ns")
    rows = trace.report("offcpu", **options).dicts()
    return [(*(r[n] for n in names), *(r[m] // MS for m in measures), r["times"]) for r in rows]


def test_calls(trace: Trace) -> None:
    assert times(trace, "pid", "syscall") == [
        (1, "read", 14, 8, 2, 4, 2),
        (7, "read", 10, 0, 0, 10, 1),
        (1, None, 6, 0, 6, 0, 1),
        (1, "futex", 5, 5, 0, 0, 1),
    ]


def test_processes_and_threads(trace: Trace) -> None:
    assert times(trace, "pid", by="process") == [(1, 25, 13, 8, 4, 4), (7, 10, 0, 0, 10, 1)]
    assert times(trace, "tid", by="thread", pid=1) == [(1, 20, 8, 8, 4, 3), (2, 5, 5, 0, 0, 1)]


def test_stacks(trace: Trace) -> None:
    first = trace.report("offcpu", by="stack", top=1).dicts()[0]
    assert (first["frames"], first["kernel_frames"]) == (["main [app]"], ["schedule [app]"])
    assert (first["p50_ns"], first["p99_ns"], first["max_ns"]) == (4 * MS, 10 * MS, 10 * MS)


def test_what_is_chosen(trace: Trace) -> None:
    assert times(trace, "tid", by="thread", syscall="futex") == [(2, 5, 5, 0, 0, 1)]
    assert times(trace, "pid", by="process", name="oth") == [(7, 10, 0, 0, 10, 1)]
    with pytest.raises(ReportError, match="not put together by colour"):
        trace.report("offcpu", by="colour")


def test_a_trace_without_them_says_so(tmp_path: Path) -> None:
    with bpfrec.open(lab1().write(tmp_path / "t.bpfrec")) as opened:
        found = opened.report("offcpu")
        assert found.rows == []
        assert any("--sched" in note for note in found.notes)
        with pytest.raises(ReportError, match="no time in long system calls"):
            measured(opened, by="blocked")


def test_the_flame_graph_of_blocked_time(trace: Trace) -> None:
    flame, title = measured(trace, by="blocked")
    assert sorted(folded(flame)) == [
        f"main;futex {5 * MS}",
        f"main;main;read;schedule_[k] {8 * MS}",
        f"other;read {10 * MS}",
    ]
    assert title.startswith("Time blocked in system calls")
    assert any("1 of 4" in note for note in flame.notes)
    with pytest.raises(ReportError, match="have no failed"):
        measured(trace, by="blocked", failed=True)
    with pytest.raises(ReportError, match="samples have no by blocked"):
        measured(trace, by="blocked", samples=True)


def test_trace_shows_where_a_call_waited(trace: Trace) -> None:
    probe = 't:syscalls:sys_enter_read "%d", args->fd'
    (row,) = trace.report("trace", probes=[probe], kernel_stack=True, user_stack=True).dicts()
    assert row["kernel_stack"] == ["schedule+0x0 [app]"]
    assert row["stack"] == ["main+0x0 [app]"]
    found = trace.report("trace", probes=["t:syscalls:sys_exit_read"], kernel_stack=True)
    assert [row["kernel_stack"] for row in found.dicts()] == [["schedule+0x0 [app]"]]
    assert not any("no kernel stack" in note for note in found.notes)
