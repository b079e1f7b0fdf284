"""The functions that people probe, as ``functions.tsv``, ``function_calls.tsv`` and ``not_calls.tsv`` have them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files

LIBRARY = "c:"
"""What the names of the C library's functions begin with in the tables."""


@dataclass(frozen=True)
class StandIn:
    """A system call that stands for a function.

    ``arguments``: what a parameter is in this call, where it is not the argument of the same name: another argument's
    name, a constant, or None where the call has no such value. ``without``: it stands for the function only on machines
    that lack this call. ``only``: the condition, in C, that it has to fulfil.
    """

    call: str
    arguments: dict[str, str | int | None] = field(default_factory=dict)
    without: str = ""
    only: str = ""


@dataclass(frozen=True)
class Family:
    """A function: its parameters as C declarations, the system calls that stand for it, and why there are several."""

    name: str
    aliases: tuple[str, ...]
    signature: str
    reason: str
    members: dict[str, StandIn]


@cache
def families() -> tuple[Family, ...]:
    """Every function that has a row of its own."""
    members: dict[str, dict[str, StandIn]] = {}
    for function, call, arguments, without, only in _rows("function_calls.tsv", 5):
        given = StandIn(call, dict(map(_argument, _listed(arguments, ", "))), _text(without), _text(only))
        members.setdefault(function, {})[call] = given
    return tuple(
        Family(name, tuple(_listed(aliases, " ")), _text(signature), _text(why), members[name])
        for name, aliases, signature, why in _rows("functions.tsv", 4)
    )


@cache
def not_calls() -> dict[str, tuple[str, ...]]:
    """Functions that people probe and no system call stands for, and the calls that they lead to."""
    return {function: tuple(_listed(calls, " ")) for function, calls in _rows("not_calls.tsv", 2)}


def _rows(name: str, columns: int) -> Iterator[list[str]]:
    text = files("bpfrec.analyze.probes").joinpath(name).read_text("utf-8")
    for line in text.splitlines():
        if line and not line.startswith("#"):
            row = line.split("\t")
            if len(row) != columns:
                raise ValueError(f"{name}: not {columns} columns: {line}")
            yield row


def _text(cell: str) -> str:
    return "" if cell == "-" else cell


def _listed(cell: str, separator: str) -> list[str]:
    return [] if cell == "-" else cell.split(separator)


def _argument(text: str) -> tuple[str, str | int | None]:
    parameter, _, wanted = text.partition("=")
    if wanted == "-":
        return parameter, None
    return parameter, int(wanted) if wanted.isdigit() else wanted
