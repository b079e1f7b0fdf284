"""Phrases that messages are made of."""

from __future__ import annotations


def one_of(choices: list[str]) -> str:
    """The ``choices`` in one phrase: ``a, b or c``."""
    return " or ".join(filter(None, [", ".join(choices[:-1]), *choices[-1:]]))
