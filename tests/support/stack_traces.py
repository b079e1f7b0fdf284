"""Builds a trace with every kind of frame, stacks that end early, and calls and samples without a stack."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from support.trace_builder import MS, START_NS, TraceBuilder

from bpfrec.formats import schema

LIBC, DEEP, NODE = "/usr/lib/x86_64-linux-gnu/libc.so.6", "/srv/deep", "/usr/bin/node"
DESCEND = "_ZN4deep7descendILi0EEEiRKSt8functionIFiiEE"
DESCEND_SHOWN = "int deep::descend<0>(std::function<int (int)> const&)"
HANDLER = "JS:~handler /srv/app.js:12:7"

Function = tuple[str | None, str | None, str, dict[str, Any]]


def function(symbol: str | None, module: str | None, source: str = "cfi", **columns: Any) -> Function:
    return symbol, module, source, columns


def add_stack(
    trace: TraceBuilder, stack_id: int, frames: Sequence[Function], pid: int | None = 4242, status: str = "root"
) -> None:
    trace.add(schema.STACKS, stack_id=stack_id, pid=pid, ts_ns=START_NS, depth=len(frames), status=status)
    for depth, (symbol, module, source, columns) in enumerate(frames):
        row = {
            "symbol_offset": None if symbol is None else 16 + depth,
            "ip": 0x7F00_0000_0000 + 4096 * stack_id + depth,
        }
        trace.add(
            schema.FRAMES, stack_id=stack_id, depth=depth, symbol=symbol, module=module, source=source, **row | columns
        )


OPENING = [
    function("open", LIBC, "ip"),
    *[function(DESCEND, DEEP)] * 3,
    function("main", DEEP),
    function("_start", DEEP),
]


def stacked() -> TraceBuilder:
    """A server and another of its kind, a node process, and what has no stack, or half of one.

    Calls: 40 failed opens and 10 that worked by one path, of two processes; 5 by JIT code; 2 that end in a stripped
    file; 1 whose stack could not be read at all; 4 writes from two lines of one function; then 3 capped ones, 2 that no
    stack was asked of, and an exit that has one and never returned.
    """
    trace = TraceBuilder()
    add_stack(trace, 1, OPENING)
    add_stack(trace, 2, OPENING, pid=99)
    add_stack(
        trace,
        3,
        [
            function("open", LIBC, "ip"),
            function(HANDLER, "perf-700.map", "fp", file="/srv/app.js", line=12),
            function(None, "//anon", "fp"),
            function("Builtins_JSEntry", NODE, "fp"),
            function("_start", NODE),
        ],
        pid=700,
    )
    add_stack(
        trace,
        4,
        [function("open", LIBC, "ip"), function(None, "/srv/stripped", module_address=0x1234)],
        status="stack-truncated",
    )
    add_stack(trace, 5, [], status="error-14")
    add_stack(trace, 6, [function("write", LIBC, "ip"), function("log", DEEP, file="/src/log.c", line=7)])
    add_stack(trace, 7, [function("write", LIBC, "ip"), function("log", DEEP, file="/src/log.c", line=9)])
    for i in range(40):
        trace.call("openat", i * MS, -100, 1, 0, 0, ret=-2, took=1_000, stack_id=1)
    for i in range(10):
        trace.call("openat", i * MS, -100, 1, 0, 0, ret=3, took=2_000, stack_id=2, pid=99, comm="other", uid=0)
    for i in range(5):
        trace.call("openat", i * MS, -100, 1, 0, 0, ret=-2, took=100_000, stack_id=3, pid=700, comm="node")
    for i in range(2):
        trace.call("openat", i * MS, -100, 1, 0, 0, ret=3, stack_id=4)
    trace.call("openat", MS, -100, 1, 0, 0, ret=3, stack_id=5)
    for i in range(4):
        trace.call("write", i * MS, 1, 0x1000, 5, ret=5, took=3_000, stack_id=6 + i % 2)
    for i in range(3):
        trace.call("openat", i * MS, -100, 1, 0, 0, ret=-2, stack_status="capped")
    for i in range(2):
        trace.call("read", i * MS, 3, 0x1000, 5, ret=5)
    trace.call("exit_group", 50 * MS, 0, ret=None, stack_id=6, unfinished="thread-exited")
    add_samples(trace)
    return trace


def add_samples(trace: TraceBuilder) -> None:
    """Samples: 6 of the program's own code, 3 in the kernel below it, 2 of a kernel thread, 1 capped, 1 bare."""
    kernel = [function("do_filp_open", "[kernel]", "kernel"), function("do_syscall_64", "[kernel]", "kernel")]
    add_stack(trace, 8, kernel, pid=None)
    add_stack(trace, 9, [function("kthread", "[kernel]", "kernel")], pid=None)
    of_server = {"pid": 4242, "tid": 4242, "comm": "server", "uid": 1000, "cpu": 1}
    of_kernel = {"pid": 2, "tid": 2, "comm": "kworker", "uid": 0, "cpu": 0, "stack_status": "kernel-thread"}
    rows: list[dict[str, Any]] = [
        *[of_server | {"stack_id": 1}] * 6,
        *[of_server | {"stack_id": 1, "kernel_stack_id": 8}] * 3,
        *[of_kernel | {"kernel_stack_id": 9}] * 2,
        of_server | {"kernel_stack_id": 8, "stack_status": "capped"},
        of_server | {"stack_status": "capped"},
    ]
    for i, row in enumerate(rows):
        trace.add(schema.SAMPLES, ts_ns=START_NS + i * MS, **row)
