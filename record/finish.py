"""From the spools to the trace: decode, join names and stacks, write the tables, close the file."""

from __future__ import annotations

import os
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from bpfrec.bpf import wire
from bpfrec.bpf.sideband import Event, Fork, Lost, parse_events
from bpfrec.formats.manifest import Host, Manifest
from bpfrec.formats.schema import (
    FRAMES,
    JIT_SYMBOLS,
    LOSSES,
    MAPPINGS,
    PROCESSES,
    STACKS,
    SYSCALLS,
    THREADS,
    TIMESPECS,
)
from bpfrec.formats.trace_writer import TraceWriter
from bpfrec.record.asof import AsOf
from bpfrec.record.calls import CallRows, call_rows
from bpfrec.record.history import BEFORE, History, ProcessLife, ThreadName
from bpfrec.record.losses import losses_of
from bpfrec.record.output import Output
from bpfrec.record.request import Request
from bpfrec.record.session import Recorded, UnderWay
from bpfrec.record.spool import Chunk, read_chunks
from bpfrec.record.stacks import StackTable
from bpfrec.record.surroundings import Surroundings
from bpfrec.record.user import User

_PIECE_BYTES = 8 << 20
_FAR = 1 << 62
_ROW_GROUP = 1 << 19
_ROW_GROUP_BYTES = 1 << 28


@dataclass(frozen=True)
class Finished:
    """What was written: rows of ``syscalls``, processes seen, calls lost, size of the file in bytes."""

    calls: int
    processes: int
    lost: int
    size: int
    losses: list[dict[str, Any]]
    counters: dict[str, int]


def finish(
    request: Request, recorded: Recorded, output: Output, user: User | None, report: Callable[[float], None]
) -> Finished:
    """Makes the trace at ``output.target`` from its spools; ``report`` gets the share done, 0 to 1.

    Disk errors come as OSError.
    """
    writer = TraceWriter(output.folder)
    history = recorded.surroundings.history(_sideband_events(output, recorded.surroundings))
    stacks = StackTable(history.mapping_lookup())
    calls = _CallWriter(writer, history, stacks)
    lost_notices = calls.write_all(output, report)
    if not request.failed_only:
        calls.write_under_way(recorded.under_way)
    calls.flush()

    counters = dict(recorded.counters) | {"recorded": calls.rows, "sideband_lost": history.lost_events}
    losses = losses_of(recorded, calls.decoded, lost_notices, history.lost_events)
    counters["lost"] = sum(row["count"] for row in losses if row["severity"] == "data_loss")
    writer.write_rows(LOSSES, losses)
    surroundings = recorded.surroundings
    stack_rows, frame_rows, jit_rows = stacks.resolve(history, surroundings.modules, surroundings.perf_maps)
    writer.write_rows(STACKS, stack_rows)
    writer.write_rows(FRAMES, frame_rows)
    writer.write_rows(JIT_SYMBOLS, jit_rows)
    pids = calls.pids | set(request.pids)
    processes = _process_rows(history, pids)
    writer.write_rows(PROCESSES, processes)
    writer.write_rows(THREADS, _thread_rows(history, calls.tids))
    writer.write_rows(MAPPINGS, _mapping_rows(history, recorded, pids))
    manifest = _manifest(request, recorded, counters, calls.per_syscall)
    owner = (user.uid, user.gid) if user else None
    size = writer.finish(manifest, output.target, owner)
    report(1.0)
    return Finished(calls.rows, len(processes), counters["lost"], size, losses, counters)


def _sideband_events(output: Output, surroundings: Surroundings) -> list[Event]:
    """The events that can matter: the side band tells of every process there is."""
    return [
        event
        for chunk in read_chunks(output.sideband_spool, 1 << 30)
        for event in parse_events(chunk.data.tobytes())
        if isinstance(event, Fork | Lost) or surroundings.matters(event.pid)
    ]


@dataclass
class _CallWriter:
    """Collects rows and writes them as row groups in the order in which the calls ended."""

    writer: TraceWriter
    history: History
    stacks: StackTable
    rows: int = 0
    decoded: int = 0
    pids: set[int] = field(default_factory=set)
    tids: set[int] = field(default_factory=set)
    per_syscall: Counter[str] = field(default_factory=Counter)
    _pending: list[CallRows] = field(default_factory=list)
    _pending_rows: int = 0
    _pending_bytes: int = 0
    _names: AsOf = field(init=False)
    _name_values: pa.Array = field(init=False)
    _name_codes: NDArray[np.int64] = field(init=False)

    def __post_init__(self) -> None:
        self._names = self.history.name_lookup()
        names = [name.comm for name in self.history.names]
        distinct = {name: code for code, name in enumerate(dict.fromkeys(names))}
        self._name_values = pa.array(list(distinct), pa.string())
        self._name_codes = np.array([distinct[name] for name in names], np.int64)

    def write_all(self, output: Output, report: Callable[[float], None]) -> list[tuple[int, int, int]]:
        """Writes the calls of the spool; the (cpu, time, count) of every PERF_RECORD_LOST in it."""
        total = max(1, output.calls_spool.stat().st_size)
        done = 0
        lost: list[tuple[int, int, int]] = []
        for chunk, records in _decoded(output):
            lost += [(chunk.cpu, chunk.time, count) for count in records.lost]
            self.decoded += len(records.calls)
            self._add(records, chunk.cpu)
            done += len(chunk.data)
            report(0.95 * done / total)
        return lost

    def write_under_way(self, under_way: UnderWay) -> None:
        """Writes the calls that threads were in when recording stopped."""
        calls, data = under_way
        flat = np.ascontiguousarray(data).reshape(-1)
        none = np.empty(0, np.int64)
        records = wire.Records(
            data=flat,
            calls=calls,
            call_data=np.arange(len(calls), dtype=np.int64) * wire.INLINE_BYTES,
            extras=np.empty(0, wire.EXTRA),
            extra_data=none,
            extra_owner=none,
            lost=[],
            consumed=0,
        )
        self.flush()
        self._add(records, cpu=-1, still_running=True)

    def flush(self) -> None:
        """Writes what is collected as one row group."""
        if not self._pending_rows:
            self._pending.clear()
            return
        table = pa.concat_tables([rows.table for rows in self._pending])
        ended = table["ts_ns"].to_numpy() + pc.fill_null(table["duration_ns"], 0).to_numpy()
        order = np.argsort(ended, kind="stable")
        event_id = np.empty(len(order), np.int64)
        event_id[order] = np.arange(self.rows, self.rows + len(order))
        table = table.take(pa.array(order))
        table = table.append_column("event_id", pa.array(np.arange(self.rows, self.rows + len(order))))
        self.writer.write(SYSCALLS, table.select([c.name for c in SYSCALLS.columns]))
        self._flush_timespecs(event_id)
        self.rows += len(order)
        for entry in pc.value_counts(table["syscall"]).to_pylist():
            self.per_syscall[entry["values"]] += entry["counts"]
        self._pending.clear()
        self._pending_rows = self._pending_bytes = 0

    def _flush_timespecs(self, event_id: NDArray[np.int64]) -> None:
        base = 0
        parts = []
        for rows in self._pending:
            ids = event_id[base + rows.timespec_rows]
            parts.append(rows.timespecs.append_column("event_id", pa.array(ids)))
            base += len(rows.table)
        table = pa.concat_tables(parts).sort_by("event_id")
        self.writer.write(TIMESPECS, table.select([c.name for c in TIMESPECS.columns]))

    def _add(self, records: wire.Records, cpu: int, still_running: bool = False) -> None:
        if not len(records.calls):
            return
        rows = call_rows(records, cpu, still_running)
        calls = records.calls
        tids, times = calls["tid"].astype(np.int64), calls["ts"].astype(np.int64)
        entry = self._names.lookup(tids, times)
        codes = np.where(entry >= 0, self._name_codes[np.maximum(entry, 0)], 0) if len(self._name_codes) else entry
        comm = pa.DictionaryArray.from_arrays(pa.array(codes.astype(np.int32), mask=entry < 0), self._name_values).cast(
            pa.string()
        )
        stack_ids = self.stacks.add(records)
        rows.table = rows.table.append_column("comm", comm).append_column(
            "stack_id", pa.array(stack_ids, mask=stack_ids < 0)
        )
        self.pids.update(np.unique(calls["pid"]).tolist())
        self.tids.update(np.unique(tids).tolist())
        self._pending.append(rows)
        self._pending_rows += len(calls)
        self._pending_bytes += len(records.data)
        if self._pending_rows >= _ROW_GROUP or self._pending_bytes >= _ROW_GROUP_BYTES:
            self.flush()


def _decoded(output: Output) -> Iterator[tuple[Chunk, wire.Records]]:
    """The records of the spool, piece by piece; what a piece cuts off is decoded with the next of the same CPU."""
    rest: dict[int, NDArray[np.uint8]] = {}
    for chunk in read_chunks(output.calls_spool, _PIECE_BYTES):
        before = rest.pop(chunk.cpu, None)
        data = chunk.data if before is None else np.concatenate([before, chunk.data])
        records = wire.decode(data)
        if records.consumed < len(data):
            rest[chunk.cpu] = data[records.consumed :]
        yield chunk, records


def _time(when: int) -> int | None:
    return None if when == BEFORE else when


def _process_rows(history: History, pids: set[int]) -> list[dict[str, Any]]:
    names: dict[int, list[ThreadName]] = {}
    for name in history.names:
        if name.tid in pids:
            names.setdefault(name.tid, []).append(name)

    def last_name(life: ProcessLife) -> str | None:
        known = [n.comm for n in names.get(life.pid, []) if life.end is None or n.start <= life.end]
        return known[-1] if known else None

    return [
        {
            "pid": pid,
            "ppid": life.parent,
            "start_ns": _time(life.start),
            "end_ns": life.end,
            "comm": last_name(life),
            "exe": life.exe or history.program(pid, life.end or _FAR),
            "cmdline": life.cmdline,
            "uid": None if life.uid is None else int(np.array(life.uid).astype(np.int32)),
        }
        for pid in sorted(pids)
        for life in history.lives(pid)
    ]


def _thread_rows(history: History, tids: set[int]) -> list[dict[str, Any]]:
    return [
        asdict(name) | {"start_ns": _time(name.start), "end_ns": name.end} for name in history.names if name.tid in tids
    ]


def _mapping_rows(history: History, recorded: Recorded, pids: set[int]) -> list[dict[str, Any]]:
    modules = recorded.surroundings.modules
    return [
        {
            "pid": pid,
            "start_addr": mapping.start,
            "end_addr": mapping.end,
            "file_offset": mapping.offset,
            "path": mapping.path,
            "device": f"{mapping.device[0]:02x}:{mapping.device[1]:02x}" if mapping.device else None,
            # Some file systems number files with all 64 bits.
            "inode": mapping.inode if mapping.inode is None or mapping.inode < 1 << 63 else None,
            "build_id": modules.build_id(mapping),
            "start_ns": _time(mapping.time),
        }
        for pid in sorted(pids)
        for mapping in dict.fromkeys(history.mappings(pid))
    ]


def _text(argument: str) -> str:
    """An argument of a command line, whose bytes need not be UTF-8, as text that can be stored."""
    return os.fsencode(argument).decode("utf-8", "backslashreplace")


def _manifest(request: Request, recorded: Recorded, counters: dict[str, int], per_syscall: Counter[str]) -> Manifest:
    host = os.uname()
    child = recorded.child
    configuration: dict[str, Any] = {
        "pids": list(request.pids),
        "tids": list(request.tids),
        "comm": None if request.comm is None else _text(request.comm),
        "uid": request.uid,
        "events": None if request.calls is None else sorted(request.calls),
        "failed_only": request.failed_only,
        "seconds": request.seconds,
        "stacks": "fp" if request.stacks else "off",
        "command": list(map(_text, request.command)) or None,
        "ring_bytes_per_cpu": recorded.ring_bytes,
    }
    return Manifest(
        tool_version=version("bpfrec"),
        command_line=["bpfrec", *map(_text, sys.argv[1:])],
        configuration=configuration,
        host=Host(
            name=host.nodename,
            kernel=host.release,
            arch=host.machine,
            page_size=os.sysconf("SC_PAGE_SIZE"),
            cpus=os.cpu_count() or 1,
            memory_bytes=os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        ),
        clock=recorded.clock,
        start_ns=recorded.start_ns,
        stop_ns=recorded.stop_ns,
        stopped=_text(recorded.stopped),
        counters=counters,
        syscalls=dict(sorted(per_syscall.items())),
        command={
            "argv": list(map(_text, child.argv)),
            "pid": child.pid,
            "exit_code": child.exit_code,
            "outcome": child.outcome,
        }
        if child
        else None,
    )
