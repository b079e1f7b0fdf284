"""runtimes.py: whether JIT code keeps frame pointers, as the memory of a JVM says."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bpfrec.bpf.sideband import Mapping
from bpfrec.record.processes.procfs import MapsLine
from bpfrec.record.stacks import runtimes
from bpfrec.record.stacks.runtimes import Runtimes, read_jvm_flag

STRUCTS = 0x1000


class Memory:
    """Memory of a JVM: the fields that it exports, and its flags, as struct JVMFlag has them in a JDK."""

    def __init__(self, kind: bytes, names: list[bytes], values: list[int], size: int = 24) -> None:
        self.bytes = bytearray(0x8000)
        self._free = 0x4000
        table, flags, pointer, count = 0x2000, 0x3000, 0x1008, 0x1010
        self._put(STRUCTS, struct.pack("<3Q", table, flags, len(names) + 1))
        fields = [(b"Other", b"_x", 0, 0), (kind, b"_name", 8, 0), (kind, b"_addr", 0, 0)]
        fields += [(kind, b"flags", 0, pointer), (kind, b"numFlags", 0, count)]
        for number, (owner, name, offset, address) in enumerate(fields):
            entry = struct.pack("<QQQi4xQQ", self._text(owner), self._text(name), 0, 0, offset, address)
            self._put(table + number * len(entry), entry)
        for number, (name, value) in enumerate(zip(names, values, strict=True)):
            here = self._text(bytes([value]))
            self._put(flags + number * size, struct.pack("<QQ", here, self._text(name)))

    def read(self, address: int, size: int) -> bytes:
        return bytes(self.bytes[address : address + size]) if 0 < address < len(self.bytes) else b""

    def _put(self, at: int, data: bytes) -> None:
        self.bytes[at : at + len(data)] = data

    def _text(self, text: bytes) -> int:
        at, self._free = self._free, self._free + len(text) + 1
        self._put(at, text + b"\0")
        return at


FLAGS = [b"UseG1GC", b"PreserveFramePointer", b"Xcomp"]


@pytest.mark.parametrize("kind", [b"JVMFlag", b"Flag"])
@pytest.mark.parametrize("size", [16, 24, 40])
@pytest.mark.parametrize("value", [0, 1])
def test_the_flag_is_found_in_every_layout(kind: bytes, size: int, value: int) -> None:
    assert read_jvm_flag(Memory(kind, FLAGS, [1, value, 1], size).read, STRUCTS) is bool(value)


def test_a_jvm_that_does_not_say() -> None:
    assert read_jvm_flag(Memory(b"JVMFlag", FLAGS[::2], [1, 1]).read, STRUCTS) is None
    assert read_jvm_flag(Memory(b"JVMFlag", FLAGS, [1, 7, 1]).read, STRUCTS) is None
    assert read_jvm_flag(Memory(b"Unknown", FLAGS, [1, 1, 1]).read, STRUCTS) is None
    assert read_jvm_flag(lambda _address, _size: b"", STRUCTS) is None


@given(st.binary(min_size=64, max_size=512))
def test_any_memory_is_read_to_an_end(noise: bytes) -> None:
    memory = Memory(b"JVMFlag", FLAGS, [0, 1, 0])
    memory.bytes[0x1000 : 0x1000 + len(noise)] = noise
    assert read_jvm_flag(memory.read, STRUCTS) in (True, False, None)


def mapping(path: str, start: int = 0x10000) -> Mapping:
    return Mapping(0, 7, start, start + 0x1000, 0, path, None, (8, 1), 5)


def test_runtimes_of_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    jvm, node, libc = mapping("/opt/lib/server/libjvm.so"), mapping("/usr/bin/node", 0x20000), mapping("/lib/libc.so.6")
    symbols = {(jvm.path, b"gHotSpotVMStructs"): STRUCTS, (node.path, b"_ZN2v82V810GetVersionEv"): 0x20010}
    found = Runtimes(lambda m, name: symbols.get((m.path, name)))
    answers: list[bool | None] = [None, True]
    asked: list[int] = []

    def ask(pid: int, structs: int) -> bool | None:
        asked.append(pid)
        assert structs == STRUCTS
        return answers.pop(0)

    lines = [MapsLine(jvm.start, jvm.end, 0, (8, 1), 5, jvm.path)]
    monkeypatch.setattr(runtimes.procfs, "executable_maps", lambda pid: lines if pid == 7 else [])
    monkeypatch.setattr(runtimes, "_ask", ask)
    assert not found.keeps_frame_pointers([libc])
    assert found.keeps_frame_pointers([libc, node])
    assert not found.keeps_frame_pointers([jvm]), "a JVM that could not be asked"
    found.look([7, 8])
    found.look([7, 8])
    assert asked == [7, 7], "it is asked again though it has answered"
    lines.clear()
    assert found.keeps_frame_pointers([jvm, libc]), "what a JVM said is forgotten when it has ended"
    assert not found.keeps_frame_pointers([jvm._replace(pid=8)])
