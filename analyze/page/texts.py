"""Texts of a trace in a page: safe to show, bounded in length, each stored once."""

from __future__ import annotations

from bpfrec.analyze.flame.text import safe

LONGEST = 600
"""Characters of a text; what is longer ends with the number of those left out."""


def shown(text: object, longest: int = LONGEST) -> str:
    """``text`` as the page has it."""
    whole = str(text)
    if len(whole) > longest:
        return f"{safe(whole[:longest])}... [{len(whole) - longest:,} more characters]"
    return safe(whole)


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
