"""Builds synthetic traces row by row; the product's own writer writes them."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from bpfrec.formats import schema
from bpfrec.formats.kernel.errnos import errno_names
from bpfrec.formats.kernel.syscalls import syscalls
from bpfrec.formats.manifest import Clock, Host, Manifest
from bpfrec.formats.trace_writer import TraceWriter

START_NS = 5_000_000_000_000
WALL_NS = 1_785_578_400_000_000_000  # 2026-08-01T10:00:00Z
MS = 1_000_000


class TraceBuilder:
    """Collects calls and side tables; times are ns since the start of the recording."""

    def __init__(self) -> None:
        self.rows: dict[str, list[dict[str, Any]]] = {table.name: [] for table in schema.TABLES}
        self.stop_ns = START_NS + 2_000 * MS
        self.counters = {"recorded": 0, "lost": 0}
        self.host = Host("lab", "6.1.0-test", "x86_64", 4096, 2, 4 << 30)

    def call(
        self, name: str, at: int, *args: int, ret: int | None = 0, took: int | None = 1_000, **columns: Any
    ) -> int:
        """Adds a call and returns its event_id. ``ret`` None: the call never returned."""
        event_id = len(self.rows["syscalls"])
        row: dict[str, Any] = {
            "event_id": event_id,
            "ts_ns": START_NS + at,
            "duration_ns": None if ret is None else took,
            "pid": 4242,
            "tid": columns.get("pid", 4242),
            "comm": "server",
            "uid": 1000,
            "cpu": 1,
            "abi": "x86_64",
            "nr": next(iter(syscalls()[name].numbers.values()))
            if name in syscalls()
            else int(name.removeprefix("unknown_")) & 0x7FFF,
            "syscall": name,
            "ret": ret,
            "errno": errno_names().get(-ret) if ret is not None and ret < 0 else None,
        }
        row |= {f"arg{i}": value % 2**64 for i, value in enumerate(args)}
        self.rows["syscalls"].append(row | columns)
        return event_id

    def add(self, table: schema.Table, **columns: Any) -> None:
        self.rows[table.name].append(columns)

    def manifest(self) -> Manifest:
        counts: dict[str, int] = {}
        for row in self.rows["syscalls"]:
            counts[row["syscall"]] = counts.get(row["syscall"], 0) + 1
        return Manifest(
            tool_version="0.1.0",
            command_line=["bpfrec", "record", "-p", "4242", "-d", "2"],
            configuration={"pids": [4242], "duration_s": 2},
            host=self.host,
            clock=Clock(START_NS, WALL_NS, 7200),
            start_ns=START_NS,
            stop_ns=self.stop_ns,
            stopped="duration",
            counters=self.counters | {"recorded": len(self.rows["syscalls"])},
            syscalls=counts,
        )

    def write(self, target: Path, manifest: Manifest | None = None) -> Path:
        with tempfile.TemporaryDirectory(dir=target.parent) as folder:
            writer = TraceWriter(Path(folder))
            for table in schema.TABLES:
                writer.write_rows(table, self.rows[table.name])
            writer.finish(manifest or self.manifest(), target, None)
        return target


def lab1() -> TraceBuilder:
    """The server of the first lab: 23 failed opens and 23 sleeps of 1000 ns, and a little of everything else."""
    trace = TraceBuilder()
    trace.add(schema.PROCESSES, pid=4242, ppid=1, comm="server", exe="/root/server", cmdline="./server", uid=1000)
    trace.add(schema.PROCESSES, pid=99, ppid=1, start_ns=START_NS + MS, end_ns=START_NS + 3 * MS, comm="cat", uid=0)
    trace.add(schema.THREADS, tid=4242, pid=4242, comm="server")
    trace.call("mmap", 0, 0, 8192, 3, 0x22, -1, 0, ret=0x7F0000000000, took=2_000)
    trace.call("mmap", MS // 2, 0, 4096, 1, 2, 3, 0, ret=0x7F0000010000, took=3_000)
    other = {"pid": 99, "comm": "sh", "uid": 0, "cpu": 0}
    trace.call("execve", MS, 0x5000, 0x5100, 0x5200, took=400_000, path="/bin/cat", **other)
    other["comm"] = "cat"
    trace.call("openat", 2 * MS, -100, 0x6000, 0o2101, 0o644, ret=3, took=9_000, path="/tmp/out file", **other)
    trace.call("open", 2 * MS + 20_000, 0x6000, 0, ret=4, took=4_000, path="/etc/hosts", **other)
    for i in range(23):
        at = (10 + 40 * i) * MS
        missing = {"path": "/etc/tracing-server-example.conf", "took": 5_000 + 100 * i}
        trace.call("openat", at, -100, 0x4006F8, 0, 0, ret=-2, **missing)
        sleep = trace.call("clock_nanosleep", at + MS, 0, 0, 0x7FFC0000, 0, took=60_000 + 1_000 * i)
        trace.add(schema.TIMESPECS, event_id=sleep, arg=2, tv_sec=0, tv_nsec=1_000)
    trace.call("read", 950 * MS, 5, 0x7FFC1000, 4096, ret=-11)
    trace.call("read", 951 * MS, 5, 0x7FFC1000, 4096, ret=17)
    for i in range(3):
        trace.call("write", (960 + i) * MS, 1, 0x7FFC2000, 12 + i, ret=12 + i, took=1_500)
    trace.call("openat", 970 * MS, -100, 0x4006F8, 0, 0, ret=3, path="/etc/tracing-server-example.conf", took=7_000)
    trace.call("kill", 980 * MS, 99, -9 % 2**32, ret=-3)
    trace.call("openat", 985 * MS, -100, 0x1, 0, 0, ret=-14, path_status="unreadable")
    trace.call("unknown_999", 990 * MS, 1, 2, 3, 4, 5, 6, ret=-38)
    trace.call("read", 999 * MS, 6, 0x7FFC1000, 1, ret=None, unfinished="recording-stopped")
    return trace


def lossy() -> TraceBuilder:
    """The lab's trace, with 1234 events lost, and a notice that is no loss of events."""
    trace = lab1()
    trace.counters["lost"] = 1234
    loss = {"kind": "ring-full", "severity": "data_loss", "remedy": "record with --buffer 64M"}
    trace.add(schema.LOSSES, cpu=0, count=1000, **loss)
    trace.add(schema.LOSSES, cpu=1, count=234, **loss)
    trace.add(schema.LOSSES, kind="comm-unknown", severity="notice", count=7, remedy="")
    return trace


ESCAPES = "\x1b]0;owned\x07\x1b[31m\x9b2J\x7f\r\n\t\u202e\u2028"


def hostile() -> TraceBuilder:
    """A trace whose every string tries to be something else: an escape sequence, SQL, markup."""
    trace = TraceBuilder()
    evil = f"{ESCAPES}'; DROP TABLE x; --[bold]ünï日本\u0301"
    trace.host = Host(evil, evil, evil, 4096, 2, 1)
    trace.add(schema.PROCESSES, pid=4242, ppid=1, comm=evil, exe=evil, cmdline=evil, uid=0)
    trace.add(schema.THREADS, tid=4242, pid=4242, comm=evil)
    for i in range(3):
        trace.call("openat", i * MS, -100, 0x1000, 0, 0, ret=-2, comm=evil, path=evil + "x" * 300)
    trace.call("unknown_7", 5 * MS, 0, ret=-38, comm=evil, errno=evil)
    trace.add(schema.LOSSES, kind=evil, severity="data_loss", count=1, remedy=evil)
    return trace
