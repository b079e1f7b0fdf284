"""From the name of a function to the system calls in a trace that stand for it, and where its arguments are."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from functools import cache

from bpfrec.analyze.probes.function_table import LIBRARY, Family, StandIn, families, not_calls
from bpfrec.formats.errors import ReportError
from bpfrec.formats.kernel.roles import calls_that
from bpfrec.formats.kernel.syscalls import ABIS, Capture, Syscall, syscalls

_ENTRIES: dict[str, tuple[str, ...]] = {
    "__x64_sys_": ("x86_64", "x32"),
    "__ia32_compat_sys_": ("i386",),
    "__ia32_sys_": ("i386",),
    "__se_compat_sys_": ("i386",),
    "compat_sys_": ("i386",),
    "__arm64_sys_": ("arm64",),
    "__se_sys_": (),
    "__do_sys_": (),
}
"""What the kernel's names of a system call's entry begin with, and the ABIs whose calls enter there; (): all."""

_PREFIXES = (*_ENTRIES, "do_sys_", "ksys_", "SyS_", "sys_", "__sys_", "__libc_", "__GI_", "__")
"""What other spellings of a function begin with: the kernel's, old and new, and glibc's."""

_KERNEL_NAMES = {
    "newstat": "stat",
    "newlstat": "lstat",
    "newfstat": "fstat",
    "newuname": "uname",
    "umount": "umount2",
    "sendfile64": "sendfile",
}
"""System calls that the kernel's entry points and tracepoints call otherwise than its tables do: SYSCALL_DEFINE."""

_TRACED = ("x86_64", "arm64")
"""ABIs whose calls the tracepoints of the category syscalls see: ARCH_TRACE_IGNORE_COMPAT_SYSCALLS."""

_CAN = (
    "A trace answers for system calls: their arguments, return values, latency and stacks; "
    "not for library or kernel functions that are none."
)


@dataclass(frozen=True)
class Source:
    """Where a parameter stands in the row of a call.

    It is a ``constant``, or argument ``index`` (column ``argN``). What it points at is in ``path_column`` (``path``,
    ``path2``), or in the tables that ``captures`` lead to.
    """

    index: int = 0
    constant: int | None = None
    path_column: str | None = None
    captures: tuple[Capture, ...] = ()


@dataclass(frozen=True)
class Parameter:
    """A parameter of a function: its name and C type (``const char *``)."""

    name: str
    declared: str


@dataclass(frozen=True)
class ProbedFunction:
    """A function that system calls stand for.

    ``members`` maps each system call to the source of every parameter, None where the call has no such value; an empty
    ``members`` stands for every system call there is. ``only`` holds conditions in C, and ``abis`` the ABIs in which a
    call stands for it, by member; a member that is not in them stands for it always. ``i386``: the sources in calls of
    32-bit programs, for members where they differ. ``reason`` says why there are several members.
    ``returns_in_child``: the new process returns from it too, with 0. ``is_entry``: it is the kernel's entry of a
    system call, which is not reached by a call that a seccomp filter refuses.
    """

    name: str
    parameters: tuple[Parameter, ...]
    members: Mapping[str, tuple[Source | None, ...]]
    only: Mapping[str, str] = field(default_factory=dict)
    abis: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    i386: Mapping[str, tuple[Source | None, ...]] = field(default_factory=dict)
    reason: str = ""
    returns_in_child: bool = False
    is_entry: bool = False

    @property
    def is_family(self) -> bool:
        """Whether calls other than the one named belong to it."""
        return set(self.members) != {self.name}


ANY = ProbedFunction("any", (), {}, returns_in_child=True, is_entry=True)
"""Every system call, as the raw tracepoints see them."""

_FORKS = ("fork", "vfork")
"""Functions of the C library from which the child returns too; in the child of clone() another function runs."""


def find_function(name: str) -> ProbedFunction:
    """The function of that name, of the kernel or of no library in particular.

    The entry of a system call (``__x64_sys_open``) is that call alone. Any other name is all that does its work: a
    family by its name or an alias, else a system call alone. Prefixes of the kernel and of glibc (``SyS_``, ``ksys_``,
    ``__libc_`` ...) do not count, nor does the ``64`` of glibc's ``open64``.

    Raises:
        ReportError: no system call stands for it.
    """
    for prefix, abis in _ENTRIES.items():
        if name.startswith(prefix):
            return _entry(name, name.removeprefix(prefix), abis)
    for candidate in _spellings(name):
        if candidate in not_calls():
            break
        if candidate in _by_name():
            return _of_family(candidate)
        if candidate in syscalls():
            return exact(syscalls()[candidate])
    raise refusal(name)


def find_library_function(name: str) -> ProbedFunction:
    """The C library's function of that name; its own row counts before those of no library in particular.

    Raises:
        ReportError: no system call stands for it.
    """
    for candidate in _spellings(name):
        if f"{LIBRARY}{candidate}" in _by_name():
            function = _of_family(f"{LIBRARY}{candidate}")
            return replace(function, returns_in_child=function.name in _FORKS)
    return find_function(name)


def find_tracepoint(name: str) -> ProbedFunction:
    """The system call whose entry and exit the tracepoints ``sys_enter_NAME`` and ``sys_exit_NAME`` see: it alone.

    Raises:
        ReportError: there is no such system call.
    """
    call = syscalls().get(_KERNEL_NAMES.get(name, name))
    if call is None:
        raise refusal(name)
    function = exact(call)
    forks = call.name in calls_that("forks")
    return replace(function, abis={call.name: _TRACED}, returns_in_child=forks, is_entry=True)


def refusal(name: str, what: str = "is no system call") -> ReportError:
    """The error for a function that no recorded call stands for, with the calls that may be meant."""
    bare = [name, *_spellings(name)][-1]
    meant = not_calls().get(name) or not_calls().get(bare)
    if meant:
        advice = f"It leads to: {', '.join(meant)}."
    else:
        known = [*(n for n in _by_name() if not n.startswith(LIBRARY)), *syscalls()]
        bare = re.sub(r"^(vfs_|do_)", "", bare)
        close = get_close_matches(bare, known, n=3, cutoff=0.7)
        advice = f"Close to it: {', '.join(dict.fromkeys(close))}." if close else ""
    return ReportError(f"{name} {what}, so the trace holds nothing about it", f"{_CAN} {advice}".strip())


def heads_of(syscall: str) -> list[str]:
    """The names of the families of no library in particular that ``syscall`` belongs to."""
    return [f.name for f in families() if syscall in f.members and not f.name.startswith(LIBRARY)]


def exact(call: Syscall) -> ProbedFunction:
    """A system call as a function of its own; arguments that are not described have no names."""
    if call.arguments is None:
        parameters = tuple(Parameter("", "unsigned long") for _ in range(6))
        return ProbedFunction(call.name, parameters, {call.name: tuple(Source(i) for i in range(6))})
    parameters = tuple(Parameter(a.name, a.ctype) for a in call.arguments)
    members = {call.name: StandIn(call.name)}
    return ProbedFunction(call.name, parameters, _sources(parameters, members), i386=_i386(parameters, members))


def _entry(name: str, bare: str, abis: tuple[str, ...]) -> ProbedFunction:
    """The system call that the kernel's function ``name`` is the entry of."""
    call = syscalls().get(bare)
    if call is None or "i386" not in abis or "i386" not in call.numbers:
        # A 32-bit table has sendfile and sendfile64, umount and umount2.
        call = syscalls().get(_KERNEL_NAMES.get(bare, bare))
    if call is None:
        raise refusal(name)
    return replace(exact(call), abis={call.name: abis} if abis else {}, is_entry=True)


@cache
def _by_name() -> dict[str, Family]:
    names: dict[str, Family] = {}
    for family in families():
        head = LIBRARY if family.name.startswith(LIBRARY) else ""
        names |= dict.fromkeys((family.name, *(f"{head}{alias}" for alias in family.aliases)), family)
    return names


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
def _of_family(name: str) -> ProbedFunction:
    family = _by_name()[name]
    parameters = tuple(_parameter(declaration) for declaration in family.signature.split("; ") if declaration)
    return ProbedFunction(
        family.name.removeprefix(LIBRARY),
        parameters,
        _sources(parameters, family.members),
        {call: given.only for call, given in family.members.items() if given.only},
        {call: _lacking(given.without) for call, given in family.members.items() if given.without},
        _i386(parameters, family.members),
        family.reason,
    )


def _lacking(call: str) -> tuple[str, ...]:
    """The ABIs that do not have a system call. What x86-64 has, x32 has too."""
    return tuple(abi for abi in ABIS if abi not in syscalls()[call].numbers)


def _parameter(declaration: str) -> Parameter:
    name = re.split(r"[ *]", declaration)[-1]
    return Parameter(name, declaration.removesuffix(name).strip())


def _sources(
    parameters: tuple[Parameter, ...], members: Mapping[str, StandIn], abi: str = "x86_64"
) -> dict[str, tuple[Source | None, ...]]:
    return {call: tuple(_source_in(given, p.name, abi) for p in parameters) for call, given in members.items()}


def _i386(parameters: tuple[Parameter, ...], members: Mapping[str, StandIn]) -> dict[str, tuple[Source | None, ...]]:
    differing = {call: given for call, given in members.items() if syscalls()[call].i386_arguments is not None}
    return _sources(parameters, differing, "i386")


def _source_in(given: StandIn, parameter: str, abi: str) -> Source | None:
    wanted = given.arguments.get(parameter, parameter)
    if wanted is None:
        return None
    if isinstance(wanted, int):
        return Source(constant=wanted)
    call = syscalls()[given.call]
    arguments = call.arguments_for(abi)
    index = next((a.index for a in arguments or () if a.name == wanted), None)
    if index is None:
        return None
    captures = call.captures_for(abi)
    paths = (c.index for c in captures if c.kind == "path")
    path_column = dict(zip(paths, ("path", "path2"), strict=False)).get(index)
    return Source(index, path_column=path_column, captures=tuple(c for c in captures if c.index == index))
