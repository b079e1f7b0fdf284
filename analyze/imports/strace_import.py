"""Makes a trace from strace's logs: ``bpfrec import``."""

from __future__ import annotations

import datetime
import gc
import heapq
import re
import shlex
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

import bpfrec
from bpfrec.analyze.imports.strace_clock import LogClock
from bpfrec.analyze.imports.strace_lines import is_like_a_call, time_of
from bpfrec.analyze.imports.strace_log import COLUMNS, StraceLog
from bpfrec.analyze.imports.strace_threads import Thread
from bpfrec.analyze.imports.text_lines import text_lines
from bpfrec.formats.arrow import arrow_schema
from bpfrec.formats.errors import BpfrecError
from bpfrec.formats.kernel.errnos import errno_numbers
from bpfrec.formats.manifest import Clock, Host, Manifest
from bpfrec.formats.new_trace import check_target, publish, work_folder
from bpfrec.formats.schema import (
    DESCRIPTORS,
    FRAMES,
    LOG_LINES,
    LOSSES,
    PROCESSES,
    STACKS,
    SYSCALLS,
    TABLES,
    THREADS,
)
from bpfrec.formats.trace_writer import TraceWriter

_FILE_PID = re.compile(r"\.(\d{1,9})$")
_GENERATIONS = 1000
_SOCKET = re.compile(r"(TCP|TCPv6|UDP|UDPv6|UNIX[-A-Z]*|NETLINK|RAW\w*):\[(.*)\]")
_EINTR = errno_numbers()["EINTR"]
_TEXTS = {"abi", "syscall", "errno", "path", "path_status", "path2", "path2_status", "unfinished", "entry_status"}


@dataclass(frozen=True)
class Imported:
    """What an import made: numbers of ``lines`` read, of ``calls``, and of lines that were ``not_understood``."""

    lines: int
    calls: int
    not_understood: int


def import_strace(
    logs: Sequence[Path],
    target: Path,
    *,
    day: datetime.date | None,
    utc_offset_s: int | None,
    command_line: list[str],
    host: str,
    force: bool = False,
) -> Imported:
    """Writes ``target`` from the logs of one run of strace: one file, or those of ``-ff``, named after their pids.

    ``day``: the date of the first line, where lines have the time of day alone; None: the day the log was last written
    to. ``utc_offset_s``: zone of these times, seconds east of UTC; None: that of this machine.

    Raises:
        BpfrecError: no line of the logs is one of strace's, or the target exists and ``force`` is not given.
        OSError: a log cannot be read, or the trace cannot be written.
    """
    check_target(logs[0], target, force)
    written = min(path.stat().st_mtime for path in logs)
    offset = time.localtime(written).tm_gmtoff if utc_offset_s is None else utc_offset_s
    local = datetime.datetime.fromtimestamp(written + offset, datetime.UTC)
    clock = LogClock(day or local.date(), offset, int(written) * 1_000_000_000)
    log = StraceLog(clock)
    with work_folder(target) as folder, _without_collection():
        writer = _Writer(TraceWriter(Path(folder)), log)
        writer.spool(_lines(logs))
        if not log.counts.calls:
            raise BpfrecError(
                f"{logs[0]}: no line of it is a system call as strace writes it",
                "Make a log with: strace -f -ttt -T -y -o strace.log COMMAND",
            )
        made, _ = writer.trace.make_file(writer.write(offset, command_line, logs, host), None)
        publish(made, target, force)
    return Imported(log.counts.lines, log.counts.calls, len(log.not_understood))


@contextmanager
def _without_collection() -> Iterator[None]:
    """Has Python not look for cycles meanwhile: rows are in none, and looking takes a tenth of the time."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def _lines(logs: Sequence[Path]) -> Iterator[tuple[int | None, str]]:
    """The lines of all files; of several, in the order of their times."""
    if len(logs) == 1:
        yield from ((None, text) for text in text_lines(logs[0]))
        return
    merged = heapq.merge(*(_timed(path) for path in logs), key=lambda entry: entry[:2])
    yield from (line for _, _, line in merged)


def _timed(path: Path) -> Iterator[tuple[str, int, tuple[int | None, str]]]:
    match = _FILE_PID.search(path.name)
    pid = int(match[1]) if match else None
    last = ""
    for number, text in enumerate(text_lines(path)):
        last = time_of(text) or last
        yield last, number, (pid, text)


class _Writer:
    """Collects what a log holds, and writes it when the threads of all its lines are known."""

    def __init__(self, trace: TraceWriter, log: StraceLog) -> None:
        self.trace = trace
        self._log = log
        self._batches: list[pa.Table] = []

    def spool(self, lines: Iterator[tuple[int | None, str]]) -> None:
        """Reads the log into Arrow tables, some 200 bytes a call; rows of other tables are written as they come."""
        for rows in self._log.batches(lines):
            columns = zip(*rows, strict=True)
            self._batches.append(
                pa.table({name: _column(name, values) for name, values in zip(COLUMNS, columns, strict=True)})
            )
            self._write_side_rows()

    def _write_side_rows(self) -> None:
        for table in TABLES:
            if not (rows := self._log.side_rows.get(table.name)):
                continue
            columns = {c.name: [row.get(c.name) for _, row in rows] for c in table.columns}
            columns["event_id"] = [number for number, _ in rows]
            fields = arrow_schema(table)
            arrays = [_fitting(columns[field.name], field.type) for field in fields]
            self.trace.write(table, pa.Table.from_arrays(arrays, schema=fields))
        self._log.side_rows.clear()

    def write(self, offset: int, command_line: list[str], logs: Sequence[Path], host: str) -> Manifest:
        """Writes all tables and returns the manifest."""
        log = self._log
        base = log.first_ns or 0
        threads = log.threads.all
        pids = np.array([thread.process.tid for thread in threads], np.int32)
        tids = np.array([thread.tid for thread in threads], np.int32)
        uids = pa.array([_uid(thread) for thread in threads], pa.int32())
        comms = pa.array([name.resolve() for name in log.threads.names], pa.string()).dictionary_encode()
        first = 0
        for batch in self._batches:
            self.trace.write(SYSCALLS, self._rows(batch, first, base, pids, tids, uids, comms))
            first += batch.num_rows
        self._write_side_rows()
        self._write_people(base)
        self.trace.write_rows(STACKS, self._stacks(base))
        self.trace.write_rows(FRAMES, ({n: _shown(v) for n, v in row.items()} for row in log.stacks.frames))
        self.trace.write_rows(LOG_LINES, ({"line": n, "text": _printable(t)} for n, t in log.not_understood))
        self.trace.write_rows(LOSSES, self._losses())
        names = pa.chunked_array([batch["syscall"].combine_chunks() for batch in self._batches])
        counted = pc.value_counts(names.cast(pa.string())).to_pylist()
        return Manifest(
            tool_version=bpfrec.__version__,
            command_line=command_line,
            configuration={"imported_from": "strace", "logs": [_printable(str(path)) for path in logs]},
            host=Host(name=host, kernel="", arch="x86_64", page_size=4096, cpus=0, memory_bytes=0),
            clock=Clock(0, base, offset),
            start_ns=0,
            stop_ns=log.last_ns - base,
            stopped="the log ended",
            counters={"recorded": log.counts.calls, "lost": 0, "signals": log.counts.signals},
            syscalls={row["values"]: row["counts"] for row in sorted(counted, key=lambda row: -row["counts"])},
        )

    def _rows(
        self,
        batch: pa.Table,
        first: int,
        base: int,
        pids: np.ndarray[Any, Any],
        tids: np.ndarray[Any, Any],
        uids: pa.Array,
        comms: pa.Array,
    ) -> pa.Table:
        thread = batch["thread"].to_numpy()
        ret, errno = self._settled(batch, first)
        columns = {
            "event_id": pa.array(np.arange(first, first + batch.num_rows)),
            "ts_ns": pc.subtract(batch["ts_ns"], base),
            "pid": pa.array(pids[thread]),
            "tid": pa.array(tids[thread]),
            "comm": pc.take(comms, batch["name"]),
            "uid": pc.take(uids, batch["thread"]),
            "cpu": pa.nulls(batch.num_rows, pa.int16()),
            "ret": ret,
            "errno": errno,
            "stack_status": pa.nulls(batch.num_rows, pa.string()),
        }
        return pa.table({c.name: columns[c.name] if c.name in columns else batch[c.name] for c in SYSCALLS.columns})

    def _settled(self, batch: pa.Table, first: int) -> tuple[pa.ChunkedArray, pa.ChunkedArray]:
        """Results of a batch, once it is known which calls failed with EINTR. The end of a handler never fails."""
        ret, errno = batch["ret"], batch["errno"]
        inside = range(first, first + batch.num_rows)
        interrupted = [number - first for number in self._log.interrupted if number in inside]
        handlers = [number - first for number in self._log.handler_ends if number in inside]
        if interrupted or handlers:
            which = np.zeros(batch.num_rows, np.bool_)
            which[interrupted] = True
            ret = pc.if_else(pa.array(which), pa.scalar(-_EINTR, pa.int64()), ret)
            errno = pc.if_else(pa.array(which), pa.scalar("EINTR"), errno.cast(pa.string()))
            which[interrupted] = False
            which[handlers] = True
            errno = pc.if_else(pa.array(which), pa.scalar(None, pa.string()), errno)
        return ret, errno

    def _stacks(self, base: int) -> Iterator[dict[str, Any]]:
        processes = self._log.threads.all
        for row in self._log.stacks.stacks:
            pid = processes[row.pop("process")].process.tid
            yield {**row, "pid": pid, "ts_ns": row["ts_ns"] - base}

    def _write_people(self, base: int) -> None:
        threads = self._log.threads.all
        leaders = [thread for thread in threads if thread.process is thread]
        opened = self._log.descriptors
        at_start = {process for process, _ in opened}
        self.trace.write_rows(PROCESSES, (_process(leader, base, leader.number in at_start) for leader in leaders))
        self.trace.write_rows(THREADS, (row for thread in threads for row in _names(thread, base)))
        self.trace.write_rows(
            DESCRIPTORS,
            (
                {"pid": threads[number].tid, "fd": fd, "ts_ns": ts_ns - base, **_target(target)}
                for (number, fd), (target, ts_ns) in sorted(opened.items())
            ),
        )

    def _losses(self) -> Iterator[dict[str, Any]]:
        log = self._log
        calls = sum(is_like_a_call(text) for _, text in log.not_understood)
        if calls:
            yield _loss("calls-not-understood", "data_loss", calls, _CALLS_NOT_UNDERSTOOD)
        if others := len(log.not_understood) - calls:
            yield _loss("lines-not-understood", "notice", others, _NOT_UNDERSTOOD)
        if not log.clock.has_times:
            yield _loss("no-times", "notice", log.counts.lines, _NO_TIMES)
        if log.counts.abbreviated:
            yield _loss("strings-abbreviated", "notice", log.counts.abbreviated, _ABBREVIATED)
        yield _loss("not-in-a-log", "notice", log.counts.calls, _NOT_IN_A_LOG)


_CALLS_NOT_UNDERSTOOD = "These lines of the log look like calls, but are not understood: SELECT * FROM log_lines."
_NOT_UNDERSTOOD = (
    "These lines of the log are not strace's: SELECT * FROM log_lines. "
    "strace -o FILE keeps what the program prints out of the log."
)
_NO_TIMES = "The log has no times; ts only counts lines. strace -ttt -T writes them."
_ABBREVIATED = "So many strings are cut in the log. strace -s 65535 writes more of them."
_NOT_IN_A_LOG = (
    "strace does not write the CPU of a call, the address of memory that it decodes, nor the user of most processes: "
    "these are NULL. bpfrec record has them."
)


def _loss(kind: str, severity: str, count: int, remedy: str) -> dict[str, Any]:
    return {"kind": kind, "severity": severity, "count": count, "remedy": remedy}


def _column(name: str, values: Sequence[Any]) -> pa.Array:
    if name in ("thread", "name"):
        return pa.array(values, pa.int32())
    if name in _TEXTS:
        return _array(values, pa.string()).dictionary_encode()
    return pa.array(values, arrow_schema(SYSCALLS).field(name).type)


def _array(values: Sequence[Any], kind: pa.DataType) -> pa.Array:
    """``values`` as a column; bytes of a log that are not UTF-8 are escaped, where strace left them in a text."""
    try:
        return pa.array(values, kind)
    except UnicodeEncodeError:
        return pa.array([_printable(value) if isinstance(value, str) else value for value in values], kind)


def _fitting(values: Sequence[Any], kind: pa.DataType) -> pa.Array:
    """``values`` as a column; a number that its type has no place for, which no strace writes, is NULL."""
    try:
        return _array(values, kind)
    except (OverflowError, pa.ArrowInvalid):
        if not pa.types.is_integer(kind):
            raise
        limits = np.iinfo(kind.to_pandas_dtype())
        least, most = int(limits.min), int(limits.max)
        return pa.array([value if value is not None and least <= value <= most else None for value in values], kind)


def _uid(thread: Thread) -> int | None:
    """The user of a process, where it or a process that it comes from asked for it and nothing changed it."""
    process: Thread | None = thread.process
    for _ in range(_GENERATIONS):
        if process is None or process.uid_changes:
            return None
        if process.uid is not None:
            return process.uid
        process = process.parent.process if process.parent else None
    return None


def _process(leader: Thread, base: int, has_snapshot: bool) -> dict[str, Any]:
    return {
        "pid": leader.tid,
        "ppid": leader.parent.process.tid if leader.parent else None,
        "start_ns": None if leader.start_ns is None else leader.start_ns - base,
        "end_ns": None if leader.end_ns is None else leader.end_ns - base,
        "comm": leader.names[-1].resolve(),
        "exe": leader.exe,
        "cmdline": shlex.join(leader.arguments) if leader.arguments else None,
        "uid": _uid(leader),
        "exit_code": leader.exit_code,
        "signal": leader.signal,
        "cwd": leader.cwd,
        "snapshot_ns": 0 if leader.start_ns is None and (has_snapshot or leader.cwd) else None,
    }


def _names(thread: Thread, base: int) -> Iterator[dict[str, Any]]:
    for position, name in enumerate(thread.names):
        later = thread.names[position + 1].start_ns if position + 1 < len(thread.names) else thread.end_ns
        since = thread.start_ns if name.start_ns is None else name.start_ns
        yield {
            "tid": thread.tid,
            "pid": thread.process.tid,
            "comm": name.resolve(),
            "start_ns": None if since is None else since - base,
            "end_ns": None if later is None else later - base,
        }


def _target(written: str) -> dict[str, Any]:
    if match := _SOCKET.fullmatch(written):
        return {"target": "socket", "name": f"{match[1].removesuffix('v6')} {match[2]}"}
    return {"target": written}


def _shown(value: Any) -> Any:
    return _printable(value) if isinstance(value, str) else value


def _printable(text: str) -> str:
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
