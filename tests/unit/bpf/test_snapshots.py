"""bpf/snapshots.py and bpf/known_stacks.py: snapshots out of rings, and known stacks as the BPF program gets them."""

from __future__ import annotations

import ctypes
from typing import Any

from support import snapshot_bytes

from bpfrec.bpf.known_stacks import (
    FARTHEST,
    FILE_SHIFTS,
    IP_SHIFT,
    MOST_WORDS,
    NO_SHIFT,
    STACK_SHIFT,
    VARIANTS,
    WORDS_AT_ONCE,
    KnownStack,
    KnownStacks,
)
from bpfrec.bpf.snapshots import FRAGMENT_BYTES, MOST_PARTS, PAGE_BYTES, Snapshot, snapshot_stream

CPU = 3


def test_a_snapshot_is_named_by_its_cpu_too() -> None:
    found, consumed = snapshot_stream().feed(CPU, data := snapshot_bytes.sample(7, b"abc", pid=20, tid=21, ts=99))
    assert consumed == len(data)
    [snapshot] = found
    assert snapshot.number == 7 | CPU << 48
    assert (snapshot.time, snapshot.pid, snapshot.tid, snapshot.stack) == (99, 20, 21, b"abc")
    assert snapshot.registers == snapshot_bytes.REGISTERS


def test_parts_are_put_together_across_pieces_and_cpus() -> None:
    stream = snapshot_stream()
    full = bytes(range(256)) * (FRAGMENT_BYTES // 256)
    first, second = snapshot_bytes.sample(1, full), snapshot_bytes.sample(1, b"end", part=1)
    assert stream.feed(0, first)[0] == []
    assert [len(s.stack) for s in stream.feed(1, snapshot_bytes.sample(1, b"other"))[0]] == [5]
    [whole] = stream.feed(0, second)[0]
    assert whole.stack == full + b"end"
    assert stream.rest() == []


def test_pages_that_could_not_be_read_are_no_zeros() -> None:
    sp, full = snapshot_bytes.REGISTERS[1], bytes(FRAGMENT_BYTES)
    registers = (0x1010, sp + 0x10, *snapshot_bytes.REGISTERS[2:])
    first = snapshot_bytes.sample(1, full, missing=0b100, registers=registers)
    [whole] = snapshot_stream().feed(0, first + snapshot_bytes.sample(1, b"\0" * 16, part=1, registers=registers))[0]
    assert whole.missing == {sp + 2 * PAGE_BYTES}
    start = 2 * PAGE_BYTES - 0x10
    end = start + PAGE_BYTES
    offsets = (0, start - 8, start - 7, start, end - 1, end, FRAGMENT_BYTES + 8, FRAGMENT_BYTES + 9)
    assert [whole.word(offset) for offset in offsets] == [0, 0, None, None, None, 0, 0, None]
    assert whole.word(-8) is None
    assert whole.readable == start
    assert whole._replace(missing=frozenset()).readable == FRAGMENT_BYTES + 16


def test_a_part_that_does_not_come_is_not_waited_for() -> None:
    stream = snapshot_stream()
    full = bytes(FRAGMENT_BYTES)
    found, _ = stream.feed(0, snapshot_bytes.sample(1, full) + snapshot_bytes.sample(2, b"next"))
    assert [(s.number, len(s.stack)) for s in found] == [(1, FRAGMENT_BYTES), (2, 4)]
    stream.feed(0, snapshot_bytes.sample(3, full))
    assert [s.number for s in stream.rest()] == [3]
    most = b"".join(snapshot_bytes.sample(4, full, part=part) for part in range(MOST_PARTS))
    assert [len(s.stack) for s in stream.feed(0, most)[0]] == [MOST_PARTS * FRAGMENT_BYTES]


def test_a_record_that_is_cut_off_comes_again() -> None:
    one, two = snapshot_bytes.sample(1, b"x" * 100), snapshot_bytes.sample(2, b"y" * 100)
    found, consumed = snapshot_stream().feed(0, (one + two)[:-8])
    assert ([s.number for s in found], consumed) == ([1], len(one))
    assert snapshot_stream().feed(0, b"\0" * 64) == ([], 0), "what is no record is read as one"


def test_of_snapshots_that_look_alike_those_that_are_not_wanted_are_left_out() -> None:
    full = bytes(FRAGMENT_BYTES)
    asked: list[tuple[int, bytes, int]] = []

    def is_first(key: tuple[int, bytes, int]) -> bool:
        asked.append(key)
        return asked.count(key) == 1

    alike = [snapshot_bytes.sample(n, full) + snapshot_bytes.sample(n, b"end", part=1) for n in range(1, 5)]
    other = (0x7FFF, *snapshot_bytes.REGISTERS[1:])
    data = b"".join(alike) + snapshot_bytes.sample(5, b"other", registers=other)
    found, consumed = snapshot_stream(is_first).feed(CPU, data)
    assert consumed == len(data)
    assert [(s.number & 0xFF, len(s.stack)) for s in found] == [(1, FRAGMENT_BYTES + 3), (5, 5)]
    assert set(asked) == {snapshot.key for snapshot in found}


class _Leaf(ctypes.Structure):
    _fields_ = (
        ("snapshot", ctypes.c_uint64),
        ("registers", ctypes.c_uint64 * 8),
        ("mask", ctypes.c_uint64 * 8),
        ("moves", ctypes.c_uint64 * 8),
        ("words", ctypes.c_uint32),
        ("near", ctypes.c_uint32),
        ("span", ctypes.c_uint32),
        ("tgid", ctypes.c_uint32),
        ("files", ctypes.c_uint32),
        ("reserved", ctypes.c_uint32),
        ("word", ctypes.c_uint64 * (MOST_WORDS + WORDS_AT_ONCE)),
        ("offset", ctypes.c_uint16 * (MOST_WORDS + WORDS_AT_ONCE)),
        ("shift", ctypes.c_uint8 * (MOST_WORDS + WORDS_AT_ONCE)),
    )


class FakeTable(dict[bytes, Any]):
    """A map of the kernel, whose values are read as C lays them out."""

    def __setitem__(self, key: bytes, value: bytes) -> None:
        assert (len(key), len(value)) == (32, ctypes.sizeof(_Leaf))
        super().__setitem__(key, _Leaf.from_buffer_copy(value))


SP = 0x7000


def snapshot(number: int = 1, ip: int = 0x400, readable: int = FARTHEST) -> Snapshot:
    registers = (ip, SP, 0xB0, 0xB1, 12, 13, 14, 15)
    return Snapshot(number, 1, 20, 20, registers, bytes(readable), depth=0x8000, comm=b"it".ljust(16, b"\0"))


def stack(number: int = 1, *offsets: int, ip: int = 0x400, readable: int = FARTHEST) -> KnownStack:
    words = {SP + o: o * 10 for o in offsets or (8,)}
    return KnownStack(snapshot(number, ip, readable), frozenset({0, 1, 3}), words)


def test_what_the_program_is_told() -> None:
    table = FakeTable()
    assert KnownStacks(table).add(stack(5, 20000, 8, 16))
    [leaf] = table.values()
    assert (leaf.snapshot, leaf.words, leaf.near, leaf.span) == (5, 9, 8, 24)
    assert list(leaf.offset[:9]) == [8, *[16] * 7, 20000], "eight words are compared in a step"
    assert list(leaf.word[:9]) == [80, *[160] * 7, 200000]
    assert leaf.mask[3] == (1 << 64) - 1
    assert leaf.mask[2] == 0, "a register that does not matter is compared"


def test_what_is_behind_a_page_that_cannot_be_read_is_read_by_itself() -> None:
    table = FakeTable()
    assert KnownStacks(table).add(stack(5, 8, 16, 9000, readable=4096))
    [leaf] = table.values()
    assert (leaf.words, leaf.near, leaf.span) == (9, 8, 24)


def test_stacks_with_the_same_key_stand_beside_each_other() -> None:
    table = FakeTable()
    known = KnownStacks(table)
    assert all(known.add(stack(number)) for number in range(VARIANTS))
    assert not known.add(stack(99)), "more variants than the program looks at"
    assert known.add(stack(100, ip=0x500))
    assert len(table) == VARIANTS + 1
    known.remove(stack().key)
    assert (len(table), known.count, list(known.variants(stack().key))) == (1, 1, [])


def test_stacks_that_the_program_cannot_compare_are_refused() -> None:
    known = KnownStacks(FakeTable())
    assert not known.add(stack(1, FARTHEST - 7))
    assert known.add(stack(1, FARTHEST - 8))
    assert not known.add(stack(1, *range(0, 8 * (MOST_WORDS + 1), 8)))
    assert known.add(stack(2, *range(0, 8 * MOST_WORDS, 8), ip=0x500))
    assert known.add(stack(3, *range(0, 8 * MOST_WORDS, 8), ip=0x600, readable=0))
    below = KnownStack(snapshot(), frozenset(), {SP - 8: 1})
    assert not known.add(below), "a word below the stack pointer, which a signal may overwrite"


PAGE = 4096
STACK, IP, FILE = STACK_SHIFT, IP_SHIFT, FILE_SHIFTS


def another(words: dict[int, int], *, moved: int = 0, ip: int = 0, pid: int = 21, **registers: int) -> Snapshot:
    """A snapshot of another process, whose stack is ``moved`` and whose first file is moved by ``ip``."""
    own = snapshot()
    held = bytearray(0x100)
    for offset, word in words.items():
        held[offset : offset + 8] = word.to_bytes(8, "little")
    rbp = registers.get("rbp", own.registers[2])
    changed = (own.registers[0] + ip, own.registers[1] + moved, rbp, *own.registers[3:])
    return own._replace(pid=pid, registers=changed, stack=bytes(held))


def shared() -> KnownStack:
    """Words: a stack address, a return address into the first file, two into another one, and 0."""
    words = {0: SP + 0x40, 8: 0x1234, 16: 0x555000, 24: 0x555100, 32: 0}
    groups = dict(zip((SP + o for o in words), (STACK, IP, FILE, FILE, NO_SHIFT), strict=True))
    own = {SP + offset: word for offset, word in words.items()}
    registers = snapshot().registers
    held = snapshot()._replace(registers=(*registers[:2], SP + 0x20, *registers[3:]))
    return KnownStack(held, frozenset({0, 1, 2}), own, groups, frozenset({2}))


def test_a_stack_of_another_process_is_the_same_at_other_addresses() -> None:
    known, moved, ip, file = shared(), 7 * 16, 3 * PAGE, -5 * PAGE
    words = {0: SP + 0x40 + moved, 8: 0x1234 + ip, 16: 0x555000 + file, 24: 0x555100 + file, 32: 0}
    rbp = SP + 0x20 + moved
    assert known.is_of(another(words, moved=moved, ip=ip, rbp=rbp))
    assert known.is_of(another({0: SP + 0x40, 8: 0x1234, 16: 0x555000, 24: 0x555100}, rbp=SP + 0x20))
    assert not known.is_of(another(words, moved=moved, ip=ip, rbp=rbp + 8)), "rbp points elsewhere"
    for offset, word in words.items():
        other = words | {offset: word + 8}
        assert not known.is_of(another(other, moved=moved, ip=ip, rbp=rbp)), f"the word at {offset} differs"
    assert not known.is_of(another(words | {24: 0x555100}, moved=moved, ip=ip, rbp=rbp)), "one file at two places"
    alone = KnownStack(known.snapshot, known.compared, known.words)
    assert not alone.is_of(another({0: SP + 0x40, 8: 0x1234, 16: 0x555000, 24: 0x555100}, rbp=SP + 0x20))


def test_what_the_program_is_told_of_groups() -> None:
    table = FakeTable()
    assert KnownStacks(table).add(shared())
    [leaf] = table.values()
    assert (leaf.words, leaf.near, leaf.files, leaf.tgid) == (9, 9, 1, 0)
    assert list(leaf.offset[:5]) == [16, 0, 8, 24, 32], "the word that tells where a file is comes first"
    assert list(leaf.shift[:5]) == [FILE, STACK, IP, FILE, NO_SHIFT]
    assert [leaf.moves[number] for number in (2, 3)] == [(1 << 64) - 1, 0]
    table = FakeTable()
    assert KnownStacks(table).add(stack())
    [leaf] = table.values()
    assert (leaf.files, leaf.tgid) == (0, 20), "it would be taken for one of any process"
