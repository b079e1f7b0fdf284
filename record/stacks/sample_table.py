"""Samples: from their spool to rows of ``samples``."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from bpfrec.bpf import samples as wire
from bpfrec.bpf.samples import Sample, sample_stream
from bpfrec.formats.schema import SAMPLES
from bpfrec.record.decode.text import choice
from bpfrec.record.processes.history import History
from bpfrec.record.spool import read_whole
from bpfrec.record.stacks.frames import StackRows
from bpfrec.record.stacks.kernel_stacks import KernelStacks
from bpfrec.record.stacks.kernel_symbols import KernelSymbols
from bpfrec.record.stacks.stack_table import StackTable

Integers = NDArray[np.int64]

_REASONS = (
    (wire.NO_USER, "kernel-thread"),
    (wire.CAPPED, "capped"),
    (wire.BITS_32, "32-bit"),
    (wire.NO_REGISTERS, "no-registers"),
)
_STATUSES = [name for _, name in _REASONS]


@dataclass
class _Columns:
    """Samples by column; -1: there is none.

    ``stack``: first the handle, then the id of the user stack; ``kernel``: index of the kernel stack; ``status``: index
    of why there is no user stack.
    """

    ts: Integers
    pid: NDArray[np.int32]
    tid: NDArray[np.int32]
    uid: NDArray[np.int32]
    cpu: NDArray[np.int16]
    comm: NDArray[np.int32]
    stack: Integers
    kernel: Integers
    status: NDArray[np.int32]


@dataclass
class SampleTable:
    """The samples of a recording. Call :meth:`read` first. ``pids``, ``tids``: seen in them; ``count``: how many.

    ``has_stacks``: the samples have stacks; else they only tell which thread ran. ``kernel``: the kernel stacks of the
    recording. ``since``: samples taken before that (ns, CLOCK_MONOTONIC) are left out.
    """

    history: History
    stacks: StackTable
    has_stacks: bool
    since: int = 0
    pids: set[int] = field(default_factory=set)
    tids: set[int] = field(default_factory=set)
    count: int = 0
    kernel: KernelStacks = field(default_factory=KernelStacks)
    _columns: list[_Columns] = field(default_factory=list)
    _names: dict[bytes, int] = field(default_factory=dict)

    def read(self, spool: Path, report: Callable[[float], None]) -> None:
        """Reads the samples in ``spool`` and finds their user stacks; ``report`` gets the share done, 0 to 1."""
        for whole in read_whole(spool, sample_stream(), report):
            samples = [sample for sample in whole if sample.time >= self.since]
            if not samples:
                continue
            columns = self._columns_of(samples)
            self.history.note_calls(columns.pid, columns.ts)
            self.pids.update(np.unique(columns.pid).tolist())
            self.tids.update(np.unique(columns.tid).tolist())
            self.count += len(samples)
            self._columns.append(columns)
        self._find_stack_ids()

    def _find_stack_ids(self) -> None:
        """Turns the handles of stacks into ids."""
        if not self.has_stacks or not self._columns:
            return
        handles, times = (np.concatenate([getattr(c, name) for c in self._columns]) for name in ("stack", "ts"))
        having = handles >= 0
        handles[having] = self.stacks.sample_ids(handles[having], times[having])
        begin = 0
        for columns in self._columns:
            columns.stack = handles[begin : begin + len(columns.stack)]
            begin += len(columns.stack)

    def rows(self) -> pa.Table:
        """The rows for ``samples``. The ids of kernel stacks begin behind those of user stacks."""
        if not self._columns:
            return pa.table({c.name: [] for c in SAMPLES.columns})
        whole = {
            name: np.concatenate([getattr(columns, name) for columns in self._columns])
            for name in _Columns.__dataclass_fields__
        }
        order = np.argsort(whole["ts"], kind="stable")
        got = {name: values[order] for name, values in whole.items()}
        names = [name.decode("utf-8", "backslashreplace") for name in self._names]
        distinct = list(dict.fromkeys(names))
        codes = np.array([distinct.index(name) for name in names], np.int32)
        return pa.table(
            {
                "ts_ns": got["ts"],
                **{name: got[name] for name in ("pid", "tid", "uid", "cpu")},
                "comm": choice(codes[got["comm"]], distinct),
                "stack_id": pa.array(got["stack"], mask=got["stack"] < 0),
                "kernel_stack_id": pa.array(got["kernel"] + self.stacks.count, mask=got["kernel"] < 0),
                "stack_status": choice(got["status"], _STATUSES),
            }
        ).select([c.name for c in SAMPLES.columns])

    def kernel_stacks(self, symbols: KernelSymbols) -> StackRows:
        """The rows for the kernel stacks, with their functions."""
        return self.kernel.rows(self.stacks.count, symbols)

    def _columns_of(self, samples: list[Sample]) -> _Columns:
        status = np.array([self._status(sample) for sample in samples], np.int32)
        stack = np.full(len(samples), -1, np.int64)
        if self.has_stacks:
            having = np.flatnonzero(status < 0)
            stack[having] = self.stacks.add_samples([samples[i] for i in having.tolist()])
        return _Columns(
            ts=np.array([sample.time for sample in samples], np.uint64).view(np.int64),
            pid=_numbers(sample.pid for sample in samples),
            tid=_numbers(sample.tid for sample in samples),
            uid=_numbers(sample.uid for sample in samples),
            cpu=np.array([sample.cpu for sample in samples], np.int16),
            comm=np.array([self._name(sample) for sample in samples], np.int32),
            stack=stack,
            kernel=np.array([self._kernel_stack(sample) for sample in samples], np.int64),
            status=status,
        )

    def _status(self, sample: Sample) -> int:
        """The index of the reason in :data:`_STATUSES`; -1: it has a user stack, or none was asked for."""
        if not self.has_stacks:
            return -1
        for number, (bit, _) in enumerate(_REASONS):
            if sample.flags & bit:
                return number
        return -1

    def _name(self, sample: Sample) -> int:
        return self._names.setdefault(sample.comm.partition(b"\0")[0], len(self._names))

    def _kernel_stack(self, sample: Sample) -> int:
        if not self.has_stacks or not sample.flags & wire.IN_KERNEL:
            return -1
        return self.kernel.number(sample.time, sample.kernel_bytes, sample.kernel)


def _numbers(values: Iterable[int]) -> NDArray[np.int32]:
    return np.array(list(values), np.uint32).view(np.int32)
