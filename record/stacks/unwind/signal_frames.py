"""Signal trampolines: the code that a signal handler returns to, which gives the interrupted code its registers back.

A libc tells the kernel where it is (``sa_restorer``). musl and Go have no unwind tables for it, and few programs have a
symbol. So it is recognised by its instructions, as gdb does in amd64_linux_sigtramp_start(). Sources of the layout:
struct rt_sigframe in arch/x86/include/asm/sigframe.h, struct sigcontext_64 in asm/sigcontext.h.
"""

from __future__ import annotations

from collections.abc import Callable

from bpfrec.formats.symbols.dwarf_names import OP
from bpfrec.record.stacks.unwind.cfi import CfiRow, How, Rule

NAME = "__restore_rt"
"""What glibc and musl call it."""

_RT_SIGRETURN = 15
# mov $15, %rax; syscall
_CODE = b"\x48\xc7\xc0" + _RT_SIGRETURN.to_bytes(4, "little") + b"\x0f\x05"

# Where the kernel puts registers (by their DWARF numbers) above the stack pointer of the trampoline, in bytes.
_RBX, _RBP, _RSP, _RIP = 3, 6, 7, 16
_SAVED = {12: 72, 13: 80, 14: 88, 15: 96, _RBP: 120, _RBX: 128, _RSP: 160, _RIP: 168}


def trampoline_start(read: Callable[[int, int], bytes], address: int) -> int | None:
    """The address of the trampoline that ``address`` is in; None where none is. ``read``: reads code, as many bytes.

    The byte before it and the one behind it count too: a handler returns to its first instruction, and a return address
    is looked up one byte before; in the system call, the instruction pointer is behind the last one.
    """
    size = len(_CODE)
    code = read(address - size, 2 * size + 1)
    at = code.find(_CODE)
    return None if at < 0 else address - size + at


def _at(offset: int) -> bytes:
    """An expression: the stack pointer plus ``offset``, which takes two bytes as SLEB128."""
    return bytes([OP.DW_OP_breg0 + _RSP, offset & 0x7F | 0x80, offset >> 7])


RULES = CfiRow(
    cfa_expression=_at(_SAVED[_RSP]) + bytes([OP.DW_OP_deref]),
    rules={number: Rule(How.EXPRESSION, expression=_at(offset)) for number, offset in _SAVED.items()},
)
"""The rules of all its instructions: :class:`.FunctionRules` says that they are of a signal frame."""
