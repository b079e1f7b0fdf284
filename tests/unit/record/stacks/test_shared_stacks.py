"""record/stacks/shared_stacks.py: which stacks other processes can have, and that their files are the same."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bpfrec.bpf.known_stacks import FILE_SHIFTS, IP_SHIFT, NO_SHIFT, SHIFTS, STACK_SHIFT, mixed_shifts
from bpfrec.bpf.sideband import Mapping
from bpfrec.bpf.snapshots import Snapshot
from bpfrec.record.processes.history import AddressSpace
from bpfrec.record.stacks.shared_stacks import Groups, Place, are_where_seen, groups_of, inputs_hash, places_in
from bpfrec.record.stacks.unwind.frame import Frame
from bpfrec.record.stacks.unwinding import UnwoundStack

SP, RBP = 0x7000, 2
LIBC = Mapping(1, 7, 0x10000, 0x20000, 0x1000, "/lib/libc.so", "aa", None, None)
PROGRAM = Mapping(2, 7, 0x30000, 0x40000, 0, "/bin/it", "bb", None, None)
JIT = Mapping(3, 7, 0x50000, 0x60000, 0, "//anon", None, (0, 0), 0)
VDSO = Mapping(3, 7, 0x70000, 0x71000, 0, "[vdso]", None, (0, 0), 0)
SNAPSHOT = Snapshot(1, 10, 7, 7, (0x10010, SP, SP + 0x40, 3, 12, 13, 14, 15), bytes(0x100), depth=0x400)


def find(address: int) -> Mapping | None:
    return next((m for m in (LIBC, PROGRAM, JIT, VDSO) if m.start <= address < m.end), None)


def unwound(words: dict[int, int], *registers: int) -> UnwoundStack:
    frames = [Frame(0x10010, "ip", True)]
    return UnwoundStack(frames, "root", frozenset({0, 1, *registers}), words, reads_words_only=True, is_searched=False)


WORDS = {SP: SP + 0x30, SP + 8: 0x11000, SP + 16: 0x31000, SP + 24: 0, SP + 32: 0x32000, SP + 40: SP + 0x400}


def test_words_are_grouped_by_what_they_point_to() -> None:
    groups = groups_of(SNAPSHOT, unwound(WORDS, RBP), find)
    expected = (STACK_SHIFT, IP_SHIFT, FILE_SHIFTS, NO_SHIFT, FILE_SHIFTS, STACK_SHIFT)
    assert groups == Groups(dict(zip(WORDS, expected, strict=True)), frozenset({RBP}), (LIBC, PROGRAM))


@pytest.mark.parametrize(
    ("snapshot", "stack"),
    [
        (SNAPSHOT, unwound(WORDS | {SP + 48: 0x900000})),
        (SNAPSHOT, unwound(WORDS | {SP + 48: SP + 0x408})),
        (SNAPSHOT, unwound(WORDS | {SP + 48: JIT.start + 0x10})),
        (SNAPSHOT, unwound(WORDS, 3)),
        (SNAPSHOT._replace(registers=(JIT.start + 1, *SNAPSHOT.registers[1:])), unwound(WORDS)),
        (SNAPSHOT._replace(registers=(0x900000, *SNAPSHOT.registers[1:])), unwound(WORDS)),
        (SNAPSHOT, replace(unwound(WORDS), is_searched=True)),
    ],
    ids=["a number", "above the stack", "JIT code", "a register", "in JIT code", "nowhere", "searched"],
)
def test_what_depends_on_anything_else_is_of_one_process(snapshot: Snapshot, stack: UnwoundStack) -> None:
    assert groups_of(snapshot, stack, find) is None


def test_more_files_than_the_program_has_shifts_for() -> None:
    files = [PROGRAM._replace(start=at, end=at + 0x1000) for at in range(0x100000, 0x110000, 0x1000)]

    def anywhere(address: int) -> Mapping | None:
        return find(address) or next((m for m in files if m.start <= address < m.end), None)

    most = SHIFTS - FILE_SHIFTS
    words = {SP + 8 * number: file.start + 1 for number, file in enumerate(files[: most + 1])}
    assert groups_of(SNAPSHOT, unwound(words), anywhere) is None
    del words[SP + 8 * most]
    groups = groups_of(SNAPSHOT, unwound(words), anywhere)
    assert groups is not None
    assert groups.files == (LIBC, *files[:most])


def test_the_hash_tells_what_is_compared_and_how() -> None:
    stack = unwound(WORDS, RBP)
    groups = groups_of(SNAPSHOT, stack, find)
    assert groups is not None
    others = (None, replace(groups, moving=frozenset()), replace(groups, words=groups.words | {SP: NO_SHIFT}))
    hashes = [inputs_hash(stack, each) for each in (groups, *others)]
    hashes += [inputs_hash(unwound(WORDS, RBP, 3), groups), inputs_hash(unwound({SP: SP + 0x30}), None)]
    assert len(set(hashes)) == len(hashes)
    assert inputs_hash(unwound(WORDS, RBP), groups) == hashes[0]


def build_id(mapping: Mapping) -> str | None:
    """As from the files: those of processes from before the recording are known by their inodes."""
    return mapping.build_id or {5: "bb", 6: None}.get(mapping.inode or 0)


def space(*mappings: Mapping) -> AddressSpace:
    return AddressSpace(0, [m._replace(pid=8) for m in mappings])


def test_where_the_files_are_in_another_process() -> None:
    libc = LIBC._replace(pid=8, start=0x90000, end=0xA0000)
    program = Mapping(0, 8, 0xB1000, 0xB2000, 0x1000, "/bin/it", None, (8, 1), 5)
    shifts = [0x80000, 0xB0000 - 0x30000]
    files = (LIBC, PROGRAM)
    found = places_in(files, space(libc, program), 50, build_id)
    assert found == {LIBC: Place(libc, shifts[0], False), PROGRAM: Place(program, shifts[1], False)}
    assert are_where_seen(found, mixed_shifts(shifts))
    assert not are_where_seen(found, mixed_shifts(shifts) + 1), "seen elsewhere"
    over = Mapping(20, 8, 0x9F000, 0xA1000, 0, "//anon", None, None, None)
    covered = places_in(files, space(libc, program, over), 50, build_id)
    assert covered is not None
    assert [place.is_covered for place in covered.values()] == [True, False]
    assert places_in(files, space(libc), 50, build_id) is None, "not mapped"
    assert places_in(files, space(libc, program._replace(inode=6)), 50, build_id) is None, "of unknown identity"
    assert places_in(files, space(libc._replace(build_id="cc"), program), 50, build_id) is None, "another file"
    assert places_in(files, space(libc._replace(time=60), program), 50, build_id) is None, "mapped later"
    moved = VDSO._replace(start=0x80000, end=0x81000)
    found = places_in((VDSO,), space(moved), 50, build_id)
    assert found is not None
    assert are_where_seen(found, mixed_shifts([0x10000]))
    assert places_in((VDSO,), space(moved._replace(path="//anon")), 50, build_id) is None
