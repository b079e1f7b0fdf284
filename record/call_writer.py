"""The spool of calls to the tables ``syscalls`` and ``timespecs``, in bounded memory."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from bpfrec.bpf import wire
from bpfrec.formats.schema import SYSCALLS, TIMESPECS
from bpfrec.formats.trace_writer import TraceWriter
from bpfrec.record.asof import AsOf
from bpfrec.record.calls import CallRows, call_rows
from bpfrec.record.history import History
from bpfrec.record.losses import LostNotice
from bpfrec.record.session import UnderWay
from bpfrec.record.spool import Chunk, read_chunks
from bpfrec.record.stacks import StackTable

_PIECE_BYTES = 8 << 20
_ROW_GROUP = 1 << 19
_ROW_GROUP_BYTES = 1 << 28


@dataclass
class CallWriter:
    """Collects rows and writes them as row groups, within each in the order in which the calls ended.

    ``rows``: written so far; ``decoded``: records found in the spool; ``pids``, ``tids``: seen in them.
    """

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

    def write_all(self, spool: Path, report: Callable[[float], None]) -> list[LostNotice]:
        """Writes the calls in ``spool``; the notices of loss in it. ``report`` gets the share done, 0 to 1."""
        total = max(1, spool.stat().st_size)
        done = 0
        lost: list[LostNotice] = []
        for chunk, records in _decoded(spool):
            lost += [(chunk.cpu, chunk.time, count) for count in records.lost]
            self.decoded += len(records.calls)
            self._add(records, chunk.cpu)
            done += len(chunk.data)
            report(done / total)
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
        if np.any(order[1:] < order[:-1]):
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


def _decoded(spool: Path) -> Iterator[tuple[Chunk, wire.Records]]:
    """The records of the spool, piece by piece; what a piece cuts off is decoded with the next of the same CPU."""
    rest: dict[int, NDArray[np.uint8]] = {}
    for chunk in read_chunks(spool, _PIECE_BYTES):
        before = rest.pop(chunk.cpu, None)
        data = chunk.data if before is None else np.concatenate([before, chunk.data])
        records = wire.decode(data)
        if records.consumed < len(data):
            rest[chunk.cpu] = data[records.consumed :]
        yield chunk, records
