"""User stacks as the kernel walks them by frame pointers: each distinct one is kept once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from bpfrec.bpf import wire
from bpfrec.bpf.samples import Sample
from bpfrec.bpf.sideband import Mapping
from bpfrec.formats.numeric.asof import AsOf
from bpfrec.formats.numeric.run_lengths import run_starts, spread
from bpfrec.record.decode.text import choice
from bpfrec.record.processes.history import History
from bpfrec.record.stacks.frames import INTERRUPTED, SOURCES, Row, Stack, frame_rows, within
from bpfrec.record.stacks.modules import Modules
from bpfrec.record.stacks.perf_map_files import PerfMaps

Integers = NDArray[np.int64]

_BY_IP, _BY_FRAME_POINTER = SOURCES.index("ip") | INTERRUPTED, SOURCES.index("fp")


@dataclass(frozen=True, slots=True)
class _Stack:
    pid: int
    ts: int
    ips: tuple[int, ...]
    error: int


class StackTable:
    """Distinct stacks: the same addresses in the same process with the same mappings are one."""

    def __init__(self, epochs: AsOf) -> None:
        self._epochs = epochs
        self._ids: dict[tuple[int, int, bytes], int] = {}
        self._stacks: list[_Stack] = []

    def add(self, records: wire.Records) -> Integers:
        """Notes the stacks in ``records``; their ids, parallel to ``records.calls``, -1 where there is none."""
        ids = np.full(len(records.calls), -1, np.int64)
        which = np.flatnonzero(records.extras["kind"] == wire.KIND_STACK)
        sizes = records.extras["captured"][which].astype(np.int64)
        owners = records.extra_owner[which]
        pids = records.calls.pid[owners].astype(np.int64)
        times = records.calls.ts[owners]
        epochs = self._epochs.lookup(pids, times)
        words = records.data.view("<u8")
        for size in np.unique(sizes).tolist():
            rows = np.flatnonzero(sizes == size)
            depth = max(size, 0) // 8
            ips = words[records.extra_data[which[rows]][:, None] // 8 + np.arange(depth)]
            keys = np.column_stack([pids[rows].view(np.uint64), epochs[rows].view(np.uint64), ips])
            distinct, first, inverse = _distinct_rows(keys)
            known = [self._id(distinct[i], int(times[rows[first[i]]]), size) for i in range(len(distinct))]
            ids[owners[rows]] = np.array(known, np.int64)[inverse]
        return ids

    def columns(self, records: wire.Records) -> tuple[pa.Array, pa.Array]:
        """``stack_id`` and ``stack_status`` of the calls in ``records``."""
        ids = self.add(records)
        return pa.array(ids, mask=ids < 0), choice(np.full(len(ids), -1, np.int32), ())

    @property
    def count(self) -> int:
        """How many stacks have an id so far."""
        return len(self._stacks)

    def sampled(self, samples: Sequence[Sample]) -> Integers:
        """``stack_id`` of the user stacks of ``samples``, which have their return addresses."""
        pids, times = (np.array([s[i] for s in samples], np.uint64).view(np.int64) for i in (3, 2))
        epochs = self._epochs.lookup(pids, times)
        ids = [
            self._id(
                np.concatenate([space, np.frombuffer(sample.user[: len(sample.user) // 8 * 8], "<u8")]),
                sample.time,
                sample.user_bytes,
            )
            for space, sample in zip(np.column_stack([pids, epochs]).view(np.uint64), samples, strict=True)
        ]
        return np.array(ids, np.int64)

    def resolve(
        self, history: History, modules: Modules, maps: PerfMaps
    ) -> Iterator[tuple[list[Row], list[Row], list[Row]]]:
        """Rows for ``stacks``, ``frames`` and ``jit_symbols``, some stacks at a time."""
        return frame_rows([self._stack(stack, history) for stack in self._stacks], modules, maps)

    def _id(self, key: NDArray[np.uint64], when: int, size: int) -> int:
        pid, epoch = int(key[0]), int(key[1])
        ips = key[2:]
        identity = (pid, epoch, ips.tobytes() if size >= 0 else str(size).encode())
        known = self._ids.get(identity)
        if known is None:
            known = self._ids[identity] = len(self._stacks)
            self._stacks.append(_Stack(pid, when, tuple(ips.tolist()), -min(size, 0)))
        return known

    def _stack(self, found: _Stack, history: History) -> Stack:
        """With the mappings of its frames, as far as the addresses are executable at all.

        What lies beyond the first address that is not is what a register held that was no frame pointer.
        """
        space = history.space_at(found.pid, found.ts)
        places: list[Mapping] = []
        for depth, ip in enumerate(found.ips):
            mapping = space.find(within(ip, not depth), found.ts) if space else None
            if mapping is None:
                break
            places.append(mapping)
        ips = found.ips[: len(places)]
        status = None
        if found.error:
            status = f"error-{found.error}"
        elif len(ips) >= wire.FRAMES:
            status = "too-deep"
        how = bytes([_BY_IP, *[_BY_FRAME_POINTER] * (len(ips) - 1)][: len(ips)])
        return Stack(found.pid, found.ts, ips, how, tuple(places), status)


def _distinct_rows(rows: NDArray[np.uint64]) -> tuple[NDArray[np.uint64], Integers, Integers]:
    """The distinct rows, where each stands first, and which of them every row is."""
    heads = run_starts(rows)
    packed = np.ascontiguousarray(rows[heads]).view(np.dtype((np.void, rows.shape[1] * 8))).reshape(-1)
    _, first, inverse = np.unique(packed, return_index=True, return_inverse=True)
    return rows[heads[first]], heads[first], spread(inverse, heads, len(rows))
