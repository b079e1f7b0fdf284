"""Which arguments of system calls name files, and which calls make descriptors.

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
    """What a call names: the path that is argument ``path`` of it, from directory ``fd`` on, or the descriptor ``fd``.

    Both are indexes of arguments; ``fd`` None with a path: it starts at the working directory. ``role``: of
    ``descriptor_uses.tsv``, ``path`` for a path.
    """

    role: str
    fd: int | None
    path: int | None = None


@dataclass(frozen=True)
class Maker:
    """A call that gives a descriptor; ``argument`` and ``mask``: the bits that say whether an exec closes it.

    ``argument`` is None where it is always or never so, as ``mask`` says (-1 or 0), or where ``open_how`` says it.
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
    """The role of an argument; None: it names no file."""
    known = _roles()
    found = call.argument(argument)
    general = None if found is None or found.is_pointer else known.get(("*", argument))
    return known.get((call.name, argument), general)


def keeps_to_itself(call: Syscall) -> bool:
    """Whether a table says that the call's descriptors are in memory."""
    return (call.name, "-") in _roles()


@cache
def uses(name: str) -> tuple[Use, ...]:
    """What the call of that name names, at most two: paths where it has some, else descriptors."""
    call = syscalls()[name]
    arguments = call.arguments or ()
    roles = {a.index: r for a in arguments if (r := role(call, a.name)) not in (None, "-")}
    if call.paths:
        return tuple(
            Use("text", None, path) if roles.get(path) == "text" else Use("path", _directory(roles, path), path)
            for path in call.paths[:2]
        )
    return tuple(Use(what, index) for index, what in roles.items())[:2]


def _directory(roles: dict[int, str], path: int) -> int | None:
    return path - 1 if roles.get(path - 1) == "dir" else None


@cache
def makers() -> tuple[Maker, ...]:
    """Every call whose result is a new descriptor."""
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
