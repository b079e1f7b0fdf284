"""``--until``: what has to happen for a recording to stop, such as ``openat ENOENT /etc/app/*`` or ``fsync >100ms``."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass

import click

from bpfrec.formats.errors import BpfrecError
from bpfrec.formats.kernel.call_lists import call_names
from bpfrec.formats.kernel.errnos import errno_numbers
from bpfrec.formats.kernel.syscalls import syscalls
from bpfrec.formats.units import seconds_in

_COMPARISON = re.compile(r"(>=|<=|!=|==?|>|<)(.+)")
_NUMBER = re.compile(r"-?(?:0[xX][0-9a-fA-F]+|\d+)")
_ERRNOS = re.compile(r"E[A-Z0-9]+(?:,E[A-Z0-9]+)*")
_LARGEST = (1 << 63) - 1
_NAMED = "--until: "


@dataclass(frozen=True)
class Comparison:
    """The value of a call has to be ``operator`` (``>``, ``>=``, ``<``, ``<=``, ``=``, ``!=``) than ``number``."""

    operator: str
    number: int


@dataclass(frozen=True)
class Condition:
    """What one call has to be; ``text``: as the user wrote it. All members have to hold.

    ``calls``: one of these names. ``failed``: it fails; ``errnos``: with one of these errors, as positive numbers;
    empty: any. ``durations``: in ns. ``results``: of its result, or the status that is given to exit and exit_group.
    ``paths``: each is a pattern for one of its paths, as passed, in which ``*`` and ``?`` stand for any text and any
    character.
    """

    text: str
    calls: frozenset[str]
    failed: bool = False
    errnos: frozenset[int] = frozenset()
    durations: tuple[Comparison, ...] = ()
    results: tuple[Comparison, ...] = ()
    paths: tuple[str, ...] = ()


class Until(click.ParamType):  # type: ignore[type-arg, unused-ignore]
    """A condition: names of calls, then words about one of them."""

    name = "condition"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> Condition:
        """Returns the condition."""
        try:
            return parse_condition(str(value))
        except ValueError as error:
            self.fail(f"{value!r}: {error}", param, ctx)
        except BpfrecError as error:
            self.fail(f"{error.message.removeprefix(_NAMED)}. {error.hint}".removesuffix(". "), param, ctx)


def parse_condition(text: str) -> Condition:
    """Reads a condition: ``CALLS [failed | ERRNO,...] [>TIME] [!=RESULT] [PATH]``, the words behind CALLS in any order.

    CALLS is a list as for ``-e``, without ``!``. A word with spaces is written in quotes.

    Raises:
        ValueError: a word that means nothing.
        BpfrecError: a name, class or pattern that no system call has.
    """
    first, *words = shlex.split(text) or [""]
    if not first:
        raise ValueError("a condition begins with the name of a system call, as in: fsync >100ms")
    calls = call_names(first, "--until")
    failed, errnos = False, frozenset[int]()
    durations: list[Comparison] = []
    results: list[Comparison] = []
    paths: list[str] = []
    for word in words:
        if compared := _COMPARISON.fullmatch(word):
            _compare(compared[1].replace("==", "="), compared[2], durations, results)
        elif _ERRNOS.fullmatch(word):
            errnos |= {_errno(name) for name in word.split(",")}
        elif word == "failed":
            failed = True
        elif re.search(r"[/*?]", word):
            paths.append(word)
        else:
            raise ValueError(
                f"{word!r} is no error, comparison or path. Write ENOENT, failed, >100ms, !=0, /etc/app/* or *{word}"
            )
    if paths:
        with_paths = frozenset(name for name in calls if syscalls()[name].paths)
        if not with_paths:
            raise ValueError(f"{first} takes no path, and {paths[0]!r} is a pattern for one")
        calls = with_paths
    return Condition(text, calls, failed or bool(errnos), errnos, tuple(durations), tuple(results), tuple(paths))


def _compare(operator: str, value: str, durations: list[Comparison], results: list[Comparison]) -> None:
    if _NUMBER.fullmatch(value):
        number = int(value, 0) if "x" in value.lower() else int(value)
        if abs(number) > _LARGEST:
            raise ValueError(f"{value} is larger than any result")
        results.append(Comparison(operator, number))
        return
    try:
        nanoseconds = round(seconds_in(value) * 1e9)
    except (ValueError, OverflowError):
        raise ValueError(f"{value!r} is no number and no time such as 100ms") from None
    if operator in ("=", "!="):
        raise ValueError(f"no call takes {value} to the nanosecond: compare times with > or <")
    if not 0 <= nanoseconds <= _LARGEST:
        raise ValueError(f"no call takes {value}")
    durations.append(Comparison(operator, nanoseconds))


def _errno(name: str) -> int:
    number = errno_numbers().get(name)
    if number is None:
        raise ValueError(f"no error is called {name}")
    return number
