"""How strace's text of each system call becomes the columns of a row: raw arguments, paths, what memory held."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import cache
from typing import TypeAlias

from bpfrec.analyze.decode.argument_types import argument_type
from bpfrec.analyze.imports.strace_captures import Row, captured_rows
from bpfrec.analyze.imports.strace_numbers import MASK_64, parse_number
from bpfrec.analyze.imports.strace_values import Text, parse_value, split_arguments, without_remarks
from bpfrec.formats.kernel.decoding import Decoder, Decoding, decoders, decodings
from bpfrec.formats.kernel.errnos import errno_numbers
from bpfrec.formats.kernel.syscalls import Argument, Syscall, syscalls
from bpfrec.formats.units import whole_number

ARGUMENTS = 6
_LEFT_OUT = "?"
_BITS = {"INTEGER": 32, "UINTEGER": 32, "USMALLINT": 16}
_MEMORY = ('"', "[", "{", "@", "~")
_LABEL = re.compile(r"([a-z_][a-z0-9_]*)=(?![=>])")
_STARTS = frozenset('"{[@')
_NONE: list[list[int | None]] = [[None] * (ARGUMENTS - count) for count in range(ARGUMENTS + 1)]
_COMMON_NUMBER = re.compile(r"(?:(0|[1-9][0-9]{0,18})|0x([0-9a-f]{1,16}))(?:<[^<>]*>| /\*[^*<]*\*/)?+")
_PLAIN_PATH = re.compile(r'"([ !#-\[\]-~]*+)"')
_UNKNOWN = re.compile(r"syscall_(0x[0-9a-f]{1,8}|0|[1-9][0-9]{0,9})")
_MOST_CACHED = 1 << 12
_LONGEST_CACHED = 1 << 12
_ERRNOS = errno_numbers()

Path: TypeAlias = tuple[str | None, str | None]
"""A path as tables hold it, and its status."""

NO_PATH: Path = (None, None)
_NO_PATHS = (NO_PATH, NO_PATH)


@dataclass(slots=True)
class Parsed:
    """A call taken apart: ``arguments`` are the raw ones, None where strace printed what they point at, or nothing."""

    arguments: list[int | None]
    paths: tuple[Path, Path]
    rows: list[Row]
    abbreviated: int


@dataclass(slots=True)
class Result:
    """What a call returned: ``ret`` and ``errno`` as tables hold them; ``remark``: what strace wrote behind it."""

    ret: int | None
    errno: str | None
    remark: str


@dataclass(frozen=True)
class _Condition:
    """When strace writes an argument: if the bits of argument ``index`` are one of ``values``, under their masks."""

    index: int
    values: tuple[tuple[int, int], ...]
    negated: bool

    def holds(self, readers: list[_Reader], parts: list[str]) -> bool:
        """Tells whether the argument is written, by those before it."""
        number = readers[self.index][parts[self.index]] if self.index < len(parts) else None
        if number is None:
            return True
        for mask, value in self.values:
            if number & mask == value:
                return not self.negated
        return self.negated


@dataclass
class CallText:
    """Reads the arguments of one system call; ``call`` is None for one that no table knows."""

    name: str
    call: Syscall | None
    abi: str
    number: int
    indexes: dict[str, int] = field(default_factory=dict)
    paths: tuple[int, ...] = ()
    captured: tuple[int, ...] = ()
    readers: list[_Reader] = field(default_factory=list)
    conditions: dict[int, _Condition] = field(default_factory=dict)
    seen: dict[tuple[str, int | None, str], Parsed] = field(default_factory=dict)

    def parse(self, text: str, ret: int | None, remark: str) -> Parsed:
        """Parses the text between the parentheses of a call that returned ``ret``. The answer may be given again.

        Raises:
            NestedError: that of :func:`.split_arguments`.
        """
        if len(text) > _LONGEST_CACHED:
            return self._parse(text, ret, remark)
        key = (text, ret if self.captured else 0, remark)
        parsed = self.seen.get(key)
        if parsed is None:
            if len(self.seen) > _MOST_CACHED:
                self.seen.clear()
            parsed = self.seen[key] = self._parse(text, ret, remark)
        return parsed

    def _parse(self, text: str, ret: int | None, remark: str) -> Parsed:
        parts = split_arguments(text)
        if self.indexes:
            parts = self._in_order(parts)
        elif self.conditions:
            parts = self._spread(parts)
        # What points at memory is no number, and text is seldom there twice.
        arguments = [
            None if part[0:1] in _STARTS else read[part] for read, part in zip(self.readers, parts, strict=False)
        ]
        arguments += _NONE[len(arguments)]
        paths = _NO_PATHS
        if self.paths:
            first = _path(parts, self.paths[0])
            paths = (first, _path(parts, self.paths[1]) if len(self.paths) > 1 else NO_PATH)
        rows: list[Row] = []
        for index in self.captured:
            if self.call and index < len(parts) and parts[index].startswith(_MEMORY):
                rows = list(captured_rows(self.call, [parse_value(part) for part in parts], ret, remark))
                break
        return Parsed(arguments, paths, rows, text.count('"...'))

    def _in_order(self, parts: list[str]) -> list[str]:
        """The arguments as the kernel takes them, from those that strace names and writes in another order."""
        ordered = [_LEFT_OUT] * len(self.readers)
        for position, part in enumerate(parts):
            match = _LABEL.match(part)
            index = self.indexes.get(match[1], position) if match else position
            if index < len(ordered):
                ordered[index] = part[match.end() :] if match else part
        return ordered

    def _spread(self, parts: list[str]) -> list[str]:
        """The arguments at their places, where strace leaves some out because of what another one is."""
        spread: list[str] = []
        waiting = iter(parts)
        for index in range(len(self.readers)):
            condition = self.conditions.get(index)
            if condition and not condition.holds(self.readers, spread):
                spread.append(_LEFT_OUT)
            elif (part := next(waiting, None)) is not None:
                spread.append(part)
        # Another version of strace may write one that this table leaves out.
        return parts if next(waiting, None) is not None else spread


def _path(parts: list[str], index: int) -> Path:
    if index >= len(parts):
        return None, "not-captured"
    part = parts[index]
    if plain := _PLAIN_PATH.fullmatch(part):
        return plain[1], None
    if part.startswith('"'):
        text = parse_value(part)
        if isinstance(text, Text):
            return text.escaped, text.status
    return None, "null" if part == "NULL" else "unreadable"


@cache
def call_text(name: str, abi: str) -> CallText:
    """Returns what reads the arguments of the call ``name`` made by a program of ``abi``."""
    call = syscalls().get(name)
    if call is None:
        match = _UNKNOWN.fullmatch(name)
        number = int(match[1], 0) if match else -1
        shown = f"unknown_{number}" if match else name
        return CallText(shown, None, abi, number if number < 1 << 15 else -1, readers=[_ANY] * ARGUMENTS)
    arguments = call.arguments_for(abi) or ()
    known = decodings(call)
    labels = {d.label: argument.index for d in known.values() if d.label and (argument := call.argument(d.argument))}
    return CallText(
        name,
        call,
        abi,
        call.numbers.get(abi, -1),
        labels if abi == "x86_64" else {},
        call.paths,
        tuple(sorted({capture.index for capture in call.captures if capture.kind != "path"})),
        [_reader(argument, known.get(argument.name)) for argument in arguments] or [_ANY] * ARGUMENTS,
        {a.index: condition for a in arguments if (condition := _condition(call, known, known.get(a.name)))},
    )


def _condition(call: Syscall, known: dict[str, Decoding], decoding: Decoding | None) -> _Condition | None:
    if decoding is None or decoding.decoder == "omit":
        return _Condition(0, ((0, 0),), negated=True) if decoding else None
    if decoding.when is None:
        return None
    decider = call.argument(decoding.when.argument)
    decoder = decoders().get(known[decoding.when.argument].decoder)
    if decider is None or decoder is None:
        return None
    return _Condition(decider.index, tuple(decoder.named(name) for name in decoding.when.names), decoding.when.negated)


class _Reader(dict[str, "int | None"]):
    """The numbers that texts of one argument stand for; those that were not asked for before are read now."""

    def __init__(self, decoder: Decoder | None, mask: int) -> None:
        super().__init__()
        self._decoder, self._mask = decoder, mask

    def __missing__(self, text: str) -> int | None:
        if len(self) > _MOST_CACHED:
            self.clear()
        if common := _COMMON_NUMBER.fullmatch(text):
            value: int | None = (int(common[1]) if common[1] else int(common[2], 16)) & self._mask
        else:
            value = _read(text, self._decoder, self._mask)
        self[text] = value
        return value


_ANY = _Reader(None, MASK_64)


def _reader(argument: Argument, decoding: Decoding | None) -> _Reader:
    decoder = decoders().get(decoding.decoder) if decoding else None
    return _Reader(decoder, (1 << _BITS.get(argument_type(argument.ctype).sql_type, 64)) - 1)


def _read(text: str, decoder: Decoder | None, mask: int) -> int | None:
    if text.startswith(_MEMORY) and (not text.startswith("~") or text.startswith("~[")):
        return None
    if (match := _LABEL.match(text)) and not text.startswith(("0x", "1<<")):
        text = text[match.end() :]
    number = parse_number(without_remarks(text), decoder)
    return None if number is None else number & mask


def parse_result(text: str) -> Result:
    """Parses what stands behind ``=``: a number, ``-1 ENOENT (...)``, ``? ERESTARTSYS (...)``, ``3</etc/passwd>``."""
    # umask returns an octal number.
    found = None if text[:1] == "0" else whole_number(text)
    if found is not None:
        return Result(_signed(found), None, "")
    word, _, rest = text.partition(" ")
    if word in ("-1", "?") and rest[:1] == "E":
        errno = rest.partition(" ")[0]
        number = _ERRNOS.get(errno)
        return Result(-number if number else -1, errno, "")
    if word == "?":
        return Result(None, None, "")
    number = parse_number(without_remarks(word))
    remark = rest[1 : rest.rfind(")")] if rest.startswith("(") else ""
    return Result(None if number is None else _signed(number & MASK_64), None, remark)


def _signed(number: int) -> int:
    return number - (1 << 64) if number >> 63 else number
