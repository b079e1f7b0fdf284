"""From the name of a function to the system calls in a trace that stand for it, and where its arguments are."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache

from bpfrec.analyze.probes.family_table import FAMILIES, NOT_CALLS, Family
from bpfrec.formats.errors import ReportError
from bpfrec.formats.kernel.captures import STRUCTS
from bpfrec.formats.kernel.syscalls import Syscall, syscalls

_PREFIXES = (
    "__x64_sys_",
    "__ia32_compat_sys_",
    "__ia32_sys_",
    "__arm64_sys_",
    "__se_compat_sys_",
    "__se_sys_",
    "__do_sys_",
    "compat_sys_",
    "do_sys_",
    "ksys_",
    "SyS_",
    "sys_",
    "__sys_",
    "__libc_",
    "__GI_",
    "__",
)

_CAN = (
    "A trace answers for system calls: their arguments, return values, latency and stacks; "
    "not for library or kernel functions that are none."
)


@dataclass(frozen=True)
class Source:
    """Where a parameter stands in the row of a call.

    A constant, or argument ``index`` (column ``argN``), whose pointed-to data stands in column ``path_column``
    (``path``, ``path2``), in timespecs where ``timespec``, or in structs where ``struct`` names one that is passed.
    """

    index: int = 0
    constant: int | None = None
    path_column: str | None = None
    timespec: bool = False
    struct: str | None = None


@dataclass(frozen=True)
class Parameter:
    """A parameter of a function: its name and C type (``const char *``)."""

    name: str
    declared: str


@dataclass(frozen=True)
class ProbedFunction:
    """A function that system calls stand for.

    ``members`` maps each system call to the source of every parameter, None where the call has no such value;
    an empty ``members`` stands for every system call there is. ``only`` holds conditions in C, by member.
    ``reason`` says why there are several.
    """

    name: str
    parameters: tuple[Parameter, ...]
    members: Mapping[str, tuple[Source | None, ...]]
    only: Mapping[str, str]
    reason: str = ""

    @property
    def is_family(self) -> bool:
        """Whether calls other than the one named belong to it."""
        return set(self.members) != {self.name}


ANY = ProbedFunction("any", (), {}, {})
"""Every system call, as the raw tracepoints see them."""


def find_function(name: str) -> ProbedFunction:
    """The function of that name: a family by its head or an alias, else a system call alone.

    Prefixes of the kernel and of glibc (``SyS_``, ``__x64_sys_``, ``__libc_`` ...) do not count, nor does the ``64``
    of glibc's ``open64``.

    Raises:
        ReportError: no system call stands for it.
    """
    for candidate in _spellings(name):
        if candidate in NOT_CALLS:
            break
        if candidate in _families():
            return _from_family(_families()[candidate])
        if candidate in syscalls():
            return exact(syscalls()[candidate])
    raise refusal(name)


def refusal(name: str, what: str = "is no system call") -> ReportError:
    """The error for a function that no recorded call stands for, with the calls that may be meant."""
    bare = [name, *_spellings(name)][-1]
    meant = NOT_CALLS.get(name) or NOT_CALLS.get(bare)
    if meant:
        advice = f"It leads to: {', '.join(meant)}."
    else:
        known = [*_families(), *syscalls()]
        bare = re.sub(r"^(vfs_|do_)", "", bare)
        close = get_close_matches(bare, known, n=3, cutoff=0.7)
        advice = f"Close to it: {', '.join(dict.fromkeys(close))}." if close else ""
    return ReportError(f"{name} {what}, so the trace holds nothing about it", f"{_CAN} {advice}".strip())


def heads_of(syscall: str) -> list[str]:
    """The heads of the families that ``syscall`` belongs to."""
    return [family.name for family in FAMILIES if syscall in family.members]


def exact(call: Syscall) -> ProbedFunction:
    """A system call as a function of its own; arguments that are not described have no names."""
    if call.arguments is None:
        parameters = tuple(Parameter("", "unsigned long") for _ in range(6))
        return ProbedFunction(call.name, parameters, {call.name: tuple(Source(i) for i in range(6))}, {})
    parameters = tuple(Parameter(a.name, a.ctype) for a in call.arguments)
    return ProbedFunction(call.name, parameters, {call.name: tuple(_source(call, a.index) for a in call.arguments)}, {})


@cache
def _families() -> dict[str, Family]:
    return {name: family for family in FAMILIES for name in (family.name, *family.aliases)}


def _spellings(name: str) -> list[str]:
    """``name``, then what remains of it without its prefixes, each followed by itself without a trailing 64."""
    spellings = [name]
    while True:
        prefix = next((p for p in _PREFIXES if name.startswith(p) and len(name) > len(p)), None)
        if prefix is None:
            break
        name = name[len(prefix) :]
        spellings.append(name)
    return [s for spelling in spellings for s in (spelling, spelling.removesuffix("64")) if s]


@cache
def _from_family_name(name: str) -> ProbedFunction:
    family = _families()[name]
    parameters = tuple(_parameter(declaration) for declaration in family.signature.split("; ") if declaration)
    members = {m: tuple(_member_source(family, m, p.name) for p in parameters) for m in family.members}
    only = {m: member.only for m, member in family.members.items() if member.only}
    return ProbedFunction(family.name, parameters, members, only, family.reason)


def _from_family(family: Family) -> ProbedFunction:
    return _from_family_name(family.name)


def _parameter(declaration: str) -> Parameter:
    name = re.split(r"[ *]", declaration)[-1]
    return Parameter(name, declaration.removesuffix(name).strip())


def _member_source(family: Family, member: str, parameter: str) -> Source | None:
    wanted = family.members[member].renamed.get(parameter, parameter)
    if wanted is None:
        return None
    if isinstance(wanted, int):
        return Source(constant=wanted)
    call = syscalls()[member]
    if call.arguments is None:
        return None
    return next(_source(call, a.index) for a in call.arguments if a.name == wanted)


def _source(call: Syscall, index: int) -> Source:
    path_column = dict(zip(call.paths, ("path", "path2"), strict=False)).get(index)
    timespec = any(c.index == index and c.kind == "timespec" for c in call.captures)
    passed = (c.kind for c in call.captures if c.index == index and c.kind in STRUCTS and not c.at_exit)
    return Source(index, path_column=path_column, timespec=timespec, struct=next(passed, None))
