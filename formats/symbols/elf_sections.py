"""Reads the section headers of ELF files and the contents of sections, compressed ones too, within bounds.

Source: System V ABI (gabi), chapters "Sections" and "Section Compression".
"""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

LARGEST_TABLE = 1 << 30
LARGEST_DECOMPRESSED = 1 << 28
"""The most bytes that a compressed section may unpack to: they are all kept in memory."""

HIGHEST_OFFSET = 1 << 62
SHF_COMPRESSED = 1 << 11
SHF_EXECINSTR = 1 << 2
NO_CONTENT = "SHT_NOBITS"
_BLOCK = 1 << 20

# e_shoff, e_shentsize, e_shnum, e_shstrndx
_FILE_HEADER = struct.Struct("<40xQ10xHHH")
# Elf64_Shdr: sh_name, sh_type, sh_flags, sh_addr, sh_offset, sh_size, sh_link
_SECTION_HEADER = struct.Struct("<IIQQQQI20x")
_IN_FIRST_SECTION = 0xFFFF
_LARGEST_HEADERS = 8 << 20
_LARGEST_NAMES, _LONGEST_NAME = 8 << 20, 4096
# Those that somebody asks for.
_KINDS = {2: "SHT_SYMTAB", 3: "SHT_STRTAB", 7: "SHT_NOTE", 8: NO_CONTENT, 11: "SHT_DYNSYM"}

_ZLIB, _ZSTD = 1, 2
# Elf64_Chdr: ch_type, ch_size
_COMPRESSION = struct.Struct("<I4xQ8x")


@dataclass(frozen=True)
class Section:
    """A section header; ``address``, ``offset`` and ``size`` in bytes.

    ``kind``: sh_type, by its name in elf.h where somebody asks for it, else as a number.
    """

    name: str
    kind: str
    flags: int
    address: int
    offset: int
    size: int
    link: int


def read_sections(file: BinaryIO) -> list[Section]:
    """The section headers of a 64-bit little-endian ELF file in order; none where they are damaged.

    pyelftools is slow to import and to read them, and a recording of a moment would wait longer for it than for all
    else that is done about its stacks.
    """
    start = read_bytes(file, 0, _FILE_HEADER.size)
    if len(start) < _FILE_HEADER.size:
        return []
    table, entry_size, count, names_in = _FILE_HEADER.unpack(start)
    first = read_bytes(file, table, _SECTION_HEADER.size)
    if not table or entry_size != _SECTION_HEADER.size or len(first) < _SECTION_HEADER.size:
        return []
    *_, many, link = _SECTION_HEADER.unpack(first)
    # Numbers that do not fit into the file's header are in the first section.
    count, names_in = count or many, link if names_in == _IN_FIRST_SECTION else names_in
    if count * entry_size > _LARGEST_HEADERS:
        return []
    raw = read_bytes(file, table, count * entry_size)
    if len(raw) < count * entry_size:
        return []
    headers = list(_SECTION_HEADER.iter_unpack(raw))
    names = b""
    if names_in < count:
        _, _, _, _, offset, size, _ = headers[names_in]
        names = read_bytes(file, offset, min(size, _LARGEST_NAMES))
    return [
        Section(_name_at(names, name), _KINDS.get(kind, f"{kind:#x}"), flags, address, offset, size, link)
        for name, kind, flags, address, offset, size, link in headers
    ]


def _name_at(names: bytes, at: int) -> str:
    end = names.find(b"\0", at, at + _LONGEST_NAME)
    return names[at : at + _LONGEST_NAME if end < 0 else end].decode("utf-8", "backslashreplace")


class Content:
    """The content of a section of ``file``; empty where it has none, or is compressed in an unknown way.

    ``size``: in bytes; ``unpacked``: how many of them were decompressed.
    """

    def __init__(self, file: BinaryIO, section: Section) -> None:
        self._file, self._offset, self.size = file, section.offset, section.size
        self.unpacked = 0
        self._plain: bytes | None = None
        if section.kind == NO_CONTENT:
            self.size = 0
        elif section.flags & SHF_COMPRESSED:
            self._plain = _decompressed(read_bytes(file, section.offset, section.size))
            self.size = self.unpacked = len(self._plain)

    def read(self, offset: int, size: int) -> bytes:
        """``size`` bytes at ``offset``; fewer where the section ends."""
        if self._plain is not None:
            return self._plain[offset : offset + size]
        if offset >= self.size:
            return b""
        return read_bytes(self._file, self._offset + offset, min(size, self.size - offset))

    def find(self, wanted: bytes, most: int) -> Iterator[int]:
        """The offsets of ``wanted`` in the first ``most`` bytes."""
        for first in range(0, min(self.size, most), _BLOCK):
            block = self.read(first, _BLOCK + len(wanted) - 1)
            at = -1
            while (at := block.find(wanted, at + 1)) >= 0:
                yield first + at


def read_bytes(file: BinaryIO, offset: int, size: int) -> bytes:
    """Up to ``size`` bytes at ``offset``; none if more than a gigabyte is asked for."""
    if size > LARGEST_TABLE or offset > HIGHEST_OFFSET:
        return b""
    end = file.seek(0, os.SEEK_END)
    file.seek(offset)
    return file.read(max(0, min(size, end - offset)))


def _decompressed(raw: bytes) -> bytes:
    if len(raw) < _COMPRESSION.size:
        return b""
    kind, size = _COMPRESSION.unpack_from(raw)
    if size > LARGEST_DECOMPRESSED:
        return b""
    packed = raw[_COMPRESSION.size :]
    try:
        if kind == _ZLIB:
            return zlib.decompressobj().decompress(packed, size or 1)
        if kind == _ZSTD:
            # Python itself has none before 3.14.
            import pyarrow as pa  # noqa: PLC0415

            return bytes(pa.decompress(packed, size, "zstd", asbytes=True))
    except (zlib.error, OSError, ValueError):
        pass
    return b""
