"""A compiled program: instructions and the maps that they use, before the kernel has seen either.

It is the same for every recording with the same kinds of options. What differs from one to the next, such as a pid, is
put into the instructions when they are loaded: :meth:`CompiledProgram.instructions`.
"""

from __future__ import annotations

import base64
import ctypes
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from bpfrec.bpf.bpf_calls import INSTRUCTION_BYTES
from bpfrec.bpf.maps import MapDefinition
from bpfrec.formats.errors import BpfrecError
from bpfrec.formats.typed_json import from_json, to_json

CONSTANT = 15
"""The kind of 64-bit load that stands for a number of a recording: ``CONSTANT`` in ``programs/targets.c``."""

# struct bpf_insn: code, registers (source in the high half), offset, immediate.
_INSTRUCTION = struct.Struct("<BBhi")
_UNSIGNED = struct.Struct("<I")
# A load of 64 bits takes two instructions; their immediates are its halves.
_LOAD_64 = 0x18
_WIDE = 2
_PLAIN, _MAP = 0, 1
_MASK = (1 << 32) - 1


_MODULE, _SIZE, _TEXT = ctypes.c_void_p, ctypes.c_size_t, ctypes.c_char_p
_FUNCTIONS: dict[str, tuple[Any, tuple[Any, ...]]] = {
    "bpf_num_tables": (_SIZE, (_MODULE,)),
    "bpf_table_name": (_TEXT, (_MODULE, _SIZE)),
    "bpf_table_fd_id": (ctypes.c_int, (_MODULE, _SIZE)),
    "bpf_table_type_id": (ctypes.c_int, (_MODULE, _SIZE)),
    "bpf_table_key_size_id": (_SIZE, (_MODULE, _SIZE)),
    "bpf_table_leaf_size_id": (_SIZE, (_MODULE, _SIZE)),
    "bpf_table_max_entries_id": (_SIZE, (_MODULE, _SIZE)),
    "bpf_table_flags_id": (ctypes.c_int, (_MODULE, _SIZE)),
    "bpf_num_functions": (_SIZE, (_MODULE,)),
    "bpf_function_name": (_TEXT, (_MODULE, _SIZE)),
    "bpf_function_start": (ctypes.c_void_p, (_MODULE, _TEXT)),
    "bpf_function_size": (_SIZE, (_MODULE, _TEXT)),
    "bpf_module_license": (_TEXT, (_MODULE,)),
}


class BadProgramError(ValueError):
    """What was read is no compiled program."""


@dataclass(frozen=True)
class _Stored:
    """The form of a program in a file; ``functions``: instructions in base64, by name."""

    license: str
    maps: tuple[MapDefinition, ...]
    functions: dict[str, str]


@dataclass(frozen=True)
class CompiledProgram:
    """``functions``: instructions by name. In them, a map stands as its index in ``maps``."""

    maps: tuple[MapDefinition, ...]
    functions: Mapping[str, bytes]
    license: str

    def instructions(self, function: str, maps: Sequence[int], constants: Sequence[int]) -> bytes:
        """The instructions of ``function``, with the descriptors ``maps`` and the numbers ``constants`` put in."""
        code = bytearray(self.functions[function])
        for at, kind, value in _wide_loads(bytes(code)):
            if kind == _MAP:
                _UNSIGNED.pack_into(code, at + 4, maps[value])
            elif kind == CONSTANT:
                code[at + 1] &= 0x0F
                number = constants[value]
                _UNSIGNED.pack_into(code, at + 4, number & _MASK)
                _UNSIGNED.pack_into(code, at + 4 + INSTRUCTION_BYTES, number >> 32 & _MASK)
        return bytes(code)

    def joined(self, other: CompiledProgram) -> CompiledProgram:
        """With the functions of ``other`` too.

        Raises:
            BadProgramError: it has other maps.
        """
        if self.maps != other.maps:
            raise BadProgramError("halves of a program have different maps")
        return replace(self, functions={**self.functions, **other.functions})

    def to_bytes(self) -> bytes:
        """A form to be kept in a file."""
        functions = {name: base64.b64encode(code).decode() for name, code in self.functions.items()}
        return to_json(_Stored(self.license, self.maps, functions)).encode()

    @classmethod
    def from_bytes(cls, data: bytes) -> CompiledProgram:
        """What :meth:`to_bytes` made.

        Raises:
            BadProgramError: it is something else.
        """
        try:
            held = from_json(_Stored, data)
            functions = {name: base64.b64decode(code, validate=True) for name, code in held.functions.items()}
            return cls(held.maps, functions, held.license)
        except ValueError as error:
            raise BadProgramError(str(error)) from None


def read_compiled(lib: Any, module: int) -> CompiledProgram:
    """What bcc has compiled; ``lib``: libbcc, ``module``: of a ``bcc.BPF``."""
    _declare(lib)
    definitions, indexes = [], {}
    for number in range(lib.bpf_num_tables(module)):
        indexes[lib.bpf_table_fd_id(module, number)] = number
        definitions.append(
            MapDefinition(
                lib.bpf_table_name(module, number).decode(),
                lib.bpf_table_type_id(module, number),
                lib.bpf_table_key_size_id(module, number),
                lib.bpf_table_leaf_size_id(module, number),
                lib.bpf_table_max_entries_id(module, number),
                lib.bpf_table_flags_id(module, number),
            )
        )
    functions = {}
    for number in range(lib.bpf_num_functions(module)):
        name = lib.bpf_function_name(module, number)
        code = ctypes.string_at(lib.bpf_function_start(module, name), lib.bpf_function_size(module, name))
        functions[name.decode()] = _with_indexes(code, indexes)
    return CompiledProgram(tuple(definitions), functions, lib.bpf_module_license(module).decode())


def _with_indexes(code: bytes, indexes: Mapping[int, int]) -> bytes:
    """``code`` with the index of each map in place of its descriptor."""
    changed = bytearray(code)
    for at, kind, value in _wide_loads(code):
        if kind == _MAP:
            _UNSIGNED.pack_into(changed, at + 4, indexes[value])
        elif kind not in (_PLAIN, CONSTANT):
            raise BadProgramError(f"a load of the unknown kind {kind}")
    return bytes(changed)


def _wide_loads(code: bytes) -> list[tuple[int, int, int]]:
    """Place in bytes, kind and first immediate of each load of 64 bits."""
    found = []
    skipped = 0
    for number, (operation, registers, _offset, value) in enumerate(_INSTRUCTION.iter_unpack(code)):
        if skipped:
            skipped -= 1
        elif operation == _LOAD_64:
            found.append((number * INSTRUCTION_BYTES, registers >> 4, value))
            skipped = _WIDE - 1
    return found


def _declare(lib: Any) -> None:
    """Says the types of the functions of libbcc that are used: bcc's Python module does not declare all of them.

    They are those of src/cc/bcc_common.h, the same from bcc 0.26 to 0.37.

    Raises:
        BpfrecError: this libbcc lacks some of them.
    """
    missing = [name for name in _FUNCTIONS if not hasattr(lib, name)]
    if missing:
        raise BpfrecError(
            f"this bcc lacks {', '.join(missing)}, with which bpfrec reads a compiled program",
            "Install bcc 0.26 or newer. If this one is newer than 0.37, please report it.",
        )
    for name, (result, arguments) in _FUNCTIONS.items():
        function = getattr(lib, name)
        function.restype, function.argtypes = result, arguments
