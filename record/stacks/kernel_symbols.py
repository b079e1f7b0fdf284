"""The functions of the running kernel and its modules, as /proc/kallsyms tells of them."""

from __future__ import annotations

import bisect
from pathlib import Path
from typing import NamedTuple

KALLSYMS = Path("/proc/kallsyms")

# As nm(1) says: code, global before weak before local.
_CODE = "TWtw"
# Where the kernel itself is mapped, wherever in there it was put: Documentation/arch/x86/x86_64/mm.rst.
_IMAGE = range(0xFFFFFFFF80000000, 0xFFFFFFFFC0000000)
_KERNEL = "[kernel]"
# Sizes are not told. A function ends where the next thing begins; the last one of a module in this many bytes, and one
# of the generated programs, of which those that have gone are not told, in as many of theirs.
_LAST, _LAST_GENERATED = 1 << 13, 1 << 17
_GENERATED = "[bpf]"


class KernelSymbol(NamedTuple):
    """A function ``name`` (NULL: not known) of ``module``: [kernel] or as [ext4]; ``address``: its first byte."""

    name: str | None
    module: str | None
    address: int | None


class KernelSymbols:
    """Looks up addresses in the text of /proc/kallsyms; ``are_hidden``: it tells of no address."""

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
        last = start + (_LAST_GENERATED if module == _GENERATED else _LAST)
        if place + 1 == len(self._starts):
            return last
        following = self._starts[place + 1]
        if module != _GENERATED and self._found[following][2] == module:
            return following
        return min(following, last)


def read_kernel_symbols() -> KernelSymbols:
    """Those of the kernel that runs; hidden ones where they cannot be read."""
    try:
        return KernelSymbols(KALLSYMS.read_text())
    except OSError:
        return KernelSymbols("")
