"""Kernel stacks: the distinct ones of a recording, as rows of ``stacks`` and ``frames``."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from itertools import dropwhile

import numpy as np

from bpfrec.bpf.wire import FRAMES
from bpfrec.record.stacks.frames import StackRows, TableRow, within
from bpfrec.record.stacks.kernel_symbols import KernelSymbols

# What runs the BPF program at a tracepoint stands above where that is.
_TRACING = re.compile(r"(__)?bpf_|__traceiter_|trace_")
_BPF = "[bpf]"


@dataclass
class KernelStacks:
    """The kernel stacks of samples and of threads that wait. Each has a number from 0."""

    _numbers: dict[tuple[bool, int, bytes], int] = field(default_factory=dict)
    _seen: list[int] = field(default_factory=list)

    def number(self, time: int, size: int, addresses: bytes, *, at_tracepoint: bool = False) -> int:
        """The number of a stack that was taken at ``time``, ns on CLOCK_MONOTONIC.

        ``size``: -errno where the walk failed. ``addresses``: its return addresses, 8 bytes each, innermost first.
        ``at_tracepoint``: the BPF program that took it ran at a tracepoint, and is in it.
        """
        key = (at_tracepoint, max(-size, 0), addresses[: len(addresses) // 8 * 8])
        number = self._numbers.setdefault(key, len(self._numbers))
        if number == len(self._seen):
            self._seen.append(time)
        self._seen[number] = min(self._seen[number], time)
        return number

    def rows(self, first: int, symbols: KernelSymbols) -> StackRows:
        """The rows of all stacks, with their functions; ``first``: the id of the stack with number 0."""
        stacks: list[TableRow] = []
        frames: list[TableRow] = []
        for stack_id, (key, seen) in enumerate(zip(self._numbers, self._seen, strict=True), first):
            at_tracepoint, error, addresses = key
            ips = np.frombuffer(addresses, "<u8").tolist()
            own = [_frame(stack_id, depth, ip, symbols) for depth, ip in enumerate(ips)]
            if at_tracepoint:
                own = _without_tracing(own)
            frames += own
            status = "too-deep" if len(ips) == FRAMES else "no-kernel-symbols" if symbols.are_hidden else "root"
            status = f"error-{error}" if error else status
            stacks.append({"stack_id": stack_id, "ts_ns": seen, "depth": len(own), "status": status})
        return StackRows(stacks, frames, [])


def _without_tracing(frames: list[TableRow]) -> list[TableRow]:
    """``frames`` without those of the BPF program and of what called it, the innermost ones."""

    def is_tracing(row: TableRow) -> bool:
        return row["module"] == _BPF or bool(_TRACING.match(row["symbol"] or ""))

    kept = list(dropwhile(is_tracing, frames))
    return [row | {"depth": depth} for depth, row in enumerate(kept)]


def _frame(stack_id: int, depth: int, ip: int, symbols: KernelSymbols) -> TableRow:
    symbol = symbols.at(within(ip, not depth))
    return {
        "stack_id": stack_id,
        "depth": depth,
        "ip": ip,
        "symbol": symbol.name,
        "symbol_offset": None if symbol.address is None else ip - symbol.address,
        "module": symbol.module,
        "source": "kernel",
    }
