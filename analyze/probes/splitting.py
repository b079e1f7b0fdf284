"""Cutting probe specifiers into parts without looking into strings, brackets or conditional operators."""

from __future__ import annotations

from collections.abc import Iterator

from bpfrec.formats.errors import ReportError

_OPEN, _CLOSE = "([", ")]"


def check_text(text: str, what: str) -> None:
    """Refuses text that cannot be part of a query.

    Raises:
        ReportError: it holds NUL characters or lone surrogates, or is far too long.
    """
    if "\0" in text or any(0xD800 <= ord(c) < 0xE000 for c in text):
        raise ReportError(f"{what} holds characters that are no text")
    if len(text) > 16384:
        raise ReportError(f"{what} has {len(text)} characters: the limit is 16384")


def split(text: str, separator: str, limit: int = -1) -> list[str]:
    """Cuts ``text`` at ``separator`` (one character) where it stands outside of strings and brackets.

    A ``:`` that belongs to a ``?`` before it does not count. At most ``limit`` cuts are made (-1: all).
    """
    parts: list[str] = []
    start, questions = 0, 0
    for i, char in outside(text):
        questions += char == "?"
        if char == ":" and questions:
            questions -= 1
        elif char == separator and len(parts) != limit:
            parts.append(text[start:i])
            start, questions = i + 1, 0
    return [*parts, text[start:]]


def closing(text: str) -> int | None:
    """Finds the index of the bracket that closes the one ``text`` starts with; None if nothing closes it."""
    level = 0
    for i, char in _scan(text):
        level += (char in _OPEN) - (char in _CLOSE)
        if level == 0:
            return i
    return None


def outside(text: str) -> Iterator[tuple[int, str]]:
    """Index and character for all that stands outside of strings and brackets."""
    level = 0
    for i, char in _scan(text):
        if char in _CLOSE:
            level -= 1
        if level == 0 and char not in _CLOSE:
            yield i, char
        if char in _OPEN:
            level += 1


def _scan(text: str) -> Iterator[tuple[int, str]]:
    """Index and character for all that stands outside of quotes."""
    quote, escaped = "", False
    for i, char in enumerate(text):
        if escaped:
            escaped = False
        elif quote:
            escaped = char == "\\"
            quote = "" if char == quote else quote
        elif char in "\"'":
            quote = char
        else:
            yield i, char
