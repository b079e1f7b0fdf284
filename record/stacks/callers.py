"""The callers of a call, from a snapshot of its stack and what its process had mapped."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from hashlib import blake2b

from bpfrec.bpf.sideband import Mapping
from bpfrec.bpf.snapshots import Snapshot
from bpfrec.record.stacks.modules import Modules, is_generated
from bpfrec.record.stacks.unwind.encoding import BadUnwindInfoError
from bpfrec.record.stacks.unwind.walk import Code, Frame, Registers, StackCopy, walk

MOST_FRAMES = 4096

# The DWARF numbers of the registers in a snapshot.
_NUMBERS = (16, 7, 6, 3, 12, 13, 14, 15)
_WORD = 8

FindMapping = Callable[[int], Mapping | None]
"""What is executable at an address of the process."""


@dataclass(frozen=True, slots=True)
class Callers:
    """The frames, innermost first, and how the walk ended; and what it depended on, beside the mappings.

    ``used``: registers, by their place in the snapshot; ``words``: of the stack, by address.
    """

    frames: list[Frame]
    status: str
    used: frozenset[int]
    words: dict[int, int]
    whole_words: bool

    @property
    def tells(self) -> bool:
        """Whether a stack that agrees in those is the same: one that could not be read to its end need not be."""
        return self.whole_words and self.status in ("root", "no-unwind-info")

    @property
    def dependence(self) -> int:
        """A number for which registers and places on the stack these are, whatever was there."""
        text = repr((sorted(self.used), sorted(self.words)))
        return int.from_bytes(blake2b(text.encode(), digest_size=8).digest(), "little")


class Executable:
    """What a process had that could be executed, as long as nothing was mapped anew: ``find`` says what was where."""

    def __init__(self, find: FindMapping, modules: Modules) -> None:
        self._find, self._modules = find, modules
        self._places: dict[int, Mapping | None] = {}
        self._codes: dict[int, Code | None] = {}

    def mapping(self, address: int) -> Mapping | None:
        """The mapping of ``address``."""
        # The same return addresses come again and again.
        if address not in self._places:
            self._places[address] = self._find(address)
        return self._places[address]

    def code(self, address: int) -> Code | None:
        """What is executable at ``address``."""
        if address not in self._codes:
            mapping = self.mapping(address)
            self._codes[address] = None if mapping is None else _code_of(mapping, address, self._modules)
        return self._codes[address]


def callers_of(snapshot: Snapshot, executable: Executable) -> Callers:
    """Walks the stack of ``snapshot``."""
    stack = StackCopy(snapshot.registers[1], snapshot.word)
    registers = Registers(stack, dict(zip(_NUMBERS, snapshot.registers, strict=True)))
    walked = walk(registers, executable.code, MOST_FRAMES)
    used = frozenset(_NUMBERS.index(number) for number in registers.used)
    # An expression may read less than a word, though no compiler makes one: such a walk is done every time.
    words = {address: value for (address, size), value in stack.used.items() if size == _WORD}
    status = walked.status
    if status == "stack-truncated" and -snapshot.below <= stack.refused < len(snapshot.stack) - snapshot.below - _WORD:
        status = "unreadable"
    return Callers(walked.frames, status, used, words, len(words) == len(stack.used))


def _code_of(mapping: Mapping, address: int, modules: Modules) -> Code:
    table = modules.unwind_table(mapping)
    if table is None:
        if is_generated(mapping):
            return Code(None, generated=True)
        return Code(None, damage="the file could not be read")
    offset = address - mapping.start + mapping.offset
    try:
        rules = table.find_offset(offset)
        return Code(rules, damage=table.failure, entry=rules is None and table.is_entry(offset))
    except BadUnwindInfoError as error:
        return Code(None, damage=str(error))
