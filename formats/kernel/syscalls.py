"""The system calls of Linux: names, numbers per ABI, arguments, classes, captures.

Everything comes from ``syscalls.tsv``, whose head names the sources.
"""

from __future__ import annotations

import re
import string
from dataclasses import dataclass, replace
from functools import cache, cached_property

from bpfrec.formats.kernel.captures import ALWAYS_WIDE, NARROW, narrow
from bpfrec.formats.kernel.fact_tables import tsv_rows

ABIS = ("x86_64", "i386", "arm64")
"""ABIs with a number column, in the order of ``syscalls.tsv``."""

CLASSES = (
    *("file", "desc", "network", "process", "memory", "signal", "ipc"),
    *("creds", "clock", "pure", "stat", "lstat", "fstat", "%stat", "statfs", "fstatfs", "%statfs"),
)
"""The classes of ``strace -e trace=%CLASS`` that a call can belong to; ``%stat`` is that of ``%%stat``."""

_WORD = f"{string.ascii_letters}{string.digits}_"
_CAPTURE = re.compile(r"(\w+):(>?)(\w+)(?:/(\w+))?(?:\?(\w+)=(\d+)(?:-(\d+))?)?")


_SAME_FOR_ALL = frozenset(
    {
        *("path", "string", "data", "sockaddr", "fds", "int", "open_how", "clone_args", "sockopt"),
        *("sigset", "pollfd", "epoll_event", "fd_set"),
    }
)
"""Kinds of captures that look the same in 32-bit and 64-bit memory: no pointers, no long integers in them."""

_KNOWN_TO_I386 = _SAME_FOR_ALL | {"strings", "environment"} | {narrow(kind) for kind in NARROW}
"""Kinds that are understood in the memory of 32-bit programs."""


@dataclass(frozen=True)
class Argument:
    """One argument: ``index`` 0-5, its name and C type as the kernel's tracepoints give them."""

    index: int
    name: str
    ctype: str

    @property
    def is_pointer(self) -> bool:
        """Whether it points at user memory."""
        return self.ctype.endswith("*")


RESULT_LENGTH = 7
"""In ``length`` of a capture: the result of the call says how long it is."""


@dataclass(frozen=True)
class Capture:
    """User memory copied with a call: what argument ``index`` points at.

    ``kind`` is ``path`` or ``string`` (C strings), ``strings`` or ``environment`` (vectors of them that NULL ends),
    ``sockaddr``, ``msghdr``, ``fd_set``, ``data`` (contents of a buffer), ``buffers`` (of those of a vector), a struct
    or an element of an array of :mod:`.captures`. ``at_exit``: what the kernel wrote there, where the
    call worked. ``length``: the argument that has the bytes or elements there are, and points at them for a sockaddr or
    struct at exit; or :data:`RESULT_LENGTH`. ``when``: the argument that has to be from ``values[0]`` to ``values[1]``.
    """

    index: int
    kind: str
    at_exit: bool = False
    length: int | None = None
    when: int | None = None
    values: tuple[int, int] = (0, 0)


@dataclass(frozen=True)
class Syscall:
    """One system call, the same for every ABI that has it.

    ``arguments`` is None where they are not described; ``numbers`` maps ABI to number. ``i386_arguments`` and
    ``i386_captures`` are those of 32-bit programs where they differ, else None and empty.
    """

    name: str
    numbers: dict[str, int]
    classes: frozenset[str]
    arguments: tuple[Argument, ...] | None
    captures: tuple[Capture, ...]
    i386_arguments: tuple[Argument, ...] | None = None
    i386_captures: tuple[Capture, ...] = ()

    @cached_property
    def paths(self) -> tuple[int, ...]:
        """Indexes of the arguments that are paths, first the one that becomes ``path``."""
        return tuple(c.index for c in self.captures if c.kind == "path")

    def captures_for(self, abi: str) -> tuple[Capture, ...]:
        """Returns what is copied for callers of ``abi`` (x86_64, i386, x32): all whose layout there is known."""
        if abi == "x86_64" or (abi == "i386" and "x86_64" not in self.numbers):
            return self.captures
        captures = self.captures if abi != "i386" or self.i386_arguments is None else self.i386_captures
        if abi == "i386" and self.name not in ALWAYS_WIDE:
            captures = tuple(replace(c, kind=narrow(c.kind)) if c.kind in NARROW else c for c in captures)
        known = _KNOWN_TO_I386 if abi == "i386" else _SAME_FOR_ALL
        return tuple(c for c in captures if c.kind in known or (abi == "i386" and self.name in ALWAYS_WIDE))

    def arguments_for(self, abi: str) -> tuple[Argument, ...] | None:
        """The arguments where a caller of ``abi`` (x86_64, i386 or x32) makes it; None where they are not described."""
        return self.i386_arguments if abi == "i386" and self.i386_arguments is not None else self.arguments

    def argument(self, name: str) -> Argument | None:
        """Returns the argument of that name, or None."""
        return next((a for a in self.arguments or () if a.name == name), None)


def _argument(index: int, declaration: str) -> Argument:
    name = declaration[len(declaration.rstrip(_WORD)) :]
    return Argument(index, name, declaration.removesuffix(name).strip())


def _capture(written: str, index_of: dict[str, int]) -> Capture:
    parts = _CAPTURE.fullmatch(written)
    if not parts:
        raise ValueError(f"no capture: {written}")
    argument, at_exit, kind, length, when, least, most = parts.groups()
    return Capture(
        index=index_of[argument],
        kind=kind,
        at_exit=bool(at_exit),
        length=RESULT_LENGTH if length == "ret" else index_of[length] if length else None,
        when=index_of[when] if when else None,
        values=(int(least), int(most or least)) if when else (0, 0),
    )


def _captures(captured: str, arguments: tuple[Argument, ...], *, only_known: bool = False) -> tuple[Capture, ...]:
    """The captures of a call; ``only_known`` leaves out those of arguments that it does not have."""
    index_of = {a.name: a.index for a in arguments}
    parts = [] if captured == "-" else captured.split(",")
    return tuple(_capture(part, index_of) for part in parts if not only_known or part.partition(":")[0] in index_of)


def _arguments(declared: str) -> tuple[Argument, ...]:
    parts = [] if declared == "-" else declared.split("; ")
    return tuple(_argument(i, part) for i, part in enumerate(parts))


@cache
def _i386_arguments() -> dict[str, str]:
    return dict(tsv_rows("i386_arguments.tsv"))  # type: ignore[arg-type] # two columns


def _syscall(row: tuple[str, ...]) -> Syscall:
    *numbers, name, classes, declared, captured = row
    i386_declared = _i386_arguments().get(name)
    i386_arguments = None if i386_declared is None else _arguments(i386_declared)
    arguments = None if declared == "?" else _arguments(declared)
    return Syscall(
        name=name,
        numbers={abi: int(n) for abi, n in zip(ABIS, numbers, strict=True) if n != "-"},
        classes=frozenset() if classes == "-" else frozenset(classes.split(",")),
        arguments=arguments,
        captures=_captures(captured, arguments or ()),
        i386_arguments=i386_arguments,
        i386_captures=() if i386_arguments is None else _captures(captured, i386_arguments, only_known=True),
    )


@cache
def syscalls() -> dict[str, Syscall]:
    """Returns every known system call by name."""
    return {call.name: call for call in map(_syscall, tsv_rows("syscalls.tsv"))}


@cache
def by_number(abi: str) -> dict[int, Syscall]:
    """Returns the system calls of one ABI (of :data:`ABIS`) by number."""
    return {c.numbers[abi]: c for c in syscalls().values() if abi in c.numbers}
