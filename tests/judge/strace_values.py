"""The notation strace prints arguments in: strings with escapes, nested brackets, comments.

A :class:`Value` keeps the text and is looked into only where a comparison asks for it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property

_STRING = r'"(?:[^"\\]|\\.)*"'
_TOKEN = re.compile(rf"{_STRING}|/\*.*?\*/|<unfinished \.\.\.>|[\[{{(]|[\]}})]|,|[^\"\[\]{{}}(),/<]+|.", re.DOTALL)
_WHOLE_STRING = re.compile(rf"({_STRING})(\.\.\.)?")
_COMMENT = re.compile(rf"({_STRING})|\s*/\*.*?\*/", re.DOTALL)
_ESCAPE = re.compile(rb"\\(?:x([0-9a-fA-F]{2})|([0-7]{1,3})|(.))", re.DOTALL)
_LETTERS = {b"a": b"\a", b"b": b"\b", b"t": b"\t", b"n": b"\n", b"v": b"\v", b"f": b"\f", b"r": b"\r"}
_NUMBER = re.compile(r"-?(?:0x[0-9a-f]+|0[0-7]*|[1-9][0-9]*)|NULL", re.IGNORECASE)


class NotationError(ValueError):
    """Text that strace does not print, as far as is known here."""


def unescape(body: str) -> bytes:
    """The bytes that strace wrote as ``body`` between quotes."""

    def byte(match: re.Match[bytes]) -> bytes:
        hexadecimal, octal, letter = match.groups()
        if hexadecimal:
            return bytes([int(hexadecimal, 16)])
        if octal:
            return bytes([int(octal, 8) & 0xFF])
        return _LETTERS.get(letter, letter)

    return _ESCAPE.sub(byte, body.encode("latin-1"))


def split(text: str, start: int = 0) -> tuple[list[str], int]:
    """What stands between the commas that are in no bracket, up to the bracket that closes none of these, or the end.

    Also where that bracket is: the length of the text where there is none.

    Raises:
        NotationError: a string does not end.
    """
    parts: list[str] = []
    depth, begin = 0, start
    end = len(text)
    for match in _TOKEN.finditer(text, start):
        token = match[0]
        if token in "[{(":
            depth += 1
        elif token in "]})":
            if depth == 0:
                end = match.start()
                break
            depth -= 1
        elif token == '"':
            raise NotationError(f"a string that does not end: {text[match.start() : match.start() + 200]}")
        elif token == "," and depth == 0:
            parts.append(text[begin : match.start()].strip())
            begin = match.end()
    last = text[begin:end].strip()
    return ([*parts, last] if parts or last else []), end


@dataclass(frozen=True)
class Value:
    """One value as strace printed it."""

    text: str

    @property
    def is_pointed(self) -> bool:
        """Whether it shows what memory holds: a string, an array, a struct, a set."""
        return self.text.startswith(('"', "[", "{", "~[", '@"'))

    @property
    def is_number(self) -> bool:
        """Whether it is a number or an address, told as such."""
        return _NUMBER.fullmatch(self.text) is not None

    @cached_property
    def number(self) -> int | None:
        """The number; NULL is 0; None where it is something else."""
        if not self.is_number:
            return None
        if self.text == "NULL":
            return 0
        sign, digits = (-1, self.text[1:]) if self.text.startswith("-") else (1, self.text)
        if digits[:2].lower() == "0x":
            return sign * int(digits, 16)
        return sign * int(digits, 8 if digits.startswith("0") else 10)

    @cached_property
    def string(self) -> tuple[bytes, bool] | None:
        """The bytes of a string, and whether strace cut it; None where it is something else."""
        match = _WHOLE_STRING.fullmatch(self.text)
        return (unescape(match[1][1:-1]), match[2] is not None) if match else None

    @cached_property
    def fields(self) -> dict[str, Value] | None:
        """The named members of a struct; None where it is something else."""
        if not (self.text.startswith("{") and self.text.endswith("}")):
            return None
        pairs = (part.partition("=") for part in split(self.text, 1)[0])
        return {name: Value(value) for name, equals, value in pairs if equals}

    @cached_property
    def items(self) -> list[Value] | None:
        """The elements of an array; None where it is something else."""
        if not (self.text.startswith("[") and self.text.endswith("]")):
            return None
        return [Value(part) for part in split(self.text, 1)[0]]


def without_comments(text: str) -> str:
    """The text without the remarks in ``/* */`` that strace adds."""
    return _COMMENT.sub(lambda match: match[1] or "", text)
