"""What exporters ask of a trace: calls in the order of time, threads, call stacks, samples."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from bpfrec.analyze.engine.sqltemplate import bundled_sql
from bpfrec.analyze.facade import Trace
from bpfrec.analyze.flame.text import safe

_UNKNOWN = "[unknown]"


@dataclass(frozen=True, slots=True)
class Call:
    """A call. Times in ns on CLOCK_MONOTONIC; ``duration_ns`` is None where it never returned."""

    event_id: int
    ts_ns: int
    duration_ns: int | None
    pid: int
    tid: int
    syscall: str
    text: str
    ret: int | None
    errno: str | None
    stack_id: int | None


@dataclass(frozen=True, slots=True)
class StackFrame:
    """A frame of a stack: its function, the file it is in, and the address as that file numbers it."""

    function: str
    module: str
    address: int


@dataclass(frozen=True, slots=True)
class Sample:
    """A thread that was found running; ``stack_id`` is that of its kernel stack where it was in the kernel."""

    ts_ns: int
    pid: int
    tid: int
    cpu: int
    stack_id: int
    in_kernel: bool


class Source:
    """The parts of ``trace`` that an exporter writes; ``chosen`` chooses calls as reports do."""

    def __init__(self, trace: Trace, **chosen: Any) -> None:
        self.trace = trace
        self._chosen = chosen
        clock = trace.manifest.clock
        self._wall_minus_monotonic = clock.wall_ns - clock.monotonic_ns

    def calls(self) -> Iterator[Call]:
        """The chosen calls by the time of their entry."""
        found = self.trace.arrow(bundled_sql("export_stacks"))
        ids = found.column("event_id").to_numpy()
        stacks = found.column("stack_id").to_numpy()
        for row in self.trace.report("calls", lazy=True, **self._chosen).records():
            event = row["event_id"]
            place = int(np.searchsorted(ids, event))
            stack = int(stacks[place]) if place < len(ids) and ids[place] == event else None
            yield Call(
                event,
                _nanoseconds(row["ts"]) - self._wall_minus_monotonic,
                row["duration_ns"],
                row["pid"],
                row["tid"],
                safe(row["syscall"]),
                safe(row["call"]),
                row["ret"],
                None if row["errno"] is None else safe(row["errno"]),
                stack,
            )

    def processes(self) -> dict[int, str]:
        """The processes by pid, with what they are called: the command line, else the name."""
        rows = self.trace.query("SELECT pid, coalesce(cmdline, comm) FROM processes ORDER BY start_ns NULLS FIRST").rows
        return {pid: safe(name or _UNKNOWN) for pid, name in rows if pid is not None}

    def threads(self) -> dict[tuple[int, int], str]:
        """The threads by pid and tid, with their last names."""
        rows = self.trace.query("SELECT pid, tid, comm FROM threads ORDER BY start_ns NULLS FIRST").rows
        return {(pid, tid): safe(name or _UNKNOWN) for pid, tid, name in rows if None not in (pid, tid)}

    def stacks(self) -> dict[int, list[StackFrame]]:
        """The call stacks by number, innermost frame first."""
        stacks: dict[int, list[StackFrame]] = {}
        seen: dict[tuple[Any, ...], StackFrame] = {}
        for stack, *frame in self.trace.query(bundled_sql("export_frames")).rows:
            key = tuple(frame)
            if key not in seen:
                symbol, module, address = key
                seen[key] = StackFrame(safe(symbol or _UNKNOWN), safe(module or _UNKNOWN), address or 0)
            stacks.setdefault(stack, []).append(seen[key])
        return stacks

    def samples(self) -> Iterator[Sample]:
        """The samples that have a stack, by time."""
        for ts_ns, pid, tid, cpu, user, kernel in self.trace.query(bundled_sql("export_samples")).rows:
            stack = user if kernel is None else kernel
            yield Sample(ts_ns, pid, tid, cpu or 0, stack, kernel is not None)


def _nanoseconds(moment: Any) -> int:
    return int(np.datetime64(moment, "ns").astype(np.int64))
