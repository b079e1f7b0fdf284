"""Stacks to rows of ``stacks``, ``frames`` and ``jit_symbols``: each address gets its function."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from bpfrec.bpf.sideband import Mapping
from bpfrec.formats.symbols.dwarf_lines import SourceLine
from bpfrec.record.stacks.modules import Modules, Place, is_generated
from bpfrec.record.stacks.perf_map_files import JitEntry, PerfMaps, at_time

Row = dict[str, Any]
JitEntries = dict[tuple[int, int], list[JitEntry]]

_STACKS_AT_ONCE = 1 << 12
# V8's names: KIND:MARK NAME FILE:LINE:COLUMN
_V8_NAME = re.compile(
    r"(?:JS|LazyCompile|Function|Script|Eval|RegExp|Builtin):.*? (?P<file>\S+):(?P<line>[0-9]{1,9}):[0-9]+$"
)
_ROOTS = frozenset({"_start", "__clone", "clone", "__clone3", "clone3", "thread_start", "_dl_start_user"})

SOURCES = ("ip", "cfi", "fp")
"""How a frame was found: see the table ``frames``."""

INTERRUPTED = 4
"""Added to the index in :data:`SOURCES` of a frame whose ip is no return address."""


@dataclass(frozen=True, slots=True)
class Stack:
    """One stack, innermost frame first; ``ts``: of the first call it was seen at, ns.

    ``how``: a byte per frame, an index in :data:`SOURCES`, with :data:`INTERRUPTED`. ``status``: see the table
    ``stacks``; None: by the function in its last frame, as frame pointers do not say where they end.
    """

    pid: int
    ts: int
    ips: tuple[int, ...]
    how: bytes
    places: tuple[Mapping, ...]
    status: str | None


def frame_rows(
    stacks: Sequence[Stack], modules: Modules, maps: PerfMaps, jit: JitEntries | None = None
) -> Iterator[tuple[list[Row], list[Row], list[Row]]]:
    """Rows for ``stacks``, ``frames`` and ``jit_symbols``, some stacks at a time; stacks are numbered from 0.

    ``jit``: what :func:`jit_entries` found for them, where that is known.
    """
    jit = jit_entries(stacks, maps) if jit is None else jit
    yield [], [], _jit_rows(jit)
    places = dict.fromkeys((mapping, at) for s in stacks for at, mapping in zip(addresses_of(s), s.places, strict=True))
    lines = modules.lines(places)
    for start in range(0, len(stacks), _STACKS_AT_ONCE):
        rows: list[Row] = []
        frames: list[Row] = []
        for number, stack in enumerate(stacks[start : start + _STACKS_AT_ONCE], start):
            found = [_frame(number, depth, stack, modules, maps, jit, lines) for depth in range(len(stack.ips))]
            frames += found
            status = stack.status or _status(found)
            rows.append(
                {"stack_id": number, "pid": stack.pid, "ts_ns": stack.ts, "depth": len(found), "status": status}
            )
        yield rows, frames, []


def within(ip: int, interrupted: bool) -> int:
    """An address inside the instruction that ``ip`` stands for: a return address points behind its call."""
    return ip if interrupted else ip - 1


def addresses_of(stack: Stack) -> Iterator[int]:
    """Where each frame is: an address inside its instruction."""
    return (within(ip, bool(how & INTERRUPTED)) for ip, how in zip(stack.ips, stack.how, strict=True))


def jit_entries(stacks: Iterable[Stack], maps: PerfMaps) -> JitEntries:
    """The perf map entries of all addresses in memory that no file backs, by (pid, address)."""
    wanted: dict[int, set[int]] = {}
    for stack in stacks:
        for address, mapping in zip(addresses_of(stack), stack.places, strict=True):
            if is_generated(mapping):
                wanted.setdefault(stack.pid, set()).add(address)
    return {
        (pid, address): entries
        for pid, addresses in wanted.items()
        for address, entries in maps.entries(pid, addresses).items()
    }


def _jit_rows(jit: JitEntries) -> list[Row]:
    found = {(pid, entry.symbol) for (pid, _), entries in jit.items() for entry in entries if entry.symbol}
    distinct = sorted(found, key=lambda e: (e[0], e[1].address, e[1].size, e[1].name))
    return [
        {"pid": pid, "address": symbol.address, "size": symbol.size, "name": symbol.name} for pid, symbol in distinct
    ]


def _frame(
    stack_id: int,
    depth: int,
    stack: Stack,
    modules: Modules,
    maps: PerfMaps,
    jit: JitEntries,
    lines: dict[Place, SourceLine],
) -> Row:
    ip, how, mapping = stack.ips[depth], stack.how[depth], stack.places[depth]
    address = within(ip, bool(how & INTERRUPTED))
    row: Row = {"stack_id": stack_id, "depth": depth, "ip": ip, "source": SOURCES[how & ~INTERRUPTED]}
    entries = jit.get((stack.pid, address))
    if entries:
        generated = at_time(entries, stack.ts)
        source = _V8_NAME.match(generated.name) if generated else None
        return row | {
            "symbol": generated.name if generated else None,
            "symbol_offset": ip - generated.address if generated else None,
            "module": maps.name(stack.pid),
            "file": source["file"] if source else None,
            "line": int(source["line"]) if source else None,
        }
    in_file, symbol = modules.locate(mapping, address)
    said = lines.get((mapping, address))
    return row | {
        "symbol": symbol.name if symbol else None,
        "symbol_offset": None if symbol is None or in_file is None else in_file + (ip - address) - symbol.address,
        "module": mapping.path,
        "module_address": in_file,
        "build_id": modules.build_id(mapping),
        "file": said.file if said else None,
        "line": said.line if said else None,
    }


def _status(frames: list[Row]) -> str:
    return "root" if frames and frames[-1].get("symbol") in _ROOTS else "no-frame-pointer"
