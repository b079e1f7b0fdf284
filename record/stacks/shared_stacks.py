"""Stacks that processes have in common, at other addresses, because they execute the same files.

A file is mapped at another address in each process, and so is the stack. So the BPF program compares a word by its
distance from what it points to (:class:`.KnownStack`): the stack, or the file of a return address. That the files are
the same, and where they are, is checked here by the mappings of the process, when the recording has ended.
"""

from __future__ import annotations

from collections import abc
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import blake2b
from typing import NamedTuple

from bpfrec.bpf.known_stacks import IP_SHIFT, NO_SHIFT, SHIFTS, STACK_SHIFT, mixed_shifts
from bpfrec.bpf.sideband import Mapping
from bpfrec.bpf.snapshots import Snapshot
from bpfrec.record.processes.history import AddressSpace
from bpfrec.record.stacks.modules import has_file, may_hold_jit_code
from bpfrec.record.stacks.unwinding import FindMapping, UnwoundStack

_RIP, _RSP = 0, 1

BuildId = Callable[[Mapping], str | None]
"""Gives the build id of a mapping's file."""


@dataclass(frozen=True, slots=True)
class Groups:
    """The group of each compared word, by address; the registers (indexes) that point to the stack; and the mappings
    of the groups from ``IP_SHIFT`` on."""

    words: abc.Mapping[int, int]
    moving: frozenset[int]
    files: tuple[Mapping, ...]


def groups_of(snapshot: Snapshot, unwound: UnwoundStack, find: FindMapping) -> Groups | None:
    """The groups of what ``unwound`` depends on; None if no other process can have that stack.

    That is so for JIT code, which stands in no file, and where unwinding depends on more than addresses of the stack
    and of code. ``find``: of the process of ``snapshot``.
    """
    here = find(snapshot.registers[_RIP] - 1)
    if unwound.is_searched or here is None or not _is_of_file(here):
        return None
    first = snapshot.registers[_RSP]
    last = first + max(len(snapshot.stack), snapshot.depth if snapshot.depth != first else 0)
    moving: set[int] = set()
    for number in unwound.registers - {_RIP, _RSP}:
        value = snapshot.registers[number]
        if first <= value <= last:
            moving.add(number)
        elif value:
            return None
    files = {here: IP_SHIFT}
    words: dict[int, int] = {}
    for address in sorted(unwound.words):
        value = unwound.words[address]
        if first <= value <= last:
            words[address] = STACK_SHIFT
        elif not value:
            words[address] = NO_SHIFT
        else:
            mapping = find(value - 1)
            if mapping is None or not _is_of_file(mapping):
                return None
            words[address] = files.setdefault(mapping, IP_SHIFT + len(files))
    if IP_SHIFT + len(files) > SHIFTS:
        return None
    return Groups(words, frozenset(moving), tuple(files))


def inputs_hash(unwound: UnwoundStack, groups: Groups | None) -> int:
    """A hash, 64 bits, of what is compared for a stack and how: registers, stack addresses, and their groups."""
    words = sorted(unwound.words)
    how = None if groups is None else (sorted(groups.moving), [groups.words[address] for address in words])
    text = repr((sorted(unwound.registers), words, how))
    return int.from_bytes(blake2b(text.encode(), digest_size=8).digest(), "little")


class Place(NamedTuple):
    """Where a file is mapped in another process: by ``mapping``, ``shift`` bytes from where it was in the first one.

    ``is_covered``: later mappings cover a part of it.
    """

    mapping: Mapping
    shift: int
    is_covered: bool


def places_in(
    files: tuple[Mapping, ...], space: AddressSpace, when: int, build_id: BuildId
) -> dict[Mapping, Place] | None:
    """Where each of ``files`` is mapped in the process of ``space`` at ``when``; None unless all are mapped there."""
    places: dict[Mapping, Place] = {}
    for file in files:
        later: list[Mapping] = []
        for now in space.latest_first():
            if now.time > when:
                continue
            if _is_same_file(now, file, build_id):
                is_covered = any(m.start < now.end and now.start < m.end for m in later)
                places[file] = Place(now, (now.start - now.offset) - (file.start - file.offset), is_covered)
                break
            later.append(now)
        else:
            return None
    return places


def are_where_seen(places: abc.Mapping[Mapping, Place], mixed: int) -> bool:
    """Whether the BPF program saw the files of a call at these ``places``: by ``mixed``, of :func:`.mixed_shifts`."""
    return mixed_shifts([place.shift for place in places.values()]) == mixed


def _is_of_file(mapping: Mapping) -> bool:
    return has_file(mapping) and not may_hold_jit_code(mapping)


def _is_same_file(one: Mapping, other: Mapping, build_id: BuildId) -> bool:
    if one.path.startswith("[") or other.path.startswith("["):
        return one.path == other.path
    if one.inode and other.inode:
        return (one.inode, one.device) == (other.inode, other.device)
    # The kernel tells either the build id of a file or its inode, the latter if it has no build id.
    known = build_id(one)
    return known is not None and known == build_id(other)
