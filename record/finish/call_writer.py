"""The spool of calls to the table ``syscalls`` and those of what calls point at, in bounded memory."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from bpfrec.bpf import wire
from bpfrec.formats.numeric.asof import AsOf
from bpfrec.formats.numeric.run_lengths import run_starts
from bpfrec.formats.schema import EXEC_ARGS, SYSCALLS, TABLES
from bpfrec.formats.trace_writer import TraceWriter
from bpfrec.record.decode.calls import CallRows, call_rows
from bpfrec.record.decode.captures import SideRows
from bpfrec.record.decode.interrupted import InterruptedCalls, returns_from_handler
from bpfrec.record.decode.text import choice
from bpfrec.record.finish.unseen_entries import UnseenEntries
from bpfrec.record.processes.calls_in_progress import CallInProgress
from bpfrec.record.processes.history import History
from bpfrec.record.spool import Chunk, read_decoded
from bpfrec.record.stacks.stack_table import StackTable

_log = logging.getLogger(__name__)

# Larger batches fall out of the processor's caches.
_BATCH_BYTES = 4 << 20
_ROW_GROUP = 1 << 17
_ROW_GROUP_BYTES = 1 << 28


@dataclass
class CallWriter:
    """Collects rows and writes them as row groups, within each in the order in which the calls ended.

    ``rows``: written so far. ``decoded``: records found in the spool; ``undecoded``: those among them that made
    decoding fail, with their batches. ``unread_32_bit``: calls of 32-bit programs that point at more than is copied.
    ``unseen``: decides about calls whose entry was not seen. ``failed_only``: calls that cannot fail are
    left out. ``pids``, ``tids``: seen in them.
    """

    writer: TraceWriter
    history: History
    stacks: StackTable
    unseen: UnseenEntries
    failed_only: bool = False
    rows: int = 0
    decoded: int = 0
    undecoded: int = 0
    unread_32_bit: int = 0
    pids: set[int] = field(default_factory=set)
    tids: set[int] = field(default_factory=set)
    per_syscall: Counter[str] = field(default_factory=Counter)
    _interrupted: InterruptedCalls = field(default_factory=InterruptedCalls)
    _pending: list[CallRows] = field(default_factory=list)
    _pending_rows: int = 0
    _pending_bytes: int = 0
    _names: AsOf = field(init=False)
    _name_values: list[str] = field(init=False)
    _name_codes: NDArray[np.int32] = field(init=False)

    def __post_init__(self) -> None:
        self._names = self.history.name_lookup()
        names = [name.comm for name in self.history.names]
        codes = {name: code for code, name in enumerate(dict.fromkeys(names))}
        self._name_values = list(codes)
        self._name_codes = np.array([*(codes[name] for name in names), -1], np.int32)

    def write_all(
        self, spools: Sequence[Path], interrupted: int, report: Callable[[float], None], consume: bool = False
    ) -> None:
        """Writes the calls in ``spools``; signals ``interrupted`` some of them. ``report`` gets the share done, 0 to 1.

        ``consume``: give the room of the spools back while they are read.
        """
        if interrupted:
            for spool in spools:
                for _cpu, records in read_decoded(spool, _decode, _BATCH_BYTES, lambda _share: None):
                    self._interrupted.note(records.calls)
            _log.info("%d calls were interrupted, %d of them failed", interrupted, self._interrupted.settle())
        for spool in spools:
            self._write_spool(spool, report, consume)

    def _write_spool(self, spool: Path, report: Callable[[float], None], consume: bool) -> None:
        for cpu, records in read_decoded(spool, _decode, _BATCH_BYTES, report, consume):
            self.decoded += len(records.calls)
            with self._failing_alone(len(records.calls)):
                self.history.note_processes(records.processes)
                self._interrupted.apply(records.calls)
                chosen = records.where(~returns_from_handler(records.calls)) if self.failed_only else records
                self._add(chosen, cpu)

    def write_in_progress_at_end(self, samples: bytes) -> None:
        """Writes the calls that threads were in when recording stopped, given as perf samples."""
        self.flush()
        records = wire.decode(np.frombuffer(samples, np.uint8))
        with self._failing_alone(len(records.calls)):
            self._add(records, cpu=-1, still_running=True)

    def write_in_progress_at_start(self, in_progress: Iterable[CallInProgress], began: int) -> None:
        """Writes the calls that threads were in when recording began, of threads that made no other since.

        ``began``: when that was, ns on CLOCK_MONOTONIC.
        """
        self.flush()
        same = [call for call in in_progress if call.tid not in self.tids]
        for ended in (True, False):
            samples = b"".join(call.sample(began) for call in same if self.history.has_ended(call.tid) is ended)
            records = wire.decode(np.frombuffer(samples, np.uint8))
            with self._failing_alone(len(records.calls)):
                self._add(records, cpu=-1, still_running=not ended)

    def flush(self) -> None:
        """Writes what is collected as one row group."""
        with self._failing_alone(0):
            try:
                if self._pending_rows:
                    self._write_pending()
            finally:
                self._pending.clear()
                self._pending_rows = self._pending_bytes = 0

    @contextmanager
    def _failing_alone(self, added: int) -> Iterator[None]:
        """For work that adds ``added`` calls: one value that nobody thought of must not cost all others.

        Where it fails, the calls that are gone count as :attr:`undecoded`. Disk errors are passed on.
        """
        before = self.rows + self._pending_rows
        try:
            yield
        except OSError:
            raise
        except Exception:
            gone = before + added - self.rows - self._pending_rows
            _log.info("decoding %d calls failed", gone, exc_info=True)
            self.undecoded += gone

    def _write_pending(self) -> None:
        self._pending.sort(key=lambda rows: rows.ends)
        table = pa.concat_tables([rows.table for rows in self._pending]).unify_dictionaries()
        table, event_id = self._in_order_of_end(table)
        self.writer.write(SYSCALLS, table.select([c.name for c in SYSCALLS.columns]))
        self.rows += len(table)
        for entry in pc.value_counts(table["syscall"]).to_pylist():
            self.per_syscall[entry["values"]] += entry["counts"]
        self._flush_captures(event_id)

    def _in_order_of_end(self, table: pa.Table) -> tuple[pa.Table, NDArray[np.int64]]:
        """``table`` with its event_id, and the event_id of each row of the given one."""
        ended = table["ts_ns"].to_numpy() + pc.fill_null(table["duration_ns"], 0).to_numpy()
        numbers = np.arange(self.rows, self.rows + len(ended))
        event_id = numbers
        if np.any(ended[1:] < ended[:-1]):
            order = np.argsort(ended, kind="stable")
            event_id = np.empty(len(order), np.int64)
            event_id[order] = numbers
            table = _reordered(table, pa.array(order))
        return table.append_column("event_id", pa.array(numbers)), event_id

    def _flush_captures(self, event_id: NDArray[np.int64]) -> None:
        base = 0
        parts: dict[str, list[pa.Table]] = {}
        for rows in self._pending:
            for side in rows.captures:
                ids = pa.array(event_id[base + side.calls])
                parts.setdefault(side.table.name, []).append(side.rows.append_column("event_id", ids))
            base += len(rows.table)
        for table in TABLES:
            if table.name in parts:
                joined = pa.concat_tables(parts[table.name]).unify_dictionaries().combine_chunks()
                order = np.argsort(joined["event_id"].to_numpy(), kind="stable")
                self.writer.write(table, joined.take(pa.array(order)).select([c.name for c in table.columns]))

    def _add(self, records: wire.Records, cpu: int, still_running: bool = False) -> None:
        calls = records.calls
        if not len(calls):
            return
        if (calls.flags & wire.NO_ENTRY).any():
            records = self.unseen.settle(records, self._names.lookup(calls.tid, calls.ts) >= 0)
            calls = records.calls
            if not len(calls):
                return
        # Index of each thread's name in the history; -1: not known.
        entry = self._names.lookup(calls.tid, calls.ts)
        rows = call_rows(records, cpu, still_running)
        self.unread_32_bit += rows.unread_32_bit
        # The entry -1, none, takes the code behind the last.
        comm = choice(self._name_codes[entry], self._name_values)
        rows.table = rows.table.append_column("comm", comm)
        for name, column in zip(("stack_id", "stack_status"), self.stacks.columns(records), strict=True):
            rows.table = rows.table.append_column(name, column)
        self._note_arguments(calls, rows.captures)
        self.history.note_calls(calls.pid, calls.ts)
        self.pids.update(distinct(calls.pid))
        self.tids.update(distinct(calls.tid))
        self._pending.append(rows)
        self._pending_rows += len(calls)
        self._pending_bytes += len(records.data)
        if self._pending_rows >= _ROW_GROUP or self._pending_bytes >= _ROW_GROUP_BYTES:
            self.flush()

    def _note_arguments(self, calls: wire.Calls, captures: list[SideRows]) -> None:
        for side in captures:
            if side.table is not EXEC_ARGS or side.is_environment:
                continue
            vectors: dict[int, list[str]] = {}
            for call, value in zip(side.calls.tolist(), side.rows["value"].to_pylist(), strict=True):
                vectors.setdefault(call, []).append("..." if value is None else value)
            for call, argv in vectors.items():
                if calls.ret[call] == 0:
                    entry = int(calls.ts[call])
                    self.history.note_arguments(int(calls.pid[call]), entry, entry + int(calls.duration[call]), argv)


def _reordered(table: pa.Table, order: pa.Array) -> pa.Table:
    """``table.take(order)``; most columns of a loop hold one value, and need not be touched."""
    columns = {
        name: column if _is_uniform(column) else column.combine_chunks().take(order)
        for name, column in zip(table.column_names, table.columns, strict=True)
    }
    return pa.table(columns)


def _is_uniform(column: pa.ChunkedArray) -> bool:
    if column.null_count:
        return bool(column.null_count == len(column))
    if pa.types.is_string(column.type):
        return False
    values = pa.chunked_array([c.indices for c in column.chunks]) if pa.types.is_dictionary(column.type) else column
    least_and_most = pc.min_max(values)
    return bool(least_and_most["min"] == least_and_most["max"])


def distinct(ids: NDArray[np.int32]) -> list[int]:
    """The ids there are."""
    found: list[int] = np.unique(ids[run_starts(ids)]).tolist()
    return found


def _decode(chunk: Chunk) -> tuple[tuple[int, wire.Records], int]:
    """The CPU of ``chunk`` and the records in it, and how many of its bytes they take."""
    records = wire.decode(chunk.data)
    return (chunk.cpu, records), records.consumed
