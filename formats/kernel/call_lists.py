"""Lists of system calls as users write them, in strace's notation: ``openat,read``, ``open*``, ``%net``, ``!futex``."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from fnmatch import fnmatchcase

from bpfrec.formats.errors import BpfrecError
from bpfrec.formats.kernel.syscalls import CLASSES, syscalls

_ALIASES = {"net": "network"}
"""Other names of classes, which strace has too."""

_WITHOUT_SIGN = ("file", "desc", "network", "process", "memory", "signal", "ipc")
"""Classes that strace still knows without the %; the later ones never had such a name, and ``stat`` is a call."""

_UNKNOWN = re.compile(r"unknown_-?\d{1,10}")
"""What a trace calls a number that no table has."""

_SPECIAL = re.compile(r"[*?\[]")


@dataclass(frozen=True)
class CallList:
    """The calls named, or with ``negative`` all others."""

    names: frozenset[str]
    negative: bool = False


def parse_call_list(text: str, option: str = "--syscall") -> CallList:
    """Reads a list: names, ``%class``, patterns with ``*`` and ``?``, ``/regular expression``, after ``!`` all others.

    It may begin with ``trace=``. ``option`` is named in messages.

    Raises:
        BpfrecError: a name, class or pattern that no system call has.
    """
    body = text.strip().removeprefix("trace=")
    negative = body.startswith("!")
    return CallList(call_names(body.removeprefix("!"), option, unknown=True), negative)


def call_names(body: str, option: str = "--syscall", *, unknown: bool = False) -> frozenset[str]:
    """The names that a list without ``!`` stands for; see :func:`parse_call_list`.

    ``unknown``: whether names of calls whose numbers no table has (``unknown_999``) are among them.

    Raises:
        BpfrecError: a name, class or pattern that no system call has.
    """
    if body.strip().startswith("/"):
        return _matching_expression(body.strip()[1:], option)
    names: set[str] = set()
    for item in body.split(","):
        word = item.strip()
        names |= {word} if unknown and _UNKNOWN.fullmatch(word) else _named(word, option)
    return frozenset(names)


def chosen_calls(texts: Sequence[str], option: str = "--syscall") -> CallList | None:
    """What several lists choose together, the negative ones last; None for no list.

    Raises:
        BpfrecError: see :func:`parse_call_list`.
    """
    lists = [parse_call_list(text, option) for text in texts]
    if not lists:
        return None
    without = frozenset().union(*(one.names for one in lists if one.negative))
    if all(one.negative for one in lists):
        return CallList(without, negative=True)
    return CallList(frozenset().union(*(one.names for one in lists if not one.negative)) - without)


def _named(word: str, option: str) -> set[str]:
    if word.startswith("!"):
        raise BpfrecError(
            f"{option}: '!' stands before the whole list, not before one name",
            f"For example: {option} '!futex,%memory'",
        )
    if word == "all":
        return set(syscalls())
    if word.startswith("%"):
        return _class(word[1:], option)
    if word in syscalls():
        return {word}
    if _SPECIAL.search(word):
        found = {name for name in syscalls() if fnmatchcase(name, word)}
        if not found:
            raise BpfrecError(
                f"{option}: no system call matches '{word}'", "Patterns: * for any text, ? for a character"
            )
        return found
    if _ALIASES.get(word, word) in _WITHOUT_SIGN:
        return _class(word, option)
    near = get_close_matches(word, syscalls(), n=3)
    raise BpfrecError(
        f"{option}: no system call is called '{word}'",
        f"Did you mean {' or '.join(near)}?" if near else "Use the kernel's names: man 2 syscalls",
    )


def _class(name: str, option: str) -> set[str]:
    wanted = _ALIASES.get(name, name)
    if wanted not in CLASSES:
        raise BpfrecError(
            f"{option}: no class of calls is called '%{name}'", f"There are: {' '.join(f'%{c}' for c in CLASSES)}"
        )
    return {call.name for call in syscalls().values() if wanted in call.classes}


def _matching_expression(expression: str, option: str) -> frozenset[str]:
    try:
        pattern = re.compile(expression)
    except re.error as error:
        raise BpfrecError(f"{option}: '/{expression}' is no regular expression: {error}") from None
    found = frozenset(name for name in syscalls() if pattern.search(name))
    if not found:
        raise BpfrecError(f"{option}: no system call matches '/{expression}'")
    return found
