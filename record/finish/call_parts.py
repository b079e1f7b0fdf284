"""The spool of calls to parts of tables, in bounded memory: all that the calls say by themselves.

It needs nothing but the spool, so it can be done while recording goes on. What needs more comes later: the names of
threads and the stacks are columns of their own (:mod:`.late_columns`). Calls whose entry was not seen, and calls that a
signal interrupted, can only be understood at the end: their records are held back.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from bpfrec.bpf import wire
from bpfrec.bpf.selection import NATIVE_ABI
from bpfrec.formats.arrow_kernels import counts_of, filled, is_one_value, taken
from bpfrec.formats.columns import Table
from bpfrec.formats.kernel.syscalls import by_number
from bpfrec.formats.numeric.run_lengths import run_starts
from bpfrec.formats.part_files import PartFiles
from bpfrec.formats.schema import EXEC_ARGS, SIGNALS, SYSCALLS, TABLES, URING
from bpfrec.record.decode.calls import CallRows, call_rows
from bpfrec.record.decode.captures import SideRows
from bpfrec.record.decode.interrupted import InterruptedCalls, returns_from_handler
from bpfrec.record.decode.requests import request_rows
from bpfrec.record.decode.signals import signal_rows
from bpfrec.record.decode.stack_references import StackReferences, joined, references_in
from bpfrec.record.spool import SpoolWriter

_log = logging.getLogger(__name__)

_ROW_GROUP = 1 << 17
_ROW_GROUP_BYTES = 1 << 28
# Calls that cannot be decoded cost others no more than this part of what is decoded at once.
_SHARES = 64

_EXITS = {
    abi: [number for number, call in by_number(abi).items() if call.name in ("exit", "exit_group")]
    for abi in (NATIVE_ABI, "i386")
}

_LATE = ("comm", "stack_id", "stack_status")
EARLY_COLUMNS = Table("early", SYSCALLS.comment, tuple(c for c in SYSCALLS.columns if c.name not in _LATE))
"""The columns of ``syscalls`` that calls say by themselves."""
LATE_COLUMNS = Table("late", SYSCALLS.comment, tuple(c for c in SYSCALLS.columns if c.name in _LATE))
"""Those that need all that is known of processes and stacks."""


@dataclass(frozen=True)
class ExecArguments:
    """The arguments ``argv`` of an execve of ``pid`` that worked, from ``entry`` to ``end`` (ns, CLOCK_MONOTONIC)."""

    pid: int
    entry: int
    end: int
    argv: list[str]


@dataclass
class Converted:
    """What was made of records of calls: the files of parts, and what else they said.

    ``parts``: the file of each table that has rows. ``rows``: of calls. ``decoded``: records found; ``undecoded``:
    those among them that made decoding fail, with their batches. ``unread_32_bit``: calls of 32-bit programs that point
    at more than is copied. ``told``: births and ends of processes (dtype :data:`.wire.PROCESS`). ``noted``: see
    :class:`.InterruptedCalls`. ``references``: the file of stack references, one group for each row group; ``held``:
    the spool of records that were held back.
    """

    references: Path
    held: Path
    parts: dict[str, Path] = field(default_factory=dict)
    table_rows: dict[str, int] = field(default_factory=dict)
    rows: int = 0
    decoded: int = 0
    undecoded: int = 0
    unread_32_bit: int = 0
    pids: set[int] = field(default_factory=set)
    tids: set[int] = field(default_factory=set)
    per_syscall: Counter[str] = field(default_factory=Counter)
    told: list[NDArray[np.void]] = field(default_factory=list)
    noted: list[NDArray[np.int64]] = field(default_factory=list)
    arguments: list[ExecArguments] = field(default_factory=list)


class CallParts:
    """Collects rows and writes them as row groups, within each in the order in which the calls ended.

    Files are made in ``folder`` and named after ``tag``; ``first`` is the first ``event_id``. ``failed_only``: calls
    that cannot fail are left out. ``holds``: records that cannot be understood yet are held back.
    ``since``: calls that ended before that (ns, CLOCK_MONOTONIC) are left out.
    """

    def __init__(
        self, folder: Path, tag: str, *, first: int = 0, failed_only: bool = False, holds: bool = True, since: int = 0
    ) -> None:
        self.made = Converted(folder / f"references.{tag}.part", folder / f"held.{tag}.part")
        self._files = PartFiles(folder, tag)
        self._references = self.made.references.open("xb")
        self._held = SpoolWriter(self.made.held)
        self._first, self._failed_only, self._holds, self._since = first, failed_only, holds, since
        self._interrupted = InterruptedCalls()
        self._pending: list[tuple[CallRows, StackReferences]] = []
        self._pending_rows = self._pending_bytes = 0
        self._signals: list[NDArray[np.void]] = []
        self._pending_signals = 0
        self._requests: list[pa.Table] = []
        self._pending_requests = 0

    def take(self, when: int, records: wire.Records) -> None:
        """Takes ``records``, which were drained from the rings by ``when``. Disk errors come as OSError."""
        self.made.decoded += len(records.calls)
        with self._failing_alone(len(records.calls)):
            if len(records.processes):
                self.made.told.append(records.processes.copy())
            self._take_signals(records.signals)
            self.take_requests(records)
            if self._holds:
                self._interrupted.note(records.calls)
            if self._since:
                records = records.where(~_ended_before(records.calls, self._since))
            if self._holds:
                records = self._without_held(when, records)
            if self._failed_only:
                records = records.where(~returns_from_handler(records.calls))
            self.add(records)

    def add(self, records: wire.Records, *, still_running: bool = False) -> None:
        """Takes ``records`` that are not in a spool, or were held back. Disk errors come as OSError."""
        self._add_what_can_be(records, still_running, max(1, len(records.calls) // _SHARES))

    def flush(self) -> None:
        """Writes what is collected as one row group."""
        with self._failing_alone(0):
            try:
                self._write_signals()
                self._write_requests()
                if self._pending_rows:
                    self._write_pending()
            finally:
                self._pending.clear()
                self._pending_rows = self._pending_bytes = 0

    def close(self) -> Converted:
        """Writes all that is left, and closes the files."""
        self.flush()
        self._files.close()
        self._references.close()
        self._held.close()
        self.made.parts = {
            table.name: self._files.path(table) for table in (EARLY_COLUMNS, *TABLES) if table.name in self._files.rows
        }
        self.made.table_rows = self._files.rows
        self.made.noted = self._interrupted.noted
        return self.made

    def _without_held(self, when: int, records: wire.Records) -> wire.Records:
        calls = records.calls
        held = ((calls.flags & wire.NO_ENTRY) != 0) | InterruptedCalls.undecided(calls)
        if not held.any():
            return records
        for cpu, samples in wire.samples_by_cpu(records, held):
            self._held.write(cpu, when, [memoryview(sample) for sample in samples])
        return records.where(~held)

    @contextmanager
    def _failing_alone(self, added: int) -> Iterator[None]:
        """For work that adds ``added`` calls: one value that nobody thought of must not cost all others.

        Where it fails, the calls that are gone count as undecoded. Disk errors are passed on.
        """
        before = self.made.rows + self._pending_rows
        try:
            yield
        except OSError:
            raise
        except Exception:
            gone = before + added - self.made.rows - self._pending_rows
            _log.info("decoding %d calls failed", gone, exc_info=True)
            self.made.undecoded += gone

    def _take_signals(self, signals: NDArray[np.void]) -> None:
        if not len(signals):
            return
        self._signals.append(signals.copy())
        self._pending_signals += len(signals)
        self.made.pids.update(distinct(signals["pid"].astype(np.int32)))
        self.made.tids.update(distinct(signals["tid"].astype(np.int32)))
        if self._pending_signals >= _ROW_GROUP:
            self._write_signals()

    def _write_signals(self) -> None:
        if self._pending_signals:
            signals = np.concatenate(self._signals)
            self._signals.clear()
            self._pending_signals = 0
            self._files.write(SIGNALS, signal_rows(signals))

    def take_requests(self, records: wire.Records) -> None:
        """Takes the requests to io_uring in ``records``."""
        requests = records.requests
        if not len(requests):
            return
        self._requests.append(request_rows(requests, records.data, records.request_data))
        self._pending_requests += len(requests)
        self.made.pids.update(distinct(requests["pid"].astype(np.int32)))
        self.made.tids.update(distinct(requests["tid"].astype(np.int32)))
        if self._pending_requests >= _ROW_GROUP:
            self._write_requests()

    def _write_requests(self) -> None:
        if self._pending_requests:
            rows = pa.concat_tables(self._requests).unify_dictionaries()
            self._requests.clear()
            self._pending_requests = 0
            self._files.write(URING, rows)

    def _write_pending(self) -> None:
        self._pending.sort(key=lambda pending: pending[0].ends)
        table = pa.concat_tables([rows.table for rows, _ in self._pending]).unify_dictionaries()
        table, event_id = self._in_order_of_end(table)
        references = self._references_in_order(event_id)
        self._files.write(EARLY_COLUMNS, table.select([c.name for c in EARLY_COLUMNS.columns]))
        self.made.rows += len(table)
        references.write(self._references)
        self.made.per_syscall.update(counts_of(table["syscall"]))
        self._flush_captures(event_id)

    def _references_in_order(self, event_id: NDArray[np.int64]) -> StackReferences:
        base = 0
        start = self._first + self.made.rows
        for rows, references in self._pending:
            references.rows = event_id[base + references.rows] - start
            base += len(rows.table)
        return joined([references for _, references in self._pending])

    def _in_order_of_end(self, table: pa.Table) -> tuple[pa.Table, NDArray[np.int64]]:
        """``table`` with its event_id, and the event_id of each row of the given one."""
        ended = table["ts_ns"].to_numpy() + filled(table["duration_ns"], 0).to_numpy()
        first = self._first + self.made.rows
        numbers = np.arange(first, first + len(ended))
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
        for rows, _ in self._pending:
            for side in rows.captures:
                ids = pa.array(event_id[base + side.calls])
                parts.setdefault(side.table.name, []).append(side.rows.append_column("event_id", ids))
            base += len(rows.table)
        for table in TABLES:
            if table.name in parts:
                whole = pa.concat_tables(parts[table.name]).unify_dictionaries().combine_chunks()
                order = np.argsort(whole["event_id"].to_numpy(), kind="stable")
                self._files.write(table, taken(whole, pa.array(order)).select([c.name for c in table.columns]))

    def _add_what_can_be(self, records: wire.Records, still_running: bool, least: int) -> None:
        """Adds ``records``; of those that make decoding fail, at most ``least`` calls beside one that does are lost."""
        size = len(records.calls)
        if size <= least:
            with self._failing_alone(size):
                self._add(records, still_running)
            return
        try:
            self._add(records, still_running)
        except OSError:
            raise
        except Exception:
            _log.info("decoding %d calls failed; it is tried with a half at a time", size, exc_info=True)
            is_first = np.arange(size) < size // 2
            for half in (is_first, ~is_first):
                self._add_what_can_be(records.where(half), still_running, least)

    def _add(self, records: wire.Records, still_running: bool) -> None:
        calls = records.calls
        if not len(calls):
            return
        # What can fail comes first: where it does, nothing has changed.
        rows, references = call_rows(records, still_running), references_in(records)
        self.made.arguments += list(_arguments_of(calls, rows.captures))
        self.made.unread_32_bit += rows.unread_32_bit
        self.made.pids.update(distinct(calls.pid))
        self.made.tids.update(distinct(calls.tid))
        self._pending.append((rows, references))
        self._pending_rows += len(calls)
        self._pending_bytes += len(records.data)
        if self._pending_rows >= _ROW_GROUP or self._pending_bytes >= _ROW_GROUP_BYTES:
            self.flush()


def _arguments_of(calls: wire.Calls, captures: list[SideRows]) -> Iterator[ExecArguments]:
    for side in captures:
        if side.table is not EXEC_ARGS or side.is_environment:
            continue
        vectors: dict[int, list[str]] = {}
        for call, value in zip(side.calls.tolist(), side.rows["value"].to_pylist(), strict=True):
            vectors.setdefault(call, []).append("..." if value is None else value)
        for call, argv in vectors.items():
            if calls.ret[call] == 0:
                entry = int(calls.ts[call])
                pid, end = int(calls.pid[call]), entry + int(calls.duration[call])
                yield ExecArguments(pid, entry, end, argv)


def _ended_before(calls: wire.Calls, since: int) -> NDArray[np.bool_]:
    """Which of ``calls`` had ended by ``since``. When one that never returned did is known only of an exit."""
    compat = (calls.flags & wire.COMPAT) != 0
    exits = np.where(compat, np.isin(calls.nr, _EXITS["i386"]), np.isin(calls.nr, _EXITS[NATIVE_ABI]))
    is_over = ((calls.flags & wire.NO_RETURN) == 0) | exits
    ended: NDArray[np.bool_] = is_over & (calls.ts + calls.duration < since)
    return ended


def _reordered(table: pa.Table, order: pa.Array) -> pa.Table:
    """``table.take(order)``; most columns of a loop hold one value, and need not be touched."""
    columns = {
        name: column if _is_uniform(column) else taken(column.combine_chunks(), order)
        for name, column in zip(table.column_names, table.columns, strict=True)
    }
    return pa.table(columns)


def _is_uniform(column: pa.ChunkedArray) -> bool:
    if column.null_count:
        return bool(column.null_count == len(column))
    if pa.types.is_string(column.type):
        return False
    values = pa.chunked_array([c.indices for c in column.chunks]) if pa.types.is_dictionary(column.type) else column
    return is_one_value(values)


def distinct(ids: NDArray[np.int32]) -> list[int]:
    """The ids there are."""
    found: list[int] = np.unique(ids[run_starts(ids)]).tolist()
    return found
