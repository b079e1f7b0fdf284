"""The line programs of ``.debug_line``: the source file and line that the code at an address was compiled from.

Source: DWARF 5, chapter 6.2, and the same chapter of DWARF 2 to 4. A program is run once for all addresses that are
asked for, and nothing is kept of it. Python runs one or two megabytes in a second.
"""

from __future__ import annotations

import bisect
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from bpfrec.formats.symbols.dwarf_cursor import BadDwarfError, Cursor
from bpfrec.formats.symbols.dwarf_names import LINE
from bpfrec.formats.symbols.elf_sections import Content

# Looking names up in LINE for every opcode would cost more than the opcode.
_COPY, _ADVANCE_PC, _ADVANCE_LINE = LINE.DW_LNS_copy, LINE.DW_LNS_advance_pc, LINE.DW_LNS_advance_line
_SET_FILE, _NEGATE_STATEMENT = LINE.DW_LNS_set_file, LINE.DW_LNS_negate_stmt
_CONST_ADD_PC, _FIXED_ADVANCE_PC = LINE.DW_LNS_const_add_pc, LINE.DW_LNS_fixed_advance_pc
_EXTENDED = 0
_MOST_FILES = 1 << 16
_HIGHEST_LINE = 1 << 31
_ADDRESSES = (1 << 64) - 1
_HEADER_BYTES = 16

Text = Callable[[int, "int | bytes"], "bytes | None"]
"""Finds the string of an attribute by its form and value; None where it cannot be read."""


@dataclass(frozen=True)
class SourceLine:
    """A line of a source file; ``file``: its path as given to the compiler, in the folder where that ran."""

    file: str
    line: int


@dataclass(frozen=True)
class _Program:
    """The header of a line program; ``code``: header and opcodes, which begin at ``start``.

    ``files``: names and numbers of folders; the first file has the number ``first_file``.
    """

    code: bytes
    start: int
    shortest: int
    statement: bool
    line_base: int
    line_range: int
    operands: tuple[int, ...]
    folders: list[bytes]
    files: list[tuple[bytes, int]]
    first_file: int

    def path(self, number: int, folder: bytes) -> bytes | None:
        """The path of file ``number``; ``folder``: of its unit."""
        at = number - self.first_file
        if not 0 <= at < len(self.files):
            return None
        name, place = self.files[at]
        inner = self.folders[place] if place < len(self.folders) else b""
        return _joined(_joined(folder, inner), name) if name else None


def lines_of(
    section: Content,
    offset: int,
    folder: bytes,
    addresses: Sequence[int],
    text: Text,
    spend: Callable[[int], None],
) -> dict[int, SourceLine]:
    """The source lines of ``addresses`` (rising) by the program at ``offset``, as far as it has them.

    ``folder``: of the program's unit. ``spend`` is told how many bytes the program has before it runs.

    Raises:
        BadDwarfError: it is damaged.
    """
    head = Cursor(section.read(offset, _HEADER_BYTES))
    length, _ = head.length()
    if length > section.size:
        raise BadDwarfError("a line program reaches beyond its section")
    spend(length)
    program = _parsed(section.read(offset, head.at + length), text)
    rows = _run(program, addresses)
    found: dict[int, SourceLine] = {}
    paths: dict[int, bytes | None] = {}
    for address, (number, line) in rows.items():
        if number not in paths:
            paths[number] = program.path(number, folder)
        path = paths[number]
        # Compilers give line 0 to code that no line stands for.
        if path is not None and 0 < line < _HIGHEST_LINE:
            found[address] = SourceLine(path.decode("utf-8", "backslashreplace"), line)
    return found


def _parsed(raw: bytes, text: Text) -> _Program:
    cursor = Cursor(raw)
    _, wide = cursor.length()
    version = cursor.u16()
    if not 2 <= version <= 5:
        raise BadDwarfError(f"version {version} of line programs is not known")
    if version >= 5:
        cursor.take(2)
    length = cursor.offset(wide)
    start = cursor.at + length
    shortest = cursor.u8()
    cursor.take(1 if version >= 4 else 0)
    statement = bool(cursor.u8())
    line_base = int.from_bytes(cursor.take(1), "little", signed=True)
    line_range, first_special = cursor.u8(), cursor.u8()
    if not line_range or not first_special:
        raise BadDwarfError("a line program has no opcodes")
    operands = (0, *cursor.take(first_special - 1))
    if version >= 5:
        folders = [name for name, _ in _entries(cursor, wide, text)]
        files = _entries(cursor, wide, text)
    else:
        folders, files = [b""], []
        while name := cursor.text():
            folders.append(name)
        while name := cursor.text():
            files.append((name, cursor.unsigned()))
            cursor.unsigned()
            cursor.unsigned()
    return _Program(
        raw, start, shortest, statement, line_base, line_range, operands, folders, files, 0 if version >= 5 else 1
    )


def _entries(cursor: Cursor, wide: bool, text: Text) -> list[tuple[bytes, int]]:
    """The names in a list of DWARF 5 (folders or files), with the numbers of their folders."""
    forms = [(cursor.unsigned(), cursor.unsigned()) for _ in range(cursor.u8())]
    count = cursor.unsigned()
    if count > _MOST_FILES or (count and not forms):
        raise BadDwarfError("a line program names too many files")
    found: list[tuple[bytes, int]] = []
    for _ in range(count):
        name, place = b"", 0
        for what, kind in forms:
            of, value = cursor.form(kind, wide)
            if what == LINE.DW_LNCT_path:
                name = text(of, value) or b""
            elif what == LINE.DW_LNCT_directory_index and isinstance(value, int):
                place = value
        found.append((name, place))
    return found


def _run(program: _Program, addresses: Sequence[int]) -> dict[int, tuple[int, int]]:  # noqa: PLR0912, PLR0915 - a machine
    """File number and line of ``addresses`` (rising), as far as the program has a row for them."""
    found: dict[int, tuple[int, int]] = {}
    lowest, highest = addresses[0], addresses[-1]
    raw, at = program.code, program.start
    shortest, line_base, line_range = program.shortest, program.line_base, program.line_range
    operands = program.operands
    first_special = len(operands)
    all_pc = (255 - first_special) // line_range * shortest
    cursor = Cursor(raw)
    address, file, line, statement = 0, 1, 1, program.statement
    # The row before: its address and what it says. Code at address 0 is code that the linker left out.
    row, row_file, row_line, row_statement = 0, 1, 1, False
    end = len(raw)
    while at < end:
        opcode = raw[at]
        at += 1
        if opcode >= first_special:
            step = opcode - first_special
            address += step // line_range * shortest
            line += line_base + step % line_range
        elif opcode == _COPY:
            pass
        elif opcode == _EXTENDED:
            cursor.at = at
            size = cursor.unsigned()
            at = cursor.at + size
            kind = cursor.u8() if size else 0
            if kind == LINE.DW_LNE_set_address:
                address = int.from_bytes(cursor.take(size - 1), "little") & _ADDRESSES
                continue
            if kind != LINE.DW_LNE_end_sequence:
                continue
        elif opcode == _CONST_ADD_PC:
            address += all_pc
            continue
        elif opcode == _FIXED_ADVANCE_PC:
            cursor.at = at
            address += cursor.u16()
            at = cursor.at
            continue
        else:
            cursor.at = at
            if opcode == _ADVANCE_PC:
                address += cursor.unsigned() * shortest
            elif opcode == _ADVANCE_LINE:
                line += cursor.signed()
            elif opcode == _SET_FILE:
                file = cursor.unsigned()
            elif opcode == _NEGATE_STATEMENT:
                statement = not statement
            else:
                for _ in range(operands[opcode]):
                    cursor.unsigned()
            at = cursor.at
            continue
        # A row ends where the next one begins. Of several rows at one address the last statement counts, as in gdb.
        if row and row < address and row <= highest and address > lowest:
            first = bisect.bisect_left(addresses, row)
            for wanted in addresses[first : bisect.bisect_left(addresses, address)]:
                found[wanted] = (row_file, row_line)
        if not opcode:
            address, file, line, statement, row = 0, 1, 1, program.statement, 0
        elif row != address or statement or not row_statement:
            row, row_file, row_line, row_statement = address, file, line, statement
    return found


def _joined(folder: bytes, name: bytes) -> bytes:
    return name if not folder or name.startswith(b"/") else folder.rstrip(b"/") + b"/" + name if name else folder
