"""Go's own table of a program's functions: names, source lines, and how far each has moved the stack pointer.

Go's linker writes it into every program, stripped ones too, for Go's own stack traces, and no ``.eh_frame``. Layout:
src/internal/abi/symtab.go, src/debug/gosym/pclntab.go and src/runtime/symtab.go of Go 1.18 and later.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

# The second in position-independent programs.
_SECTIONS = (".gopclntab", ".data.rel.ro.gopclntab")
_MODULE = ".go.module"
_RELOCATIONS = (".rela", ".rela.dyn")

_MAGICS = {0xFFFFFFF0: 0, 0xFFFFFFF1: 4}
"""The magic numbers of Go 1.18 and 1.20, and how many bytes the second has more before the flags of a function."""

_HEADER = struct.Struct("<IxxBB8Q")
# entry, name, args, deferreturn, pcsp, pcfile, pcln, npcdata, cu
_FUNCTION = struct.Struct("<IiiIIIIII")
_ENTRY = np.dtype([("start", "<u4"), ("place", "<u4")])
_TOP_FRAME, _WRITES_SP = 1, 2
# Indexes in a function's record.
_NAME, _PCSP, _PCFILE, _PCLN, _CU = 1, 4, 5, 6, 8
# The offset in struct moduledata of the address where the code begins.
_MODULE_TEXT = 22 * 8
# Elf64_Rela
_RELOCATION = np.dtype([("offset", "<u8"), ("info", "<u8"), ("addend", "<i8")])
_LARGEST = 1 << 28
_LONGEST_NAME = 1 << 14
_MOST_STEPS = 1 << 16
_NO_FILE = 0xFFFFFFFF


class Image(Protocol):
    """An executable file, read by the addresses that it has in memory."""

    def read_at(self, address: int, size: int) -> bytes:
        """``size`` bytes at ``address``; fewer where a segment ends."""

    def section(self, name: str) -> tuple[int, int] | None:
        """Address and size in bytes of a section."""


class BadGoTableError(Exception):
    """A table is of an unknown kind, or damaged; the text says why."""


@dataclass(frozen=True)
class GoFunction:
    """One function; ``is_root``: stacks begin with it; ``switches_stacks``: it may move to another stack and back."""

    name: str
    start: int
    end: int
    is_root: bool
    switches_stacks: bool


class GoFunctions:
    """The functions of a program by its table ``data``; ``text``: where the code begins, if the table does not say so.

    Raises:
        BadGoTableError: it is damaged, or of an unknown version of Go.
    """

    def __init__(self, data: bytes, text: int | None = None) -> None:
        self._data = data
        if len(self._data) < _HEADER.size:
            raise BadGoTableError("it ends too early")
        magic, self._quantum, pointer, count, _files, start, *offsets = _HEADER.unpack_from(self._data)
        if magic not in _MAGICS or pointer != 8:
            raise BadGoTableError("it is of a Go whose tables are not known")
        self._names, self._units, self._files, self._values, self._functions = offsets[:5]
        self._flags = _FUNCTION.size + _MAGICS[magic]
        if not start and text is None:
            raise BadGoTableError("where its code begins is not known")
        self._text: int = start or text or 0
        if self._functions >= len(self._data) or count > (len(self._data) - self._functions) // _ENTRY.itemsize:
            raise BadGoTableError("it ends too early")
        table = np.frombuffer(self._data, _ENTRY, count, self._functions)
        self._starts: NDArray[np.int64] = table["start"].astype(np.int64)
        self._places: NDArray[np.int64] = table["place"].astype(np.int64)
        if np.any(self._starts[1:] < self._starts[:-1]):
            raise BadGoTableError("it is not sorted")
        end = self._functions + count * _ENTRY.itemsize
        self._end = int.from_bytes(self._data[end : end + 4], "little")

    def find(self, address: int) -> GoFunction | None:
        """The function at ``address``, as the file numbers it; None where there is none, or the table is damaged."""
        number = self._number(address)
        if number is None:
            return None
        try:
            record = self._record(number)
            flags = self._data[self._functions + int(self._places[number]) + self._flags + 1]
            name = self._text_at(self._names + record[_NAME])
        except (IndexError, BadGoTableError):
            return None
        following = self._starts[number + 1] if number + 1 < len(self._starts) else self._end
        start, end = self._text + int(self._starts[number]), self._text + int(following)
        return GoFunction(name, start, end, bool(flags & _TOP_FRAME), bool(flags & _WRITES_SP))

    def stack_moved(self, address: int) -> int | None:
        """How many bytes the function has put on the stack when it is at ``address``.

        None: it is not Go's. Go's linker lists C functions that it links by itself, and knows nothing of their stacks.

        Raises:
            BadGoTableError: the table is damaged there.
        """
        number = self._number(address)
        if number is None:
            raise BadGoTableError("no function is there")
        if not self._record(number)[_PCSP]:
            return None
        moved = self._value(number, _PCSP, address)
        if not 0 <= moved < 1 << 31:
            raise BadGoTableError("a stack pointer that goes nowhere")
        return moved

    def line(self, address: int) -> tuple[str, int] | None:
        """The source file and line of the instruction at ``address``; None where the table has none."""
        number = self._number(address)
        if number is None:
            return None
        try:
            file, line = (self._value(number, field, address) for field in (_PCFILE, _PCLN))
            unit = self._record(number)[_CU]
            at = self._units + (unit + file) * 4
            place = int.from_bytes(self._data[at : at + 4], "little") if 0 <= at < len(self._data) else _NO_FILE
            return None if place == _NO_FILE or file < 0 else (self._text_at(self._files + place), line)
        except BadGoTableError:
            return None

    def _number(self, address: int) -> int | None:
        at = address - self._text
        number = int(np.searchsorted(self._starts, at, side="right")) - 1
        return number if number >= 0 and at < self._end else None

    def _record(self, number: int) -> tuple[int, ...]:
        try:
            return _FUNCTION.unpack_from(self._data, self._functions + int(self._places[number]))
        except struct.error:
            raise BadGoTableError("it ends too early") from None

    def _value(self, number: int, field: int, address: int) -> int:
        """The value for ``address`` in a table of its function; ``field``: the index of that table in its record."""
        record = self._record(number)
        if not record[field]:
            raise BadGoTableError("a function without a table")
        target = address - self._text
        for value, end in self._steps(self._values + record[field], int(self._starts[number])):
            if target < end:
                return value
        raise BadGoTableError("a table that ends before its function does")

    def _steps(self, at: int, code: int) -> Iterator[tuple[int, int]]:
        """The values of a table, with the offset up to which each holds. Stored are differences, 7 bits a byte."""
        value = -1
        for step in range(_MOST_STEPS):
            change, at = self._number_at(at)
            if not change and step:
                return
            distance, at = self._number_at(at)
            value += -(change + 1 >> 1) if change & 1 else change >> 1
            code += distance * self._quantum
            yield value, code

    def _number_at(self, at: int) -> tuple[int, int]:
        number = shift = 0
        while shift < 35 and at < len(self._data):
            byte = self._data[at]
            at += 1
            number |= (byte & 0x7F) << shift
            if byte < 0x80:
                return number, at
            shift += 7
        raise BadGoTableError("a number without end")

    def _text_at(self, at: int) -> str:
        end = self._data.find(b"\0", at, at + _LONGEST_NAME) if 0 <= at < len(self._data) else -1
        if end < 0:
            raise BadGoTableError("a name without end")
        return self._data[at:end].decode("utf-8", "replace")


def go_functions_of(image: Image) -> GoFunctions | None:
    """The functions of a Go program; None where it is no Go program, or its table cannot be read."""
    place = next((found for name in _SECTIONS if (found := image.section(name))), None)
    if place is None or place[1] > _LARGEST:
        return None
    try:
        return GoFunctions(image.read_at(*place), _module_text(image))
    except BadGoTableError:
        return None


def _module_text(image: Image) -> int | None:
    """Where the code begins, by the record that Go's runtime uses; from Go 1.26 on that has a section of its own."""
    module = image.section(_MODULE)
    if module is None:
        return None
    word = module[0] + _MODULE_TEXT
    text = int.from_bytes(image.read_at(word, 8), "little")
    if text:
        return text
    # In a position-independent program only a relocation has the address.
    for name in _RELOCATIONS:
        table = image.section(name)
        if table is not None and table[1] <= _LARGEST:
            raw = image.read_at(*table)
            entries = np.frombuffer(raw, _RELOCATION, len(raw) // _RELOCATION.itemsize)
            found = entries["addend"][entries["offset"] == word]
            if len(found):
                return int(found[0])
    return None
