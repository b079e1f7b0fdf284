"""Where a probe sits: from ``{p,r,t,u}:library:function(signature)`` to a :class:`Site`."""

from __future__ import annotations

import re

from bpfrec.analyze.probes import c_types
from bpfrec.analyze.probes.c_types import CType
from bpfrec.analyze.probes.functions import ANY, find_function, refusal
from bpfrec.analyze.probes.scope import Site
from bpfrec.analyze.probes.splitting import split
from bpfrec.formats.errors import ReportError

_LIBC = re.compile(r"(lib)?(c|pthread|rt)(([.-][\d.]+)?\.so[.\d]*)?|ld-musl-.*")


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
    return Site(find_function(function), kind == "r", parse_signature(signature or ""), libc)


def parse_signature(text: str) -> tuple[tuple[str, CType], ...]:
    """The parameters that ``text`` declares, as ``const char *path, int flags``; types not known are unsigned long.

    Raises:
        ReportError: one of them is no declaration of a name.
    """
    if text.strip() in {"", "void"}:
        return ()
    return tuple(_parameter(part) for part in split(text, ","))


def _parameter(declaration: str) -> tuple[str, CType]:
    match = re.fullmatch(
        r"\s*([A-Za-z_]\w*(?:\s+[A-Za-z_]\w*)*?)\s*((?:\*\s*(?:const\s+|__user\s+)*)*)\s*\b([A-Za-z_]\w*)\s*",
        declaration,
    )
    if not match or not (match[2] or match[1]) or (not match[2] and match[1].endswith(match[3])):
        raise ReportError(
            f"not a parameter in a signature: {declaration.strip() or '(empty)'}",
            "Give type and name, as in: char *filename",
        )
    return match[3], c_types.named_type(tuple(match[1].split()), match[2].count("*")) or c_types.ULONG


def _tracepoint(category: str, event: str) -> Site:
    match = re.fullmatch(r"sys_(enter|exit)(_(\w+))?", event)
    if match and category == "raw_syscalls" and not match[3]:
        return Site(ANY, match[1] == "exit", tracepoint=True)
    if match and category == "syscalls" and match[3]:
        return Site(find_function(match[3]), match[1] == "exit", tracepoint=True)
    raise ReportError(
        f"the tracepoint {category}:{event} is not recorded",
        "A trace answers for t:syscalls:sys_enter_NAME and sys_exit_NAME, and raw_syscalls:sys_enter and sys_exit.",
    )
