"""Stacks to rows of ``stacks``, ``frames`` and ``jit_symbols``: finds the function and source line of each frame."""

from __future__ import annotations

import re
from collections.abc import Container, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from bpfrec.bpf.sideband import Mapping
from bpfrec.record.stacks.modules import MappedAddress, Modules, is_without_file, may_hold_jit_code
from bpfrec.record.stacks.perf_map_files import JitEntry, PerfMaps, at_time

if TYPE_CHECKING:
    from bpfrec.formats.symbols.dwarf_lines import SourceLine

TableRow = dict[str, Any]
"""A row of a table, by column."""

JitEntries = dict[tuple[int, int], list[JitEntry]]
"""The entries of perf maps that cover an address, by (pid, address)."""

_STACKS_AT_ONCE = 1 << 12
# V8's names: KIND:MARK NAME FILE:LINE:COLUMN
_V8_NAME = re.compile(
    r"(?:JS|LazyCompile|Function|Script|Eval|RegExp|Builtin):.*? (?P<file>\S+):(?P<line>[0-9]{1,9}):[0-9]+$"
)
_ROOTS = frozenset({"_start", "__clone", "clone", "__clone3", "clone3", "thread_start", "_dl_start_user"})

SOURCES = ("ip", "cfi", "fp")
"""How a frame was found: the values of ``frames.source``."""

INTERRUPTED = 4
"""A flag beside the index into :data:`SOURCES`: the frame's ip is not a return address."""


class StackRows(NamedTuple):
    """Rows for the tables ``stacks``, ``frames`` and ``jit_symbols``."""

    stacks: list[TableRow]
    frames: list[TableRow]
    jit_symbols: list[TableRow]


@dataclass
class JitGaps:
    """What stacks through JIT code lack, in stacks: ``cut`` end there, ``unnamed`` have frames there without a name."""

    cut: int = 0
    unnamed: int = 0

    def count(self, rows: StackRows) -> None:
        """Adds the stacks in ``rows``, which holds all of their frames."""
        in_jit = [row for row in rows.frames if row["source"] != "kernel" and row.get("module_address") is None]
        last = {(row["stack_id"], row["depth"] + 1) for row in in_jit}
        self.cut += sum(
            row["status"] == "no-frame-pointer" and (row["stack_id"], row["depth"]) in last for row in rows.stacks
        )
        unnamed = {row["stack_id"] for row in in_jit if row["symbol"] is None and is_without_file(row["module"] or "")}
        self.unnamed += len(unnamed)


@dataclass(frozen=True, slots=True)
class Stack:
    """A stack, innermost frame first; ``ts``: ns on CLOCK_MONOTONIC of the first call that has it.

    ``sources``: a byte per frame, an index into :data:`SOURCES` and perhaps :data:`INTERRUPTED`. ``mappings``: the code
    that each frame is in. ``status``: see the table ``stacks``; None: the function of the last frame decides, for a
    chain of frame pointers has no marked end.
    """

    pid: int
    ts: int
    ips: tuple[int, ...]
    sources: bytes
    mappings: tuple[Mapping, ...]
    status: str | None


def frame_rows(
    stacks: Sequence[Stack], modules: Modules, maps: PerfMaps, jit: JitEntries | None = None
) -> Iterator[StackRows]:
    """The rows for ``stacks``, some at a time. Their ids are their indexes.

    ``jit``: what :func:`jit_entries` found for them, if that was called before.
    """
    jit = jit_entries(stacks, maps) if jit is None else jit
    yield StackRows([], [], _jit_rows(jit))
    frames_of = _Frames(modules, maps, jit, modules.lines(_mapped_addresses(stacks)))
    for start in range(0, len(stacks), _STACKS_AT_ONCE):
        rows: list[TableRow] = []
        frames: list[TableRow] = []
        for number, stack in enumerate(stacks[start : start + _STACKS_AT_ONCE], start):
            found = frames_of.rows(number, stack)
            frames += found
            status = stack.status or _status(found)
            rows.append(
                {"stack_id": number, "pid": stack.pid, "ts_ns": stack.ts, "depth": len(found), "status": status}
            )
        yield StackRows(rows, frames, [])


def look_up(stacks: Iterable[Stack], modules: Modules) -> None:
    """Has ``modules`` find the functions and source lines of ``stacks``, which :func:`frame_rows` asks for later."""
    addresses = _mapped_addresses(stacks)
    modules.lines(addresses)
    for mapping, address in addresses:
        modules.locate(mapping, address)


def _mapped_addresses(stacks: Iterable[Stack]) -> dict[MappedAddress, None]:
    """Each address that a frame of ``stacks`` is at, and its code, once and in order."""
    return dict.fromkeys((mapping, at) for s in stacks for at, mapping in zip(addresses_of(s), s.mappings, strict=True))


def within(ip: int, interrupted: bool) -> int:
    """An address inside the instruction that ``ip`` stands for: a return address is the end of its call."""
    return ip if interrupted else ip - 1


def addresses_of(stack: Stack) -> Iterator[int]:
    """For each frame an address inside its instruction."""
    return (within(ip, bool(source & INTERRUPTED)) for ip, source in zip(stack.ips, stack.sources, strict=True))


def jit_entries(stacks: Iterable[Stack], maps: PerfMaps, known: Container[tuple[int, int]] = ()) -> JitEntries:
    """The perf map entries for frames of ``stacks`` in JIT code, but for those whose (pid, address) is ``known``."""
    wanted: dict[int, set[int]] = {}
    for stack in stacks:
        for address, mapping in zip(addresses_of(stack), stack.mappings, strict=True):
            if may_hold_jit_code(mapping) and (stack.pid, address) not in known:
                wanted.setdefault(stack.pid, set()).add(address)
    return {
        (pid, address): entries
        for pid, addresses in wanted.items()
        for address, entries in maps.entries(pid, addresses).items()
    }


def _jit_rows(jit: JitEntries) -> list[TableRow]:
    found = {(pid, entry.symbol) for (pid, _), entries in jit.items() for entry in entries if entry.symbol}
    distinct = sorted(found, key=lambda e: (e[0], e[1].address, e[1].size, e[1].name))
    return [
        {"pid": pid, "address": symbol.address, "size": symbol.size, "name": symbol.name} for pid, symbol in distinct
    ]


class _Frames:
    """Makes rows of ``frames``: what is found at an address of a process is the same in all of its stacks."""

    def __init__(
        self, modules: Modules, maps: PerfMaps, jit: JitEntries, lines: dict[MappedAddress, SourceLine]
    ) -> None:
        self._modules, self._maps, self._jit, self._lines = modules, maps, jit, lines
        self._known: dict[tuple[Mapping, int, int], TableRow] = {}

    def rows(self, stack_id: int, stack: Stack) -> list[TableRow]:
        """The frames of ``stack``, innermost first."""
        placed = zip(stack.mappings, stack.ips, stack.sources, strict=True)
        return [
            {"stack_id": stack_id, "depth": depth} | (self._known.get(place) or self._frame(stack, *place))
            for depth, place in enumerate(placed)
        ]

    def _frame(self, stack: Stack, mapping: Mapping, ip: int, source: int) -> TableRow:
        address = within(ip, bool(source & INTERRUPTED))
        row: TableRow = {"ip": ip, "source": SOURCES[source & ~INTERRUPTED]}
        entries = self._jit.get((stack.pid, address))
        if entries:
            # What was compiled there changes with time.
            function = at_time(entries, stack.ts)
            script = _V8_NAME.match(function.name) if function else None
            return row | {
                "symbol": function.name if function else None,
                "symbol_offset": ip - function.address if function else None,
                "module": self._maps.name(stack.pid),
                "file": script["file"] if script else None,
                "line": int(script["line"]) if script else None,
            }
        in_file, symbol = self._modules.locate(mapping, address)
        line = self._lines.get((mapping, address))
        found = row | {
            "symbol": symbol.name if symbol else None,
            "symbol_offset": None if symbol is None or in_file is None else in_file + (ip - address) - symbol.address,
            "module": mapping.path,
            "module_address": in_file,
            "build_id": self._modules.build_id(mapping),
            "file": line.file if line else None,
            "line": line.line if line else None,
        }
        if not may_hold_jit_code(mapping):
            self._known[mapping, ip, source] = found
        return found


def _status(frames: list[TableRow]) -> str:
    return "root" if frames and frames[-1].get("symbol") in _ROOTS else "no-frame-pointer"
