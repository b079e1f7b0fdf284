"""The stack table for ``--stacks fp``: return addresses that the kernel found by frame pointers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from bpfrec.bpf import wire
from bpfrec.bpf.samples import Sample
from bpfrec.bpf.sideband import Mapping
from bpfrec.formats.numeric.run_lengths import run_starts, spread
from bpfrec.record.decode.text import choice
from bpfrec.record.processes.history import History
from bpfrec.record.stacks.frames import INTERRUPTED, SOURCES, Stack, StackRows, frame_rows, within
from bpfrec.record.stacks.modules import Modules
from bpfrec.record.stacks.perf_map_files import PerfMaps

Integers = NDArray[np.int64]

_BY_IP, _BY_FRAME_POINTER = SOURCES.index("ip") | INTERRUPTED, SOURCES.index("fp")


@dataclass(frozen=True, slots=True)
class _Addresses:
    """A stack as the kernel gave it; ``error``: the errno where it gave none."""

    pid: int
    ts: int
    ips: tuple[int, ...]
    error: int


class FramePointerStacks:
    """A :class:`.StackTable`. The same addresses in the same process with the same mappings are one stack."""

    def __init__(self, history: History, modules: Modules, maps: PerfMaps) -> None:
        self._history, self._modules, self._maps = history, modules, maps
        self._epochs = history.mapping_lookup()
        self._ids: dict[tuple[int, int, bytes], int] = {}
        self._stacks: list[_Addresses] = []

    @property
    def count(self) -> int:
        """How many stacks have an id so far."""
        return len(self._stacks)

    def add(self, records: wire.Records) -> Integers:
        """Adds the stacks in ``records``; gives the stack ids of ``records.calls``, -1 for a call without a stack."""
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
            numbers = [self._id(distinct[i], int(times[rows[first[i]]]), size) for i in range(len(distinct))]
            ids[owners[rows]] = np.array(numbers, np.int64)[inverse]
        return ids

    def columns(self, records: wire.Records) -> tuple[pa.Array, pa.Array]:
        """The columns ``stack_id`` and ``stack_status`` of the calls in ``records``."""
        ids = self.add(records)
        return pa.array(ids, mask=ids < 0), choice(np.full(len(ids), -1, np.int32), ())

    def add_samples(self, samples: Sequence[Sample]) -> Integers:
        """Adds the stacks of ``samples``, which hold return addresses; the handles are their ids."""
        pids, times = (np.array([s[i] for s in samples], np.uint64).view(np.int64) for i in (3, 2))
        epochs = self._epochs.lookup(pids, times)
        ids = [
            self._id(
                np.concatenate([process, np.frombuffer(sample.user[: len(sample.user) // 8 * 8], "<u8")]),
                sample.time,
                sample.user_bytes,
            )
            for process, sample in zip(np.column_stack([pids, epochs]).view(np.uint64), samples, strict=True)
        ]
        return np.array(ids, np.int64)

    def sample_ids(self, handles: Integers, times: Integers) -> Integers:  # noqa: ARG002 - the protocol's
        """The ``stack_id`` of all samples."""
        return handles

    def look_up(self) -> None:
        """Nothing: the stacks come with the calls."""

    def resolve(self) -> Iterator[StackRows]:
        """The rows for all stacks, with their functions, some at a time."""
        return frame_rows([self._stack(stack) for stack in self._stacks], self._modules, self._maps)

    def _id(self, key: NDArray[np.uint64], when: int, size: int) -> int:
        pid, epoch = int(key[0]), int(key[1])
        ips = key[2:]
        identity = (pid, epoch, ips.tobytes() if size >= 0 else str(size).encode())
        number = self._ids.get(identity)
        if number is None:
            number = self._ids[identity] = len(self._stacks)
            self._stacks.append(_Addresses(pid, when, tuple(ips.tolist()), -min(size, 0)))
        return number

    def _stack(self, found: _Addresses) -> Stack:
        """The stack up to the first address at which nothing executable is mapped.

        From there on some register, or memory, was taken for a frame pointer and was none.
        """
        space = self._history.address_space_at(found.pid, found.ts)
        mappings: list[Mapping] = []
        for depth, ip in enumerate(found.ips):
            mapping = space.find(within(ip, not depth), found.ts) if space else None
            if mapping is None:
                break
            mappings.append(mapping)
        ips = found.ips[: len(mappings)]
        status = None
        if found.error:
            status = f"error-{found.error}"
        elif len(ips) >= wire.FRAMES:
            status = "too-deep"
        sources = bytes([_BY_IP, *[_BY_FRAME_POINTER] * (len(ips) - 1)][: len(ips)])
        return Stack(found.pid, found.ts, ips, sources, tuple(mappings), status)


def _distinct_rows(rows: NDArray[np.uint64]) -> tuple[NDArray[np.uint64], Integers, Integers]:
    """The distinct rows, the index at which each comes first, and for every row the index of its distinct one."""
    heads = run_starts(rows)
    packed = np.ascontiguousarray(rows[heads]).view(np.dtype((np.void, rows.shape[1] * 8))).reshape(-1)
    _, first, inverse = np.unique(packed, return_index=True, return_inverse=True)
    return rows[heads[first]], heads[first], spread(inverse, heads, len(rows))
