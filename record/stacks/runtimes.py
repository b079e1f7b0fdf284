"""Runtimes that make code: whether their JIT code keeps frame pointers, so that these lead through it.

V8 always does: src/execution/x64/frame-constants-x64.h. HotSpot does with -XX:+PreserveFramePointer alone, and is asked
for that flag in the memory of the process: it exports the layout of its structures for debuggers
(src/hotspot/share/runtime/vmStructs.cpp).
"""

from __future__ import annotations

import logging
import os
import struct
from collections.abc import Callable, Iterable, Iterator
from pathlib import PurePath

from bpfrec.bpf.sideband import Mapping
from bpfrec.record.processes import procfs
from bpfrec.record.processes.history import mapping_of

_log = logging.getLogger(__name__)

FindSymbol = Callable[[Mapping, bytes], int | None]
"""Finds a symbol of the file of a mapping by its name: the address in the process; None where the file has none."""

AskJvm = Callable[[int, int], bool | None]
"""Asks the JVM of a process, whose gHotSpotVMStructs is at that address; None where it cannot be asked now."""

_V8 = b"_ZN2v82V810GetVersionEv"
_JVM = "libjvm.so"
_FLAG = b"PreserveFramePointer"

_POINTER = struct.Struct("<Q")
# VMStructEntry: typeName, fieldName, typeString, isStatic, offset, address.
_FIELD = struct.Struct("<QQQi4xQQ")
_MOST_FIELDS = 1 << 14
_LARGEST_FLAG = 256
_MOST_FLAGS = 1 << 13
_LONGEST_NAME = 64
# A runtime is mapped before its JIT code is; after so many looks at a process without one there is none.
_LOOKS = 20


class Runtimes:
    """What is known of the runtimes in processes. JVMs are asked while they run: call :meth:`look` now and then.

    ``ask`` asks one whether it keeps frame pointers.
    """

    def __init__(self, find_symbol: FindSymbol, ask: AskJvm | None = None) -> None:
        self._find_symbol = find_symbol
        self._ask = ask
        self._jvms: dict[tuple[int, int], bool] = {}
        self._looks: dict[int, int] = {}

    def look(self, pids: Iterable[int]) -> None:
        """Asks the JVMs among ``pids``, processes with JIT code, that were not asked before."""
        for pid in pids:
            if self._looks.get(pid, 0) < _LOOKS:
                self._looks[pid] = self._looks.get(pid, 0) + 1
                for mapping in _executable(pid):
                    if is_jvm(mapping) and self._ask_jvm(mapping) is not None:
                        self._looks[pid] = _LOOKS

    def forget(self, pids: Iterable[int]) -> None:
        """Forgets what is known of ``pids``, processes that have ended."""
        gone = set(pids)
        self._looks = {pid: looks for pid, looks in self._looks.items() if pid not in gone}
        self._jvms = {key: answer for key, answer in self._jvms.items() if key[0] not in gone}

    def keeps_frame_pointers(self, mappings: Iterable[Mapping]) -> bool:
        """Whether the JIT code of a process is known to keep frame pointers; ``mappings``: all that it executes."""
        found = set[bool]()
        for mapping in mappings:
            if is_jvm(mapping):
                found.add(self._ask_jvm(mapping) is True)
            elif self.is_v8(mapping):
                found.add(True)
        return found == {True}

    def is_v8(self, mapping: Mapping) -> bool:
        """Whether V8 is in the file of ``mapping``, and its builtins, which have frame pointers and no unwind table."""
        return self._find_symbol(mapping, _V8) is not None

    def _ask_jvm(self, mapping: Mapping) -> bool | None:
        """Whether the JVM in ``mapping`` keeps frame pointers; None where it cannot be asked."""
        key = (mapping.pid, mapping.start)
        if key not in self._jvms:
            structs = self._find_symbol(mapping, b"gHotSpotVMStructs")
            there = any((m.start, m.path) == (mapping.start, mapping.path) for m in _executable(mapping.pid))
            answer = (self._ask or _ask)(mapping.pid, structs) if structs and there else None
            if answer is None:
                return None
            _log.info("pid %d: a JVM %s frame pointers", mapping.pid, "with" if answer else "without")
            self._jvms[key] = answer
        return self._jvms[key]


def is_jvm(mapping: Mapping) -> bool:
    """Whether ``mapping`` is of a JVM's code."""
    return PurePath(mapping.path).name == _JVM


ReadMemory = Callable[[int, int], bytes]
"""Reads memory of a process: so many bytes at an address; fewer where it cannot be read."""


def read_jvm_flag(read: ReadMemory, structs: int, name: bytes = _FLAG) -> bool | None:
    """The boolean flag ``name`` of a JVM; ``structs``: address of gHotSpotVMStructs. None where it is not found."""
    try:
        fields = dict(_fields(read, structs))
        # Up to JDK 8 it is Flag.
        kind = b"JVMFlag" if (b"JVMFlag", b"flags") in fields else b"Flag"
        name_at, value_at = fields[kind, b"_name"][0], fields[kind, b"_addr"][0]
        first = _pointer(read, fields[kind, b"flags"][1])
        # numFlags counts one at the end that is none.
        count = _pointer(read, fields[kind, b"numFlags"][1])
        if not 1 < count <= _MOST_FLAGS:
            return None
        size = _flag_size(read, first, name_at)
        for flag in range(first, first + size * count, size):
            if _text(read, _pointer(read, flag + name_at)) == name:
                value = read(_pointer(read, flag + value_at), 1)
                return value == b"\1" if value in (b"\0", b"\1") else None
    except (KeyError, struct.error):
        pass
    return None


def _flag_size(read: ReadMemory, first: int, name_at: int) -> int:
    """The size of a flag in bytes: the next one has a name at the same place."""
    for size in range(16, _LARGEST_FLAG, 8):
        name = _text(read, _pointer(read, first + size + name_at))
        if name and name.isalnum() and name != _text(read, _pointer(read, first + name_at)):
            return size
    raise KeyError("flags of no size")


def _fields(read: ReadMemory, structs: int) -> Iterator[tuple[tuple[bytes, bytes], tuple[int, int]]]:
    """The fields that the JVM exports: type and name; offset, or address of static ones."""
    at = _pointer(read, structs)
    for _ in range(_MOST_FIELDS):
        kind, name, _type, _static, offset, address = _FIELD.unpack(read(at, _FIELD.size))
        if not kind:
            return
        yield (_text(read, kind), _text(read, name)), (offset, address)
        at += _FIELD.size


def _pointer(read: ReadMemory, address: int) -> int:
    return int(_POINTER.unpack(read(address, _POINTER.size))[0])


def _text(read: ReadMemory, address: int) -> bytes:
    return read(address, _LONGEST_NAME).partition(b"\0")[0]


def _executable(pid: int) -> list[Mapping]:
    return [mapping_of(pid, line) for line in procfs.executable_maps(pid)]


def ask_in_helper(pid: int, structs: int) -> tuple[bool | None, None]:
    """What a helper does to ask a JVM: the memory of a process may be that of a file on a file system that hangs."""
    return _ask(pid, structs), None


def _ask(pid: int, structs: int) -> bool | None:
    try:
        with (procfs.PROC / str(pid) / "mem").open("rb", buffering=0) as file:

            def read(address: int, size: int) -> bytes:
                try:
                    return os.pread(file.fileno(), size, address)
                except (OSError, OverflowError):
                    return b""

            return read_jvm_flag(read, structs)
    except OSError:
        return None
