"""Go's own table of functions: names, lines, how far the stack pointer moved; and tables that lie."""

from __future__ import annotations

import struct
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bpfrec.formats.symbols.go_functions import BadGoTableError, GoFunctions, go_functions_of
from bpfrec.record.stacks.unwind.cfi import How
from bpfrec.record.stacks.unwind.go_frames import RETURN_ADDRESS, go_rules

TEXT = 0x401000
GO_1_18, GO_1_20 = 0xFFFFFFF0, 0xFFFFFFF1
ROOT, SWITCHES = 1, 2

Steps = list[tuple[int, int]]
"""Change of the value, and for how many bytes of code it holds then."""


def number(value: int) -> bytes:
    out = b""
    while value >= 0x80:
        out += bytes([value & 0x7F | 0x80])
        value >>= 7
    return out + bytes([value])


def steps(changes: Steps) -> bytes:
    return b"".join(number(c << 1 if c >= 0 else (-c << 1) - 1) + number(n) for c, n in changes) + b"\0"


def table(functions: list[tuple[str, int, Steps, int]], end: int, magic: int = GO_1_20, text: int = TEXT) -> bytes:
    """``functions``: name, start, moves of the stack pointer, flags; each is on line 7 of main.go."""
    names = places = b""
    values = b"\0" + steps([(1, end)]) + steps([(8, end)])
    table_of_file, table_of_line = 1, 1 + len(steps([(1, end)]))
    index_size = len(functions) * 8 + 4
    records = b""
    for name, start, moves, flags in functions:
        record = struct.pack(
            "<IiiIIIIII", start, len(names), 0, 0, len(values) if moves else 0, table_of_file, table_of_line, 0, 0
        ) + struct.pack("<BBBB", 0, flags, 0, 0)
        if magic == GO_1_20:
            record = record[:36] + struct.pack("<i", 1) + record[36:]
        places += struct.pack("<II", start, index_size + len(records))
        records += record
        names += name.encode() + b"\0"
        values += steps(moves)
    places += struct.pack("<I", end)
    files = b"main.go\0"
    head = 8 + 8 * 8
    offsets = [head, head + len(names)]
    offsets += [offsets[1] + 4, offsets[1] + 4 + len(files), offsets[1] + 4 + len(files) + len(values)]
    header = struct.pack("<IxxBB8Q", magic, 1, 8, len(functions), 1, text, *offsets)
    return header + names + struct.pack("<I", 0) + files + values + places + records


MAIN = ("main.main", 0, [(1, 4), (32, 20), (-32, 8)], 0)
EXIT = ("runtime.goexit", 32, [(1, 32)], ROOT)
SYSTEM = ("runtime.systemstack", 64, [(1, 16), (8, 16)], SWITCHES)
ALL = [MAIN, EXIT, SYSTEM]


@pytest.mark.parametrize("magic", [GO_1_18, GO_1_20])
def test_functions_are_found_by_their_addresses(magic: int) -> None:
    functions = GoFunctions(table(ALL, 96, magic))
    found = [functions.find(TEXT + at) for at in (0, 31, 32, 95)]
    assert [(f.name, f.start, f.end, f.is_root, f.switches_stacks) for f in found if f] == [
        ("main.main", TEXT, TEXT + 32, False, False),
        ("main.main", TEXT, TEXT + 32, False, False),
        ("runtime.goexit", TEXT + 32, TEXT + 64, True, False),
        ("runtime.systemstack", TEXT + 64, TEXT + 96, False, True),
    ]
    assert functions.find(TEXT - 1) is None
    assert functions.find(TEXT + 96) is None, "behind the last function"
    assert functions.line(TEXT + 5) == ("main.go", 7)


def test_the_stack_pointer_moves_from_instruction_to_instruction() -> None:
    functions = GoFunctions(table(ALL, 96))
    assert [functions.stack_moved(TEXT + at) for at in (0, 3, 4, 23, 24, 31)] == [0, 0, 32, 32, 0, 0]


def test_rules_say_where_the_caller_is() -> None:
    functions = GoFunctions(table(ALL, 96))
    before, inside = go_rules(functions, TEXT), go_rules(functions, TEXT + 10)
    assert before is not None
    assert inside is not None
    assert (before.row.cfa_offset, inside.row.cfa_offset) == (8, 40)
    assert inside.row.rules[RETURN_ADDRESS].value == -8
    assert 6 not in before.row.rules, "the caller's frame pointer is saved once there is a frame"
    root, switching = go_rules(functions, TEXT + 40), go_rules(functions, TEXT + 90)
    assert root is not None
    assert root.row.rules[RETURN_ADDRESS].how is How.UNDEFINED
    assert switching is not None
    assert switching.switches_stacks
    assert go_rules(functions, TEXT + 96) is None


def test_c_functions_that_the_linker_of_go_lists_have_no_rules() -> None:
    """Nor are they damaged: other tables may have rules for them."""
    functions = GoFunctions(table([MAIN, ("cleaf", 32, [], 0)], 64))
    assert functions.stack_moved(TEXT + 40) is None
    assert go_rules(functions, TEXT + 40) is None
    found = functions.find(TEXT + 40)
    assert found is not None
    assert found.name == "cleaf"


class Program:
    """A program of sections, at addresses of a page each."""

    def __init__(self, **sections: bytes) -> None:
        self._sections = {name: (0x10000 * (i + 1), data) for i, (name, data) in enumerate(sections.items())}

    def section(self, name: str) -> tuple[int, int] | None:
        found = self._sections.get(name.lstrip(".").replace(".", "_"))
        return (found[0], len(found[1])) if found else None

    def read_at(self, address: int, size: int) -> bytes:
        for start, data in self._sections.values():
            if start <= address < start + len(data):
                return data[address - start :][:size]
        return b""


def test_where_code_begins_is_said_by_the_table_or_the_module_or_a_relocation() -> None:
    without = table(ALL, 96, text=0)
    assert go_functions_of(Program(text=b"\0")) is None, "no program of Go's"
    assert go_functions_of(Program(gopclntab=without)) is None, "nothing says where its code begins"
    module = bytes(22 * 8) + TEXT.to_bytes(8, "little") + bytes(64)
    moved = struct.pack("<QQq", 0x20000 + 22 * 8, 8, TEXT)
    for program in (
        Program(gopclntab=table(ALL, 96)),
        Program(gopclntab=without, go_module=module),
        Program(gopclntab=without, go_module=bytes(len(module)), rela=bytes(24) + moved),
    ):
        functions = go_functions_of(program)
        assert functions is not None
        found = functions.find(TEXT + 5)
        assert found is not None
        assert found.name == "main.main"


@pytest.mark.parametrize("size", [0, 10, 71, 80, 120])
def test_a_table_that_ends_too_early_is_none_or_knows_less(size: int) -> None:
    try:
        functions = GoFunctions(table(ALL, 96)[:size])
    except BadGoTableError:
        return
    assert functions.find(TEXT) is None


@given(st.lists(st.tuples(st.integers(0, 400), st.integers(0, 255)), min_size=1, max_size=20))
def test_damage_gives_no_other_error(changes: list[tuple[int, int]]) -> None:
    data = bytearray(table(ALL, 96))
    for place, value in changes:
        data[place % len(data)] = value
    try:
        functions = GoFunctions(bytes(data))
    except BadGoTableError:
        return
    for address in (TEXT, TEXT + 40, TEXT + 90):
        functions.find(address)
        functions.line(address)
        with suppress(BadGoTableError):
            assert (functions.stack_moved(address) or 0) >= 0
