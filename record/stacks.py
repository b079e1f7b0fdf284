"""User stacks: each distinct one is kept once and resolved to functions when the recording is finished."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bpfrec.bpf import wire
from bpfrec.bpf.sideband import Mapping
from bpfrec.formats.perf_map import JitSymbol
from bpfrec.record.asof import AsOf
from bpfrec.record.history import History
from bpfrec.record.modules import Modules
from bpfrec.record.perf_maps import PerfMaps
from bpfrec.record.runs import run_starts, spread

Integers = NDArray[np.int64]
Row = dict[str, Any]

_STACKS_AT_ONCE = 1 << 12
_ROOTS = frozenset({"_start", "__clone", "clone", "__clone3", "clone3", "thread_start", "_dl_start_user"})
# V8's names: KIND:MARK NAME FILE:LINE:COLUMN
_V8_NAME = re.compile(
    r"(?:JS|LazyCompile|Function|Script|Eval|RegExp|Builtin):.*? (?P<file>\S+):(?P<line>[0-9]{1,9}):[0-9]+$"
)


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

    def resolve(
        self, history: History, modules: Modules, maps: PerfMaps
    ) -> Iterator[tuple[list[Row], list[Row], list[Row]]]:
        """Rows for ``stacks``, ``frames`` and ``jit_symbols``, some stacks at a time."""
        places = [self._places(stack, history) for stack in self._stacks]
        jit = _jit_symbols(self._stacks, places, maps)
        yield [], [], _jit_rows(jit)
        for start in range(0, len(self._stacks), _STACKS_AT_ONCE):
            stack_rows, frame_rows = [], []
            for number in range(start, min(start + _STACKS_AT_ONCE, len(self._stacks))):
                stack = self._stacks[number]
                frames = [
                    _frame(number, depth, ip, place, stack.pid, modules, maps, jit)
                    for depth, (ip, place) in enumerate(zip(stack.ips, places[number], strict=False))
                ]
                frame_rows += frames
                status = _status(stack, frames)
                stack_rows.append(
                    {"stack_id": number, "pid": stack.pid, "ts_ns": stack.ts, "depth": len(frames), "status": status}
                )
            yield stack_rows, frame_rows, []

    def _id(self, key: NDArray[np.uint64], when: int, size: int) -> int:
        pid, epoch = int(key[0]), int(key[1])
        ips = key[2:]
        identity = (pid, epoch, ips.tobytes() if size >= 0 else str(size).encode())
        known = self._ids.get(identity)
        if known is None:
            known = self._ids[identity] = len(self._stacks)
            self._stacks.append(_Stack(pid, when, tuple(ips.tolist()), -min(size, 0)))
        return known

    def _places(self, stack: _Stack, history: History) -> list[Mapping]:
        """The mappings of the frames, innermost first, as far as the addresses are executable at all.

        What lies beyond the first address that is not is what a register held that was no frame pointer.
        """
        space = history.space_at(stack.pid, stack.ts)
        found: list[Mapping] = []
        for depth, ip in enumerate(stack.ips):
            mapping = space.find(_within(ip, depth), stack.ts) if space else None
            if mapping is None:
                break
            found.append(mapping)
        return found


def _within(ip: int, depth: int) -> int:
    """An address inside the instruction that ``ip`` stands for: a return address points behind its call."""
    return ip if depth == 0 else ip - 1


def _distinct_rows(rows: NDArray[np.uint64]) -> tuple[NDArray[np.uint64], Integers, Integers]:
    """The distinct rows, where each stands first, and which of them every row is."""
    heads = run_starts(rows)
    packed = np.ascontiguousarray(rows[heads]).view(np.dtype((np.void, rows.shape[1] * 8))).reshape(-1)
    _, first, inverse = np.unique(packed, return_index=True, return_inverse=True)
    return rows[heads[first]], heads[first], spread(inverse, heads, len(rows))


def _is_jit(mapping: Mapping) -> bool:
    return not mapping.path.startswith("/") or mapping.path.startswith(("//anon", "/memfd:", "/dev/zero"))


def _jit_symbols(
    stacks: Iterable[_Stack], places: list[list[Mapping]], maps: PerfMaps
) -> dict[tuple[int, int], JitSymbol]:
    """The perf map entries of all addresses in memory that no file backs, by (pid, address)."""
    wanted: dict[int, set[int]] = {}
    for stack, found in zip(stacks, places, strict=True):
        for depth, mapping in enumerate(found):
            if _is_jit(mapping):
                wanted.setdefault(stack.pid, set()).add(_within(stack.ips[depth], depth))
    return {
        (pid, address): symbol
        for pid, addresses in wanted.items()
        for address, symbol in maps.symbols(pid, addresses).items()
    }


def _jit_rows(jit: dict[tuple[int, int], JitSymbol]) -> list[Row]:
    distinct = sorted({(pid, symbol) for (pid, _), symbol in jit.items()}, key=lambda e: (e[0], e[1].address))
    return [
        {"pid": pid, "address": symbol.address, "size": symbol.size, "name": symbol.name} for pid, symbol in distinct
    ]


def _frame(
    stack_id: int,
    depth: int,
    ip: int,
    mapping: Mapping,
    pid: int,
    modules: Modules,
    maps: PerfMaps,
    jit: dict[tuple[int, int], JitSymbol],
) -> Row:
    address = _within(ip, depth)
    row: Row = {"stack_id": stack_id, "depth": depth, "ip": ip, "source": "fp" if depth else "ip"}
    generated = jit.get((pid, address))
    if generated is not None:
        source = _V8_NAME.match(generated.name)
        return row | {
            "symbol": generated.name,
            "symbol_offset": ip - generated.address,
            "module": maps.name(pid),
            "file": source["file"] if source else None,
            "line": int(source["line"]) if source else None,
        }
    in_file, symbol = modules.locate(mapping, address)
    return row | {
        "symbol": symbol.name if symbol else None,
        "symbol_offset": None if symbol is None or in_file is None else in_file + (ip - address) - symbol.address,
        "module": mapping.path,
        "module_address": in_file,
        "build_id": modules.build_id(mapping),
    }


def _status(stack: _Stack, frames: list[Row]) -> str:
    if stack.error:
        return f"error-{stack.error}"
    if len(stack.ips) >= wire.FRAMES and len(frames) == len(stack.ips):
        return "too-deep"
    if frames and frames[-1].get("symbol") in _ROOTS:
        return "root"
    return "no-frame-pointer"
