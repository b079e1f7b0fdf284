"""Unwinds a snapshot with the code that its process had mapped."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from bpfrec.bpf.sideband import Mapping
from bpfrec.bpf.snapshots import Snapshot
from bpfrec.record.stacks.modules import Modules, may_hold_jit_code
from bpfrec.record.stacks.unwind.encoding import BadUnwindInfoError
from bpfrec.record.stacks.unwind.frame import Frame, UnwindInfo
from bpfrec.record.stacks.unwind.registers import Registers, StackCopy
from bpfrec.record.stacks.unwind.unwinder import unwind

MOST_FRAMES = 4096

# The DWARF numbers of the registers in a snapshot, in its order.
_DWARF_NUMBERS = (16, 7, 6, 3, 12, 13, 14, 15)
_WORD = 8

FindMapping = Callable[[int], Mapping | None]
"""Finds the executable mapping at an address of a process."""


@dataclass(frozen=True, slots=True)
class UnwoundStack:
    """The result of unwinding a snapshot: its frames, innermost first, and the ``status`` (see the table ``stacks``).

    While the mappings stay the same, the result depends only on what was read: ``registers`` (indexes into those of the
    snapshot) and ``words`` of the stack, by address. ``reads_words_only``: nothing smaller than a word was read.
    ``is_searched``: more words were looked at, to see whether a frame pointer is one (:mod:`.frame_pointer`).
    """

    frames: list[Frame]
    status: str
    registers: frozenset[int]
    words: dict[int, int]
    reads_words_only: bool
    is_searched: bool

    @property
    def is_recognisable(self) -> bool:
        """Whether a snapshot that agrees in what was read has the same stack.

        Where unwinding failed for lack of memory, more of the stack might have been copied the next time. A frame
        pointer that was not followed might have been the next time; but no frame that is here is wrong.
        """
        return self.reads_words_only and self.status in ("root", "no-unwind-info", "no-frame-pointer")


class MappedCode:
    """The executable mappings of a process between two changes of them, and what is known for unwinding there.

    ``mappings``: gives all of them.
    """

    def __init__(
        self, find: FindMapping, modules: Modules, mappings: Callable[[], Iterable[Mapping]] = lambda: ()
    ) -> None:
        self._find, self._modules, self._all_mappings = find, modules, mappings
        self._jit_keeps_frame_pointers: bool | None = None
        self._mappings: dict[int, Mapping | None] = {}
        self._unwind_info: dict[int, UnwindInfo | None] = {}

    def mapping(self, address: int) -> Mapping | None:
        """The executable mapping at ``address``."""
        # The same return addresses come again and again.
        if address not in self._mappings:
            self._mappings[address] = self._find(address)
        return self._mappings[address]

    def unwind_info(self, address: int) -> UnwindInfo | None:
        """What is known of the code at ``address``; None where nothing executable is mapped."""
        if address not in self._unwind_info:
            mapping = self.mapping(address)
            self._unwind_info[address] = None if mapping is None else self._find_unwind_info(mapping, address)
        return self._unwind_info[address]

    def _find_unwind_info(self, mapping: Mapping, address: int) -> UnwindInfo:
        table = self._modules.unwind_table(mapping)
        if table is None:
            if may_hold_jit_code(mapping):
                return UnwindInfo(None, is_jit=True, keeps_frame_pointer=self._jit_code_keeps_frame_pointers())
            return UnwindInfo(None, damage="the file could not be read")
        offset = address - mapping.start + mapping.offset
        is_call = table.ends_call(offset)
        try:
            rules = table.find_offset(offset)
        except BadUnwindInfoError as error:
            return UnwindInfo(None, damage=str(error), ends_call=is_call)
        if rules is not None:
            return UnwindInfo(rules, ends_call=is_call)
        return UnwindInfo(
            None,
            damage="" if table.is_missing else table.failure,
            is_entry=table.is_entry(offset),
            keeps_frame_pointer=self._modules.runtimes.is_v8(mapping),
            ends_call=is_call,
        )

    def _jit_code_keeps_frame_pointers(self) -> bool:
        if self._jit_keeps_frame_pointers is None:
            self._jit_keeps_frame_pointers = self._modules.runtimes.keeps_frame_pointers(self._all_mappings())
        return self._jit_keeps_frame_pointers


def unwind_snapshot(snapshot: Snapshot, code: MappedCode, *, in_call: bool = True) -> UnwoundStack:
    """Unwinds the stack of ``snapshot``, taken in a system call unless ``in_call`` is false."""
    stack = StackCopy(snapshot.registers[1], snapshot.word)
    registers = Registers(stack, dict(zip(_DWARF_NUMBERS, snapshot.registers, strict=True)))
    result = unwind(registers, code.unwind_info, MOST_FRAMES, in_call=in_call)
    used = frozenset(_DWARF_NUMBERS.index(number) for number in registers.used)
    # An expression may read less than a word, though no compiler makes one that does. Such a stack is never cached.
    words = {address: value for (address, size), value in stack.used.items() if size == _WORD}
    status = result.status
    if status == "stack-truncated" and -snapshot.below <= stack.refused < len(snapshot.stack) - snapshot.below - _WORD:
        status = "unreadable"
    return UnwoundStack(result.frames, status, used, words, len(words) == len(stack.used), stack.is_searched)
