"""Texts of a trace in a page: safe to show, bounded in length, each stored once."""

from __future__ import annotations

from bpfrec.analyze.flame.text import safe

LONGEST = 600
"""Characters of a text; what is longer ends with the number of those left out."""


def shown(text: object, longest: int = LONGEST) -> str:
    """``text`` as the page has it."""
    return safe(shorter(str(text), longest))


def shown_lines(text: object, longest: int) -> str:
    """The same, but line breaks stay."""
    return "\n".join(map(safe, shorter(str(text), longest).split("\n")))


def shorter(text: str, longest: int) -> str:
    """``text``, cut off after ``longest`` characters; what is left out is counted."""
    return text if len(text) <= longest else f"{text[:longest]}... [{len(text) - longest:,} more characters]"


class Pool:
    """Distinct texts; each has a number."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}

    def number(self, text: str) -> int:
        """The number of ``text``, from 0 on."""
        return self._numbers.setdefault(text, len(self._numbers))

    @property
    def texts(self) -> list[str]:
        """The texts by number."""
        return list(self._numbers)
