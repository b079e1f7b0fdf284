"""``-e`` and ``--stack-on``: names and classes of system calls, written as for strace(1)."""

from __future__ import annotations

from collections.abc import Sequence

from bpfrec.bpf.selection import StackChoice
from bpfrec.formats.kernel.call_lists import call_names
from bpfrec.formats.kernel.syscalls import CLASSES, syscalls


def parse_calls(specs: Sequence[str]) -> tuple[frozenset[str] | None, bool]:
    """Returns the names that ``specs`` choose (None: all), and whether calls with unknown numbers are chosen too.

    A spec is a list as of :mod:`bpfrec.formats.kernel.call_lists`: ``openat,%file``, ``open*``; a ``!`` in front of
    it means all others. It may begin with ``trace=``. Several specs are applied in order.

    Raises:
        BpfrecError: a name or class that does not exist.
    """
    if not specs:
        return None, True
    every = frozenset(syscalls())
    chosen: frozenset[str] | None = None
    unknown = False
    for spec in specs:
        body = spec.removeprefix("trace=")
        negative = body.startswith("!")
        named = call_names(body.removeprefix("!"), "-e")
        everything = named == every
        if negative:
            unknown = (unknown or chosen is None) and not everything
            chosen = (every if chosen is None else chosen) - named
        else:
            unknown = unknown or everything
            chosen = (chosen or frozenset()) | named
    return chosen, unknown


def complete_calls(_ctx: object, _param: object, incomplete: str) -> list[str]:
    """Lists for a shell whose last word is ``incomplete``: each with one more name, or class, of calls."""
    head, comma, last = incomplete.rpartition(",")
    known = [*sorted(syscalls()), *(f"%{name}" for name in CLASSES)]
    return [f"{head}{comma}{name}" for name in known if name.startswith(last)]


def parse_stack_on(spec: str) -> StackChoice:
    """Returns the calls that ``spec`` chooses: ``all``, ``none``, or a list of ``failed``, ``paths``, names, classes.

    Raises:
        BpfrecError: a name or class that does not exist.
    """
    words = [word.strip() for word in spec.split(",")]
    if words == ["none"]:
        return StackChoice(failed=False, paths=False)
    if words == ["all"]:
        return StackChoice(every=True)
    named = [word for word in words if word not in ("failed", "paths")]
    return StackChoice(
        "failed" in words, "paths" in words, calls=call_names(",".join(named), "--stack-on") if named else frozenset()
    )
