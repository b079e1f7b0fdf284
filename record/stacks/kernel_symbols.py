"""The functions of the running kernel and its modules, from /proc/kallsyms."""

from __future__ import annotations

import bisect
from pathlib import Path
from typing import NamedTuple

KALLSYMS = Path("/proc/kallsyms")

# Kinds of symbols as in nm(1) that are code, global before weak before local.
_CODE = "TWtw"
# The range in which the kernel itself is mapped: Documentation/arch/x86/x86_64/mm.rst.
_IMAGE = range(0xFFFFFFFF80000000, 0xFFFFFFFFC0000000)
_KERNEL = "[kernel]"
# kallsyms has no sizes. A function ends where the next symbol begins. The last one of a module is taken to have at most
# so many bytes, and so is every BPF program, for the one behind it may have been unloaded.
_LAST_BYTES, _BPF_PROGRAM_BYTES = 1 << 13, 1 << 17
_BPF_PROGRAMS = "[bpf]"


class KernelSymbol(NamedTuple):
    """A function: ``name`` (None: not known), ``module``: [kernel], [ext4] ..., ``address``: of its first byte."""

    name: str | None
    module: str | None
    address: int | None


class KernelSymbols:
    """Finds functions by the text of /proc/kallsyms; ``are_hidden``: it has no addresses."""

    def __init__(self, text: str) -> None:
        found: dict[int, tuple[int, str, str]] = {}
        for line in text.splitlines():
            address, kind, name, *module = line.split()
            order = _CODE.find(kind)
            entry = (order if order >= 0 else len(_CODE), name, module[0] if module else _KERNEL)
            start = int(address, 16)
            if start not in found or entry[0] < found[start][0]:
                found[start] = entry
        found.pop(0, None)
        self.are_hidden = not found
        self._starts = sorted(found)
        self._found = found

    def at(self, address: int) -> KernelSymbol:
        """The function that ``address`` is in."""
        place = bisect.bisect_right(self._starts, address)
        start = self._starts[place - 1] if place else 0
        order, name, module = self._found.get(start, (len(_CODE), "", ""))
        if order < len(_CODE) and address < self._end(place - 1, module):
            return KernelSymbol(name, module, start)
        return KernelSymbol(None, _KERNEL if address in _IMAGE else None, None)

    def _end(self, place: int, module: str) -> int:
        start = self._starts[place]
        last = start + (_BPF_PROGRAM_BYTES if module == _BPF_PROGRAMS else _LAST_BYTES)
        if place + 1 == len(self._starts):
            return last
        following = self._starts[place + 1]
        if module != _BPF_PROGRAMS and self._found[following][2] == module:
            return following
        return min(following, last)


def read_kernel_symbols() -> KernelSymbols:
    """Reads the symbols of the running kernel; they are hidden where /proc/kallsyms cannot be read."""
    try:
        return KernelSymbols(KALLSYMS.read_text())
    except OSError:
        return KernelSymbols("")
