"""The system calls of Linux: names, numbers per ABI, arguments, classes, captures.

Everything comes from ``syscalls.tsv``, whose head names the sources.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache, cached_property

from bpfrec.formats.tables import tsv_rows

ABIS = ("x86_64", "i386", "arm64")
"""ABIs with a number column, in the order of ``syscalls.tsv``."""

CLASSES = ("file", "desc", "network", "process", "memory", "signal", "ipc")
"""The classes of ``strace -e trace=%CLASS`` that a call can belong to."""


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


@dataclass(frozen=True)
class Capture:
    """User memory copied with a call: what argument ``index`` points at.

    ``kind`` is ``path`` (C string), ``strings`` (a vector of them that NULL ends), ``sockaddr``, or a struct of
    :mod:`bpfrec.formats.captures`. ``at_exit``: what the kernel wrote there, where the call worked. ``length``: the
    argument that has the size of a sockaddr, or at exit points at it; of a struct that has grown, the size it has.
    """

    index: int
    kind: str
    at_exit: bool = False
    length: int | None = None


@dataclass(frozen=True)
class Syscall:
    """One system call, the same for every ABI that has it.

    ``arguments`` is None where they are not described; ``numbers`` maps ABI to number.
    """

    name: str
    numbers: dict[str, int]
    classes: frozenset[str]
    arguments: tuple[Argument, ...] | None
    captures: tuple[Capture, ...]

    @cached_property
    def paths(self) -> tuple[int, ...]:
        """Indexes of the arguments that are paths, first the one that becomes ``path``."""
        return tuple(c.index for c in self.captures if c.kind == "path")

    def argument(self, name: str) -> Argument | None:
        """The argument of that name, or None."""
        return next((a for a in self.arguments or () if a.name == name), None)


def _argument(index: int, declaration: str) -> Argument:
    name = re.split(r"\W", declaration)[-1]
    return Argument(index, name, declaration.removesuffix(name).strip())


def _capture(written: str, index_of: dict[str, int]) -> Capture:
    argument, _, what = written.partition(":")
    kind, _, length = what.removeprefix(">").partition("/")
    return Capture(index_of[argument], kind, what.startswith(">"), index_of[length] if length else None)


def _syscall(row: tuple[str, ...]) -> Syscall:
    *numbers, name, classes, declared, captured = row
    arguments = None
    if declared != "?":
        parts = [] if declared == "-" else declared.split("; ")
        arguments = tuple(_argument(i, part) for i, part in enumerate(parts))
    index_of = {a.name: a.index for a in arguments or ()}
    return Syscall(
        name=name,
        numbers={abi: int(n) for abi, n in zip(ABIS, numbers, strict=True) if n != "-"},
        classes=frozenset() if classes == "-" else frozenset(classes.split(",")),
        arguments=arguments,
        captures=() if captured == "-" else tuple(_capture(part, index_of) for part in captured.split(",")),
    )


@cache
def syscalls() -> dict[str, Syscall]:
    """Every known system call by name."""
    return {call.name: call for call in map(_syscall, tsv_rows("syscalls.tsv"))}


@cache
def by_number(abi: str) -> dict[int, Syscall]:
    """The system calls of one ABI (of :data:`ABIS`) by number."""
    return {c.numbers[abi]: c for c in syscalls().values() if abi in c.numbers}
