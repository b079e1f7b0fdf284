"""``-e`` and ``--stack-on``: names and classes of system calls, written as for strace(1)."""

from __future__ import annotations

import difflib
from collections.abc import Sequence

from bpfrec.bpf.selection import StackChoice
from bpfrec.formats.errors import BpfrecError
from bpfrec.formats.kernel.syscalls import CLASSES, syscalls


def parse_calls(specs: Sequence[str]) -> tuple[frozenset[str] | None, bool]:
    """Returns the names that ``specs`` choose (None: all), and whether calls with unknown numbers are chosen too.

    A spec is a list of names and classes, such as ``openat,%file``; a ``!`` in front of it means all others. It may
    begin with ``trace=``. Several specs are applied in order.

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
        named = _names(body.removeprefix("!"))
        everything = named == every
        if negative:
            unknown = (unknown or chosen is None) and not everything
            chosen = (every if chosen is None else chosen) - named
        else:
            unknown = unknown or everything
            chosen = (chosen or frozenset()) | named
    return chosen, unknown


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
        "failed" in words, "paths" in words, calls=_names(",".join(named), "--stack-on") if named else frozenset()
    )


def _names(body: str, option: str = "-e") -> frozenset[str]:
    names: set[str] = set()
    for item in body.split(","):
        word = item.strip()
        if word.startswith("!"):
            raise BpfrecError(
                f"{option}: '!' stands before the whole list, not before one name", "For example: -e '!futex,%memory'"
            )
        if word == "all":
            names |= set(syscalls())
        elif word.startswith("%"):
            names |= _class(word[1:], option)
        elif word in syscalls():
            names.add(word)
        else:
            close = difflib.get_close_matches(word, syscalls(), n=3)
            raise BpfrecError(
                f"{option}: no system call is called '{word}'",
                f"Did you mean {' or '.join(close)}?" if close else "Use the kernel's names: man 2 syscalls",
            )
    return frozenset(names)


def _class(name: str, option: str) -> set[str]:
    if name not in CLASSES:
        raise BpfrecError(
            f"{option}: no class of calls is called '%{name}'", f"There are: {' '.join(f'%{c}' for c in CLASSES)}"
        )
    return {call.name for call in syscalls().values() if name in call.classes}
