"""Times off the CPU: from their spool to the table ``sched``, in bounded memory."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bpfrec.bpf import off_cpu
from bpfrec.formats.schema import SCHED
from bpfrec.formats.trace_writer import TraceWriter
from bpfrec.record.decode.off_cpu import off_cpu_rows
from bpfrec.record.processes.history import History
from bpfrec.record.spool import Chunk, read_decoded
from bpfrec.record.stacks.kernel_stacks import KernelStacks

_BATCH_BYTES = 4 << 20
_ROW_GROUP = 1 << 17


@dataclass
class SchedWriter:
    """Writes ``sched``. ``kernel``: the kernel stacks of the recording, whose ids begin at ``first_kernel_stack``.

    ``since``: times that ended before that (ns, CLOCK_MONOTONIC) are left out. ``pids``, ``tids``: seen in it;
    ``count``: how many rows; ``read``: how many records there were.
    """

    history: History
    kernel: KernelStacks
    first_kernel_stack: int
    since: int = 0
    pids: set[int] = field(default_factory=set)
    tids: set[int] = field(default_factory=set)
    count: int = 0
    read: int = 0

    def write(self, spool: Path, writer: TraceWriter, report: Callable[[float], None]) -> None:
        """Writes the rows of what is in ``spool``; ``report`` gets the share done, 0 to 1. Disk errors are OSError."""
        pending: list[off_cpu.OffCpuRecords] = []
        rows = 0
        for records in read_decoded(spool, _decoded, _BATCH_BYTES, report):
            pending.append(records)
            rows += len(records.heads)
            if rows >= _ROW_GROUP:
                self._write(pending, writer)
                pending, rows = [], 0
        if rows:
            self._write(pending, writer)

    def _write(self, pending: list[off_cpu.OffCpuRecords], writer: TraceWriter) -> None:
        heads = np.concatenate([records.heads for records in pending])
        stacks = [stack for records in pending for stack in records.stacks]
        self.read += len(heads)
        ends = np.where(heads["back"] > 0, heads["back"], heads["ts"])
        ids = self._kernel_stack_ids(heads, stacks)
        order = np.argsort(ends, kind="stable")
        order = order[ends[order] >= self.since]
        heads, ids = heads[order], ids[order]
        pids, tids = (heads[name].astype(np.int32) for name in ("pid", "tid"))
        self.history.note_calls(pids, heads["ts"].astype(np.int64))
        self.pids.update(np.unique(pids).tolist())
        self.tids.update(np.unique(tids).tolist())
        self.count += len(heads)
        writer.write(SCHED, off_cpu_rows(heads, ids))

    def _kernel_stack_ids(self, heads: NDArray[np.void], stacks: list[bytes]) -> NDArray[np.int64]:
        ids = np.full(len(heads), -1, np.int64)
        for at in np.flatnonzero(heads["kernel"]).tolist():
            number = self.kernel.number(int(heads["ts"][at]), int(heads["kernel"][at]), stacks[at], at_tracepoint=True)
            ids[at] = self.first_kernel_stack + number
        return ids


def _decoded(chunk: Chunk) -> tuple[off_cpu.OffCpuRecords, int]:
    # Its memory is used again for the next chunk, and what is decoded is a copy.
    records = off_cpu.decode(chunk.data)
    return records, records.consumed
