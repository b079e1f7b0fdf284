"""Builds a trace for probes: all calls that open(3) can mean, and stacks with and without symbols."""

from __future__ import annotations

from support.trace_builder import MS, TraceBuilder

from bpfrec.formats import schema


def nodey() -> TraceBuilder:
    """A node process that opens files in four ways, sleeps in two, with two stacks."""
    trace = TraceBuilder()
    node = {"pid": 700, "comm": "node", "uid": 33, "cpu": 0}
    conf = {"path": "/etc/nodey.conf"}
    frames = [
        (1, "open64", 0x58, "/lib/x86_64-linux-gnu/libc.so.6"),
        (1, "LazyCompile:*about /root/nodey/app.js:23", 0x1A, "/tmp/perf-700.map"),
        (1, None, None, "/usr/bin/node"),
        (1, None, None, None),
        (2, "__vdso_time", 4, "[vdso]"),
    ]
    for stack, count in ((1, 4), (2, 1)):
        trace.add(schema.STACKS, stack_id=stack, pid=700, depth=count, status="root")
    for depth, (stack, symbol, offset, module) in enumerate(frames):
        at = depth if stack == 1 else 0
        ip = 0x7F0000001000 + depth
        trace.add(
            schema.FRAMES,
            stack_id=stack,
            depth=at,
            ip=ip,
            symbol=symbol,
            symbol_offset=offset,
            module=module,
            source="fp",
        )
    trace.call("openat", MS, -100, 0x10, 0o100, 0o644, ret=-2, took=2 * MS, stack_id=1, **conf, **node)
    trace.call("open", 4 * MS, 0x10, 0o2, 0, ret=5, stack_id=2, **conf, **node)
    trace.call("creat", 5 * MS, 0x10, 0o600, ret=6, path="/etc/nodey.conf.new", **node)
    trace.call("openat2", 6 * MS, -100, 0x10, 0x20, 24, ret=-13, **conf, **node)
    trace.call("openat", 7 * MS, -100, 0x10, 0, 0, ret=None, unfinished="recording-stopped", **conf, **node)
    for name, at, arg, ns in (("nanosleep", 8, 0, 700), ("clock_nanosleep", 9, 2, 3)):
        event = trace.call(name, at * MS, 0, 0, 0x30, 0, ret=0, **node)
        trace.add(schema.TIMESPECS, event_id=event, arg=arg, tv_sec=1, tv_nsec=ns)
    trace.call("write", 1500 * MS, 2**32 + 1, 0x40, 2**33, ret=0, took=3 * MS, **node)
    trace.call("write", 1600 * MS, 2, 0x40, 5, ret=5, took=500, **node)
    trace.call("unlinkat", 1700 * MS, -100, 0x10, 0x200, path="/tmp/folder", **node)
    trace.call("unlinkat", 1710 * MS, -100, 0x10, 0, path="/tmp/file", **node)
    trace.call("rename", 1720 * MS, 0x10, 0x11, path="/a", path2="/b", **node)
    trace.call("renameat", 1730 * MS, 3, 0x10, 4, 0x11, path="/a", path2="/c", **node)
    return trace
