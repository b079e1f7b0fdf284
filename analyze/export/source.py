"""What exporters ask of a trace: calls in the order of time, threads, call stacks, samples, signals, waits."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from bpfrec.analyze.engine.sqltemplate import Fragment, bundled_sql, render_text
from bpfrec.analyze.facade import Trace
from bpfrec.analyze.flame.text import safe
from bpfrec.analyze.reports.call_filter import CALLS_ONLY, CallFilter
from bpfrec.analyze.reports.calls import calls_in_parts
from bpfrec.formats.kernel.roles import calls_that

UNKNOWN = "[unknown]"


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
    path: str | None


@dataclass(frozen=True, slots=True)
class Signal:
    """A signal that a thread was given: its name, and what strace prints of it."""

    ts_ns: int
    pid: int
    tid: int
    name: str
    text: str


@dataclass(frozen=True, slots=True)
class OffCpu:
    """A time that a thread was off its CPU: a row of ``sched``, whose columns the schema explains."""

    ts_ns: int
    duration_ns: int | None
    pid: int
    tid: int
    state: str
    blocked_ns: int | None
    wait_ns: int | None
    syscall: str | None
    waker_pid: int | None
    waker_tid: int | None
    kernel_stack_id: int | None


@dataclass(frozen=True, slots=True)
class StackFrame:
    """A frame of a stack: its function, the file it is in, and the address as that file numbers it."""

    function: str
    module: str
    address: int


@dataclass(frozen=True, slots=True)
class Sample:
    """A thread that was found running, with its stack in user space, and in the kernel if it was there."""

    ts_ns: int
    pid: int
    tid: int
    cpu: int
    stack_id: int | None
    kernel_stack_id: int | None

    @property
    def stacks(self) -> tuple[int, ...]:
        """The stacks that it consists of, innermost first."""
        return tuple(stack for stack in (self.kernel_stack_id, self.stack_id) if stack is not None)


class Source:
    """The parts of ``trace`` that an exporter writes.

    ``chosen`` chooses calls as reports do, and samples, signals and times off the CPU by those of its conditions that
    they can meet: with a condition on calls alone (``syscall``, ``failed``, ``path``) there are none.
    """

    def __init__(self, trace: Trace, **chosen: Any) -> None:
        self.trace = trace
        self._filter = CallFilter.of(**chosen)
        no_samples = any(chosen.get(name) for name in CALLS_ONLY)
        self._of_threads = Fragment("FALSE") if no_samples else self._filter.where(trace.manifest)

    def calls(self) -> Iterator[Call]:
        """The chosen calls by the time of their entry."""
        for part in calls_in_parts(self.trace, self._filter):
            yield from self._calls(Fragment(part))

    def _calls(self, listed: Fragment) -> Iterator[Call]:
        rows = self.trace.query(render_text(bundled_sql("export_calls"), listed=listed), lazy=True).source
        for event, ts_ns, duration_ns, pid, tid, syscall, text, ret, errno, stack, path in rows:
            failure = None if errno is None else safe(errno)
            named, about = safe(syscall or UNKNOWN), None if path is None else safe(path)
            yield Call(event, ts_ns, duration_ns, pid, tid, named, safe(text or named), ret, failure, stack, about)

    def processes(self) -> dict[int, str]:
        """The processes by pid, with what they are called: the command line, else the name."""
        rows = self.trace.query("SELECT pid, coalesce(cmdline, comm) FROM processes ORDER BY start_ns NULLS FIRST").rows
        return {pid: safe(name or UNKNOWN) for pid, name in rows if pid is not None}

    def threads(self) -> dict[tuple[int, int], str]:
        """The threads by pid and tid, with their last names."""
        rows = self.trace.query("SELECT coalesce(pid, tid), tid, comm FROM threads ORDER BY start_ns NULLS FIRST").rows
        return {(pid, tid): safe(name or UNKNOWN) for pid, tid, name in rows if None not in (pid, tid)}

    def stacks(self) -> dict[int, list[StackFrame]]:
        """The stacks of the chosen calls and samples by number, innermost frame first."""
        chosen = self._filter.where(self.trace.manifest)
        query = render_text(bundled_sql("export_frames"), calls=chosen, samples=self._of_threads)
        stacks: dict[int, list[StackFrame]] = {}
        seen: dict[tuple[Any, ...], StackFrame] = {}
        for stack, *frame in self.trace.query(query, lazy=True).source:
            key = tuple(frame)
            if key not in seen:
                symbol, module, address = key
                seen[key] = StackFrame(safe(symbol or UNKNOWN), safe(module or UNKNOWN), address or 0)
            stacks.setdefault(stack, []).append(seen[key])
        return stacks

    def samples(self) -> Iterator[Sample]:
        """The chosen samples that have a stack, by time."""
        query = render_text(bundled_sql("export_samples"), samples=self._of_threads)
        for ts_ns, pid, tid, cpu, stack, kernel_stack in self.trace.query(query, lazy=True).source:
            yield Sample(ts_ns, pid, tid, cpu or 0, stack, kernel_stack)

    def signals(self) -> Iterator[Signal]:
        """The chosen signals by time."""
        query = render_text(bundled_sql("export_signals"), wanted=self._of_threads)
        for ts_ns, pid, tid, name, text in self.trace.query(query, lazy=True).source:
            yield Signal(ts_ns, pid, tid, safe(name or UNKNOWN), safe(text or UNKNOWN))

    def off_cpu(self) -> Iterator[OffCpu]:
        """The chosen times off the CPU, by their beginning."""
        query = render_text(bundled_sql("export_off_cpu"), wanted=self._of_threads)
        rows = self.trace.query(query, lazy=True).source
        for ts_ns, duration_ns, pid, tid, state, blocked_ns, wait_ns, syscall, waker, waking_thread, stack in rows:
            named, called = safe(state or UNKNOWN), None if syscall is None else safe(syscall)
            yield OffCpu(ts_ns, duration_ns, pid, tid, named, blocked_ns, wait_ns, called, waker, waking_thread, stack)

    def flows(self) -> list[tuple[int, int]]:
        """Pairs of chosen calls: the second took bytes that the first put into a pipe or sent on a TCP connection.

        None are given of a pipe or connection some of whose bytes were moved by calls that are not in the trace.
        """
        query = render_text(
            bundled_sql("export_flows"),
            sending=calls_that("writes", "sends"),
            moving=calls_that("writes", "sends", "reads", "receives"),
            uncounted=(*calls_that("copies", "copies_back"), "sendmmsg", "recvmmsg", "tee", "vmsplice"),
            calls=self._filter.where(self.trace.manifest),
        )
        return [(sender, receiver) for sender, receiver in self.trace.query(query, lazy=True).source]
