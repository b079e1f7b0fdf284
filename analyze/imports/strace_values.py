"""What strace writes for arguments, taken apart: strings, numbers, structs, lists and the names of constants."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import TypeAlias

Value: TypeAlias = "str | Text | Changed | dict[str, Value] | list[Value]"
"""A word as written (a number, names of constants), or one of the classes below; a dict is a struct, by member."""


@dataclass(frozen=True, slots=True)
class Text:
    """A string: its bytes, and whether these are all of it. ``abstract``: it is an abstract socket name."""

    raw: bytes
    whole: bool
    abstract: bool = False

    @property
    def escaped(self) -> str:
        """The string as tables hold it: bytes that are not UTF-8 as ``\\xNN``."""
        return self.raw.decode("utf-8", "backslashreplace")

    @property
    def status(self) -> str | None:
        """What tables say of it: truncated, not-utf8, None."""
        if not self.whole:
            return "truncated"
        try:
            self.raw.decode("utf-8")
        except UnicodeDecodeError:
            return "not-utf8"
        return None


@dataclass(frozen=True, slots=True)
class Changed:
    """What a call was given and what it left there, written ``[128 => 2]``."""

    before: Value
    after: Value


MOST_NESTED = 64
"""So many structs, lists and unions may be inside one another; strace writes a handful."""


class NestedError(ValueError):
    """More is nested than strace writes."""


_STRING = re.compile(r'"((?:[^"\\]|\\.)*+)"(\.\.\.)?', re.S)
_PLAIN = re.compile(r'(?:[^"\[\]{}()<>,/]|/(?!\*))+')
_ESCAPE = re.compile(rb"\\(x[0-9a-fA-F]{2}|[0-7]{1,3}|.)", re.S)
_ESCAPED = {b"n": b"\n", b"t": b"\t", b"r": b"\r", b"v": b"\v", b"f": b"\f", b"a": b"\a", b"b": b"\b", b"e": b"\x1b"}
_COMMENT = re.compile(r" ?/\*.*?\*/")
_WORDS = r'[^",<>\[\]{}()/]++|/(?!\*)'
_WORDS_INSIDE = r'[^"<>\[\]{}()/]++|/(?!\*)'
_REMARK = r"/\*(?:[^*]++|\*(?!/))*+\*/"
_TEXT = r'"(?:[^"\\]|\\.)*+"'
_ANGLES = r"<(?:[^<>]|<[^<>]*+>)*+>"


def _groups(depth: int) -> str:
    """A struct, list or call with at most ``depth`` of them inside one another."""
    inner = "|".join([_WORDS_INSIDE, _TEXT, _ANGLES, _REMARK, *([_groups(depth - 1)] if depth > 1 else [])])
    return rf"\{{(?:{inner})*+\}}|\[(?:{inner})*+\]|\((?:{inner})*+\)"


# What strace writes nearly always. A part ends at a comma and one blank; most have no comma inside.
_SIMPLE_PART = rf'(?:{_WORDS}|"[^"\\,]*+"|<[^<>,]*+>|/\*[^*,]*+\*/)++'
_SIMPLE = re.compile(rf"{_SIMPLE_PART}(?:, (?! ){_SIMPLE_PART})*+", re.S)
_COMMON_PART = rf"(?:{_WORDS}|{_TEXT}|{_ANGLES}|{_REMARK}|{_groups(3)})++"
_COMMON = re.compile(rf"{_COMMON_PART}(?:, (?! ){_COMMON_PART})*+", re.S)
_COMMON_PARTS = re.compile(rf"({_COMMON_PART})(?:, )?+", re.S)
_NESTING = frozenset("[]{}()<>")
_CLOSING = {"[": "]", "{": "}", "(": ")"}
_MEMBER = re.compile(r"(\w+)=(?!>)")


def split_arguments(text: str) -> list[str]:
    """Splits what stands between the parentheses of a call at its commas, not at those of structs and strings.

    Raises:
        NestedError: it has more than :data:`MOST_NESTED` things inside one another.
    """
    if not text:
        return []
    # Three looks at the same text, each of which takes time with its length; mostly the first is enough.
    if _SIMPLE.fullmatch(text):
        return text.split(", ")
    if not ("->" in text or "<<" in text) and _COMMON.fullmatch(text):
        return _COMMON_PARTS.findall(text)
    return _split(text)


def _split(text: str) -> list[str]:
    parts: list[str] = []
    start = at = 0
    end = len(text)
    while at < end:
        at = skip_value(text, at)
        if at < end:
            if text[at] == ",":
                parts.append(text[start:at])
                at += 1
                while at < end and text[at] == " ":
                    at += 1
                start = at
            else:
                # A closing bracket that nothing opened belongs to the text around it.
                at += 1
    if start < end:
        parts.append(text[start:])
    return parts


def skip_value(text: str, at: int, stops: str = ",", depth: int = 0) -> int:
    """Returns where the value that begins at ``at`` ends: at a comma, a closing bracket, or the end of ``text``."""
    end = len(text)
    while at < end:
        if match := _PLAIN.match(text, at):
            at = match.end()
            continue
        mark = text[at]
        if mark == '"':
            match = _STRING.match(text, at)
            at = match.end() if match else end
        elif mark in _CLOSING:
            at = _skip_group(text, at + 1, _CLOSING[mark], depth + 1)
        elif mark == "<":
            at = _skip_annotation(text, at)
        elif mark == "/":
            closed = text.find("*/", at)
            at = closed + 2 if closed >= 0 else end
        elif mark in stops or mark in ")]}":
            return at
        else:
            at += 1
    return end


def _skip_group(text: str, at: int, closing: str, depth: int = 1) -> int:
    if depth > MOST_NESTED:
        raise NestedError
    end = len(text)
    while at < end:
        at = skip_value(text, at, closing, depth)
        if at < end and text[at] == closing:
            return at + 1
        at += 1
    return end


def _skip_annotation(text: str, at: int) -> int:
    """Skips what a descriptor leads to: ``</etc/passwd>``, ``<TCP:[10.0.0.1:1->10.0.0.2:2]>``, ``<x<char 1:3>>``."""
    return at + 2 if text[at : at + 2] == "<<" else _ends_of_annotations(text).get(at, at + 1)


@lru_cache(maxsize=1)
def _ends_of_annotations(text: str) -> dict[int, int]:
    """Where each ``<`` of ``text`` is closed: looked for once, for it may have many that never are."""
    ends: dict[int, int] = {}
    waiting: list[int] = []
    for match in _ANGLE.finditer(text):
        if match[0] == "<":
            waiting.append(match.start())
        elif match[0] == ">" and waiting:
            ends[waiting.pop()] = match.end()
    return ends


_ANGLE = re.compile(r"->|[<>]")


_PLAIN_WORD = re.compile(r"[\w|.-]++", re.A)


def parse_value(text: str) -> Value:
    """Parses one argument, or a member of one."""
    if _PLAIN_WORD.fullmatch(text):
        return text
    text = text.strip()
    if text[:1] in ('"', "[", "{", "@", "~"):
        if text[0] == '"' or text.startswith('@"'):
            return _string(text)
        if text[0] == "[" and (end := _closed(text)):
            return _group(text, end, parse_list)
        if text[0] == "{" and (end := _closed(text)):
            return _group(text, end, parse_struct)
    if " => " in text:
        before, _, after = text.partition(" => ")
        return Changed(parse_value(before), parse_value(after))
    return without_remarks(text)


def _closed(text: str) -> int:
    end = _skip_group(text, 1, _CLOSING[text[0]])
    return end if text[end - 1] == _CLOSING[text[0]] else 0


def _group(text: str, end: int, parse: object) -> Value:
    inner: Value = parse(text[1 : end - 1])  # type: ignore[operator]
    rest = text[end:].strip()
    return Changed(inner, parse_value(rest[2:])) if rest.startswith("=>") else inner


def _string(text: str) -> Value:
    abstract = text[0] == "@"
    match = _STRING.match(text, 1 if abstract else 0)
    if not match:
        return text
    if match.end() == len(text):
        return Text(unescaped(match[1]), match[2] is None, abstract)
    found = Text(unescaped(match[1]), match[2] is None, abstract)
    rest = text[match.end() :].strip()
    return Changed(found, parse_value(rest[2:])) if rest.startswith("=>") else found


def parse_struct(inner: str) -> dict[str, Value]:
    """Parses the members of a struct; those without a name get their position, from '0'."""
    members: dict[str, Value] = {}
    for position, part in enumerate(split_arguments(inner)):
        if part == "...":
            continue
        match = _MEMBER.match(part)
        if match:
            members[match[1]] = parse_value(part[match.end() :])
        else:
            members[str(position)] = parse_value(part)
    return members


def parse_list(inner: str) -> list[Value]:
    """Parses the elements of a list, which commas separate, or blanks where they are words (sets)."""
    if " => " in inner and not inner.startswith(("{", "[", '"')):
        before, _, after = inner.partition(" => ")
        return [Changed(parse_value(before), parse_value(after))]
    parts = split_arguments(inner)
    if len(parts) == 1 and not _NESTING.intersection(inner) and '"' not in inner and "=" not in inner:
        parts = inner.split()
    return [parse_value(part) for part in parts]


def unescaped(text: str) -> bytes:
    """Returns the bytes that a string of strace stands for: ``\\n``, ``\\0``, ``\\177``, ``\\x7f``."""
    raw = text.encode("utf-8", "surrogateescape")
    return _ESCAPE.sub(_byte, raw) if b"\\" in raw else raw


def _byte(match: re.Match[bytes]) -> bytes:
    code = match[1]
    if code in _ESCAPED:
        return _ESCAPED[code]
    if code[:1] == b"x" and len(code) > 1:
        return bytes((int(code[1:], 16),))
    if code.isdigit():
        return bytes((int(code, 8) & 0xFF,))
    return code


def without_remarks(text: str) -> str:
    """Returns a word without the comments and the names of descriptors that strace adds to it."""
    if "/*" in text:
        # Behind the last of these no comment can end, and looking for it from each /* would take long.
        before, end, rest = text.rpartition("*/")
        text = _COMMENT.sub("", before + end) + rest
    if "<" in text and "<<" not in text:
        text = text[: text.index("<")]
    return text.strip()


def annotation(text: str) -> str | None:
    """Returns what a descriptor leads to, as ``-y`` writes it: ``/etc/passwd`` of ``3</etc/passwd>``; or None."""
    opening = text.find("<")
    if opening < 0 or not text.endswith(">") or text[opening : opening + 2] == "<<":
        return None
    return unescaped(text[opening + 1 : -1]).decode("utf-8", "backslashreplace")
