"""What unwinding goes by, and what it finds: facts about the code at an address, and frames."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from bpfrec.record.stacks.unwind.eh_frame import FunctionRules


@dataclass(frozen=True, slots=True)
class UnwindInfo:
    """What is known of the code at an address: the ``rules`` of its function, None where no table covers it.

    ``is_jit``: no file is behind the code, so a runtime made it. ``damage``: what is wrong with the table of the file.
    ``is_entry``: a process begins there, so the code has no caller. ``keeps_frame_pointer``: its functions are known to
    keep one. ``ends_call``: whether a call instruction ends behind the address; None: the code cannot be read.
    """

    rules: FunctionRules | None
    is_jit: bool = False
    damage: str = ""
    is_entry: bool = False
    keeps_frame_pointer: bool = False
    ends_call: bool | None = None


FindUnwindInfo = Callable[[int], UnwindInfo | None]
"""Finds what is known of the code at an address of the process; None where nothing executable is mapped."""


@dataclass(frozen=True, slots=True)
class Frame:
    """A frame: ``ip``, the next instruction of the function; ``source``, how it was found: ip, cfi or fp.

    ``is_return``: ip is the end of the call (or the system call) that the function has made, so the function is the one
    before ip. Else it was interrupted, and ip is what it would have executed next.
    """

    ip: int
    source: str
    is_return: bool
