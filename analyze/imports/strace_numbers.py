"""Numbers as strace writes them: digits, names of constants joined with ``|``, sets of signals, states of children."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from functools import cache

from bpfrec.formats.kernel.decoding import Decoder, constants, decoders, families
from bpfrec.formats.kernel.open_flags import OPEN_FLAGS
from bpfrec.formats.units import whole_number

MASK_64 = (1 << 64) - 1
_WORD_BITS = 64
_MASK_32 = (1 << 32) - 1

_DIGITS = re.compile(r"-?(?:0x[0-9a-fA-F]{1,32}|0[0-7]{0,32}|[1-9][0-9]{0,32})")
_OCTAL = re.compile(r"0[0-7]+")
_CALL = re.compile(r"(\w+)\(([^()]*)\)")
_STATUS = re.compile(r"(\w+)\(s\)(?: == (\w+))?")
_LONGEST_EXPRESSION = 256
"""Characters. strace writes nothing longer, and what is nested deeper than Python allows is not read."""
_LIMITS = {
    "RLIM_INFINITY": MASK_64,
    "RLIM64_INFINITY": MASK_64,
    "UTIME_NOW": 0x3FFFFFFF,
    "UTIME_OMIT": 0x3FFFFFFE,
    "NULL": 0,
    "INADDR_ANY": 0,
    "INADDR_LOOPBACK": 0x7F000001,
    "S_IFREG": 0o100000,
    "SIG_DFL": 0,
    "SIG_IGN": 1,
    "SIG_ERR": MASK_64,
    "FUTEX_BITSET_MATCH_ANY": _MASK_32,
    "true": 1,
    "false": 0,
}
_FIRST_REAL_TIME = 32


@cache
def _everything() -> Mapping[str, int]:
    """Every constant by name. Where families differ in the value of a name, it is left out."""
    known: dict[str, int] = {}
    doubtful: set[str] = set()
    for family in sorted(families()):
        for names, value in constants(family).items():
            for name in names.split(" or "):
                if known.setdefault(name, value) != value:
                    doubtful.add(name)
    return {name: value for name, value in known.items() if name not in doubtful} | OPEN_FLAGS | _LIMITS


@cache
def _names_of(decoder: str) -> Mapping[str, int]:
    known: dict[str, int] = {}
    chosen = decoders()[decoder]
    for term in chosen.terms:
        for names, value in term.values.items():
            for name in names.split(" or "):
                known.setdefault(name, value)
    for other in chosen.choices.values():
        if other in decoders():
            known |= {name: value for name, value in _names_of(other).items() if name not in known}
    return known


def parse_number(text: str, decoder: Decoder | None = None) -> int | None:
    """Returns the number that ``text`` stands for; None: it stands for none that is known.

    Names are those of ``decoder``; if it has none of that name, those that have one value in all families.
    """
    if _DIGITS.fullmatch(text):
        return _digits(text)
    names = _names_of(decoder.name) if decoder else {}
    everything = _everything()
    total = 0
    for part in text.split("|"):
        value = names.get(part)
        if value is None:
            value = everything.get(part)
        if value is None:
            value = _expression(part)
        if value is None:
            return None
        total |= value
    return total


def _digits(text: str) -> int:
    negative = text.startswith("-")
    digits = text[1:] if negative else text
    value = int(digits, 8) if _OCTAL.fullmatch(digits) else int(digits, 0)
    return -value if negative else value


def _expression(text: str) -> int | None:
    if len(text) > _LONGEST_EXPRESSION:
        return None
    if _DIGITS.fullmatch(text):
        return _digits(text)
    if match := _CALL.fullmatch(text):
        return _made_by(match[1], [part.strip() for part in match[2].split(",")])
    if text.startswith("~"):
        return None if (value := parse_number(text[1:])) is None else ~value
    if text.startswith("1<<"):
        shift = parse_number(text[3:])
        return 1 << shift if shift is not None and 0 <= shift < _WORD_BITS else None
    factors = [parse_number(part) for part in text.split("*")] if "*" in text else [None]
    known = [factor for factor in factors if factor is not None]
    return math.prod(known) if len(known) == len(factors) else None


def _made_by(macro: str, arguments: list[str]) -> int | None:
    """The value of a macro or function that strace names, as ``htons(80)`` or ``makedev(0x1, 0x3)``."""
    if macro in ("htons", "htonl"):
        return parse_number(arguments[0])
    numbers = [
        parse_number(part.replace("_IOC_NONE", "0").replace("_IOC_READ", "2").replace("_IOC_WRITE", "1"))
        for part in arguments
    ]
    known = [number for number in numbers if number is not None]
    if len(known) != len(numbers):
        return None
    match macro, known:
        case "makedev", [major, minor]:
            return (major & 0xFFF) << 8 | (minor & 0xFF) | (minor & ~0xFF) << 12 | (major & ~0xFFF) << 32
        case "_IOC", [direction, kind, number, size]:
            return direction << 30 | size << 16 | kind << 8 | number
    return None


def parse_signals(text: str) -> int | None:
    """Returns the mask of a set of signals, as ``[INT CHLD]`` or ``~[RTMIN RT_1]``; None: not one that is known."""
    negated = text.startswith("~")
    inner = text[1:] if negated else text
    if not (inner.startswith("[") and inner.endswith("]")):
        return None
    mask = 0
    for word in inner[1:-1].split():
        number = parse_signal(word)
        if number is None:
            return None
        mask |= 1 << (number - 1)
    return ~mask & MASK_64 if negated else mask


def parse_signal(word: str) -> int | None:
    """Returns the number of a signal, with or without ``SIG`` before its name."""
    name = word.removeprefix("SIG")
    if number := whole_number(name, _WORD_BITS):
        return number
    if name == "RTMIN":
        return _FIRST_REAL_TIME
    above = whole_number(name[3:], _WORD_BITS - _FIRST_REAL_TIME) if name.startswith("RT_") else None
    if above is not None:
        return _FIRST_REAL_TIME + above
    return constants("signal").get(f"SIG{name}")


def parse_wait_status(text: str) -> int | None:
    """Returns the wait status that strace wrote with the macros of wait(2); None: not one that is known."""
    status: int | None = None
    for macro, written in _STATUS.findall(text):
        value = parse_signal(written) if written.startswith("SIG") else parse_number(written) if written else 0
        if value is None:
            return None
        match macro:
            case "WEXITSTATUS":
                status = value << 8
            case "WTERMSIG":
                status = (status or 0) | value
            case "WSTOPSIG":
                status = value << 8 | 0x7F
            case "WCOREDUMP":
                status = (status or 0) | 0x80
            case "WIFCONTINUED":
                status = 0xFFFF
    return status
