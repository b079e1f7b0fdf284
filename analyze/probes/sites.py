"""Where a probe sits: from ``{p,r,t,u}:library:function(signature)`` to a :class:`Site`."""

from __future__ import annotations

import re
from dataclasses import dataclass

from bpfrec.analyze.probes import c_types
from bpfrec.analyze.probes.c_types import CType
from bpfrec.analyze.probes.functions import (
    ANY,
    ProbedFunction,
    find_function,
    find_library_function,
    find_tracepoint,
    refusal,
)
from bpfrec.analyze.probes.splitting import split
from bpfrec.formats.errors import ReportError

_LIBC = re.compile(r"(lib)?(c|pthread|rt)(([.-][\d.]+)?\.so[.\d]*)?|ld-musl-.*")


@dataclass(frozen=True)
class Site:
    """Where a probe sits: at ``function``, at its return where ``at_exit``.

    ``parameters`` are the names and types that the probe itself declares, in order. ``libc``: a failed call returns
    -1, as its callers see it, instead of -errno. ``tracepoint``: arguments are members of ``args``.
    """

    function: ProbedFunction
    at_exit: bool
    parameters: tuple[tuple[str, CType], ...] = ()
    libc: bool = False
    tracepoint: bool = False

    @property
    def sees_children_return(self) -> bool:
        """Whether it fires in a new process too, which returns from the call that made it.

        A kretprobe of the kernel's function does not: the new process begins behind it.
        """
        return self.at_exit and self.function.returns_in_child and (self.libc or self.tracepoint)


def locate(kind: str, library: str, function: str, signature: str | None) -> Site:
    """The site of a probe of ``kind`` p, r, t or u.

    ``library`` is the middle part (empty for the kernel; the category of a tracepoint), ``signature`` the text
    between the brackets, None where there are none.

    Raises:
        ReportError: nothing of the kind is recorded.
    """
    if kind == "u":
        raise ReportError(
            f"u:{library}:{function} is a USDT probe; none are recorded",
            "A trace answers for system calls: their arguments, return values, latency and stacks.",
        )
    if kind == "t":
        return _tracepoint(library, function)
    libc = bool(_LIBC.fullmatch(library.rpartition("/")[2]))
    if library and not libc:
        raise refusal(function, f"of {library} is no system call")
    if "+" in function:
        raise ReportError(f"{function}: an offset into a function is not recorded", "Ask for the function itself.")
    if any(char in function for char in "*?["):
        raise ReportError(f"{function}: one function at a time can be asked", "Name one, as in 'p::openat'.")
    found = find_library_function(function) if libc else find_function(function)
    return Site(found, kind == "r", parse_signature(signature or ""), libc)


def parse_signature(text: str) -> tuple[tuple[str, CType], ...]:
    """The parameters that ``text`` declares, as ``const char *path, int flags``; types not known are unsigned long.

    Raises:
        ReportError: one of them is no declaration of a name.
    """
    if text.strip() in {"", "void"}:
        return ()
    return tuple(_parameter(part) for part in split(text, ","))


_DECLARATION = re.compile(
    r"\s*(?P<words>[A-Za-z_]\w*(?:\s+[A-Za-z_]\w*)*?)"
    r"(?:\s*(?P<stars>\*(?:\s*(?:\*|const\b|__user\b))*)\s*|\s+)"
    r"(?P<name>[A-Za-z_]\w*)\s*"
)
"""Words of a type, its stars with their qualifiers, or else a space, and the name."""


def _parameter(declaration: str) -> tuple[str, CType]:
    match = _DECLARATION.fullmatch(declaration)
    if not match or match["name"] in c_types.KEYWORDS:
        raise ReportError(
            f"not a parameter in a signature: {declaration.strip() or '(empty)'}",
            "Give type and name, as in: char *filename",
        )
    stars = (match["stars"] or "").count("*")
    return match["name"], c_types.named_type(tuple(match["words"].split()), stars) or c_types.ULONG


def _tracepoint(category: str, event: str) -> Site:
    match = re.fullmatch(r"sys_(enter|exit)(_(\w+))?", event)
    if match and category == "raw_syscalls" and not match[3]:
        return Site(ANY, match[1] == "exit", tracepoint=True)
    if match and category == "syscalls" and match[3]:
        return Site(find_tracepoint(match[3]), match[1] == "exit", tracepoint=True)
    raise ReportError(
        f"the tracepoint {category}:{event} is not recorded",
        "A trace answers for t:syscalls:sys_enter_NAME and sys_exit_NAME, and raw_syscalls:sys_enter and sys_exit.",
    )
