"""The sections of an ELF file, by name: System V ABI (gabi), chapter "Sections".

pyelftools takes tens of milliseconds for what is asked here of every file that a process has mapped.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import NamedTuple

_HEADER = struct.Struct("<IIQQQQ24x")
"""Elf64_Shdr, without what links sections to each other."""

_PLACE = struct.Struct("<40xQ10xHHH")
"""Of the file header: e_shoff, e_shentsize, e_shnum, e_shstrndx."""

_SHT_NOBITS = 8
_LARGEST_NAMES = 1 << 20
_MOST = 1 << 15


class Section(NamedTuple):
    """``address`` where it is loaded (0: it is not), ``offset`` in the file, ``size`` in bytes; ``flags``: SHF_..."""

    address: int
    offset: int
    size: int
    flags: int


def sections(read: Callable[[int, int], bytes]) -> dict[str, Section]:
    """The sections of a 64-bit file that have bytes in it; ``read`` gives what is at an offset, so many bytes.

    Of two with the same name, the first. What is damaged is left out.
    """
    try:
        table, entry, count, names_at = _PLACE.unpack(read(0, _PLACE.size))
    except struct.error:
        return {}
    if entry != _HEADER.size or count > _MOST:
        return {}
    raw = read(table, entry * count)
    headers = [_HEADER.unpack_from(raw, at) for at in range(0, len(raw) - entry + 1, entry)]
    if names_at >= len(headers):
        return {}
    *_, names_offset, names_size = headers[names_at]
    names = read(names_offset, min(names_size, _LARGEST_NAMES))
    found: dict[str, Section] = {}
    for name, kind, flags, address, offset, size in headers:
        end = names.find(b"\0", name)
        if kind != _SHT_NOBITS and name < len(names) and end > name:
            found.setdefault(names[name:end].decode("latin-1"), Section(address, offset, size, flags))
    return found
