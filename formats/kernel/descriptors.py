"""Which arguments of system calls name files, and which calls return new descriptors.

Everything comes from ``descriptor_uses.tsv`` and ``descriptor_makers.tsv``, whose heads name the sources.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from bpfrec.formats.kernel.fact_tables import tsv_rows
from bpfrec.formats.kernel.syscalls import Syscall, syscalls

O_CLOEXEC = 0o2000000


@dataclass(frozen=True)
class Use:
    """What a call is about: a path, or a descriptor. ``fd`` and ``path`` are indexes of arguments.

    A path starts at the directory ``fd``, or at the working directory where that is None. ``role`` is the one in
    ``descriptor_uses.tsv``, or ``path``.
    """

    role: str
    fd: int | None
    path: int | None = None


@dataclass(frozen=True)
class Maker:
    """A call that returns a new descriptor; ``name``: what it is called, None: as the file that was opened.

    An exec closes the descriptor if the bits ``mask`` of ``argument`` are set. If ``argument`` is None, ``mask`` says
    always (-1) or never (0), or the flags are in the ``struct open_how`` (``open_how``).
    """

    syscall: str
    name: str | None
    argument: int | None
    mask: int
    open_how: bool


@cache
def _roles() -> dict[tuple[str, str], str]:
    return {(call, argument): role for call, argument, role in tsv_rows("descriptor_uses.tsv")}


def role(call: Syscall, argument: str) -> str | None:
    """Returns the role of an argument, None where it names no file."""
    known = _roles()
    found = call.argument(argument)
    general = None if found is None or found.is_pointer else known.get(("*", argument))
    return known.get((call.name, argument), general)


def keeps_to_itself(call: Syscall) -> bool:
    """Tells whether the call has its descriptors in memory, and not in arguments."""
    return (call.name, "-") in _roles()


@cache
def uses(name: str, abi: str = "x86_64") -> tuple[Use, ...]:
    """Returns what the call is about, at most two things: its paths, or else its descriptors.

    ``abi``: that of the caller. Arguments of 32-bit programs may stand elsewhere.
    """
    call = syscalls()[name]
    arguments = call.arguments_for(abi) or ()
    roles = {a.index: r for a in arguments if (r := role(call, a.name)) not in (None, "-")}
    names = {a.name: a.index for a in arguments}
    of_paths = [(call.arguments or ())[index].name for index in call.paths]
    paths = [names[path] for path in of_paths if path in names]
    if paths:
        return tuple(
            Use("text", None, path) if roles.get(path) == "text" else Use("path", _directory(roles, path), path)
            for path in paths[:2]
        )
    return tuple(Use(what, index) for index, what in roles.items())[:2]


def _directory(roles: dict[int, str], path: int) -> int | None:
    return path - 1 if roles.get(path - 1) == "dir" else None


@cache
def makers() -> tuple[Maker, ...]:
    """Returns all calls whose result is a new descriptor."""
    return tuple(_maker(*row) for row in tsv_rows("descriptor_makers.tsv"))


def _maker(name: str, what: str, close_on_exec: str) -> Maker:
    shown = None if what == "-" else what
    if "&" not in close_on_exec:
        return Maker(name, shown, None, -1 if close_on_exec == "always" else 0, close_on_exec == "how")
    argument, _, mask = close_on_exec.partition("&")
    found = syscalls()[name].argument(argument)
    if found is None:
        raise ValueError(f"descriptor_makers.tsv: {name} has no argument {argument}")
    bits = int(mask, 8) if mask.startswith("0") else int(mask)
    return Maker(name, shown, found.index, bits, False)
