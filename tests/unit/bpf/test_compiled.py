"""bpf/compiled.py: a compiled program is kept and read again, and what differs between recordings is put into it."""

from __future__ import annotations

import ctypes
import struct
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bpfrec.bpf.compiled import CONSTANT, BadProgramError, CompiledProgram, read_compiled
from bpfrec.bpf.maps import MapDefinition
from bpfrec.formats.errors import BpfrecError

MAPS = (MapDefinition("slots", 2, 4, 520, 32768, 0), MapDefinition("rings", 4, 4, 4, 0, 0))


def load(register: int, kind: int, value: int) -> bytes:
    """A load of 64 bits into ``register``."""
    halves = (value & 0xFFFFFFFF, value >> 32)
    return struct.pack("<BBhI", 0x18, register | kind << 4, 0, halves[0]) + struct.pack("<BBhI", 0, 0, 0, halves[1])


RETURN = struct.pack("<BBhi", 0x95, 0, 0, 0)


def program(code: bytes) -> CompiledProgram:
    return CompiledProgram(MAPS, {"on_it": code}, "GPL")


def test_maps_and_constants_are_put_in() -> None:
    code = load(1, 1, 1) + load(2, CONSTANT, 0) + load(3, CONSTANT, 1) + load(4, 0, CONSTANT << 32 | 1) + RETURN
    made = program(code).instructions("on_it", maps=[40, 41], constants=[7, 0xAABBCCDD_11223344])
    assert made == load(1, 1, 41) + load(2, 0, 7) + load(3, 0, 0xAABBCCDD_11223344) + code[48:]


def test_the_second_half_of_a_load_is_no_instruction() -> None:
    hidden = load(1, 0, 0x18 << 32)
    assert program(hidden).instructions("on_it", [], []) == hidden


def test_halves_are_joined_when_their_maps_are_the_same() -> None:
    one, other = program(RETURN), CompiledProgram(MAPS, {"on_that": load(1, 1, 1)}, "GPL")
    assert one.joined(other) == CompiledProgram(MAPS, {"on_it": RETURN, "on_that": load(1, 1, 1)}, "GPL")
    with pytest.raises(BadProgramError, match="different maps"):
        one.joined(CompiledProgram(MAPS[:1], {}, "GPL"))


@given(st.binary(max_size=80), st.text(max_size=9))
def test_what_is_kept_is_read_again(code: bytes, license_: str) -> None:
    kept = CompiledProgram(MAPS, {"on_it": code}, license_)
    assert CompiledProgram.from_bytes(kept.to_bytes()) == kept


@given(st.binary(max_size=60) | st.sampled_from([b"[]", b"null", b"{}", b'{"maps": [1]}', b'{"maps": [{"name": 1}]}']))
def test_what_is_no_program_is_told(data: bytes) -> None:
    with pytest.raises(BadProgramError):
        CompiledProgram.from_bytes(data)


class FakeLibrary:
    """libbcc with a module that has two maps, whose descriptors are 30 and 31, and one function."""

    def __init__(self, code: bytes) -> None:
        self._code = ctypes.create_string_buffer(code, len(code))
        start = ctypes.addressof(self._code)
        answers: dict[str, Any] = {
            "bpf_num_tables": lambda _: 2,
            "bpf_table_fd_id": lambda _, number: 30 + number,
            "bpf_table_name": lambda _, number: MAPS[number].name.encode(),
            "bpf_table_type_id": lambda _, number: MAPS[number].kind,
            "bpf_table_key_size_id": lambda _, number: MAPS[number].key_size,
            "bpf_table_leaf_size_id": lambda _, number: MAPS[number].value_size,
            "bpf_table_max_entries_id": lambda _, number: MAPS[number].entries,
            "bpf_table_flags_id": lambda _, number: MAPS[number].flags,
            "bpf_num_functions": lambda _: 1,
            "bpf_function_name": lambda *_: b"on_it",
            "bpf_function_start": lambda *_: start,
            "bpf_function_size": lambda *_: len(code),
            "bpf_module_license": lambda _: b"GPL",
        }
        for name, answer in answers.items():
            setattr(self, name, type("Function", (), {"__call__": staticmethod(answer)})())


def test_descriptors_of_maps_become_their_indexes() -> None:
    code = load(1, 1, 31) + load(1, 1, 30) + load(2, CONSTANT, 0) + RETURN
    expected = load(1, 1, 1) + load(1, 1, 0) + load(2, CONSTANT, 0) + RETURN
    assert read_compiled(FakeLibrary(code), 1) == program(expected)


def test_a_load_that_is_not_understood_is_not_kept() -> None:
    with pytest.raises(BadProgramError, match="kind 4"):
        read_compiled(FakeLibrary(load(1, 4, 30)), 1)


def test_a_bcc_without_a_function_is_refused_by_its_name() -> None:
    library = FakeLibrary(load(1, 0, 7))
    del library.bpf_table_flags_id
    with pytest.raises(BpfrecError, match="lacks bpf_table_flags_id") as caught:
        read_compiled(library, 1)
    assert "0.26" in caught.value.hint
