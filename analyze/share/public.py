"""Names that are no secret: every system has them."""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files

_FILE = "public_names.txt"
_PATTERN = "~"
_MOST_VERSION_DIGITS = 3


class PublicNames:
    """The names of ``public_names.txt``, some of them patterns, and of the system calls and errors of Linux."""

    def __init__(self, lines: list[str]) -> None:
        patterns = [line.removeprefix(_PATTERN) for line in lines if line.startswith(_PATTERN)]
        self._names = frozenset(line for line in lines if not line.startswith(_PATTERN))
        self._pattern = re.compile("|".join(f"(?:{pattern})" for pattern in patterns))

    def __contains__(self, word: str) -> bool:
        return word in self._names or self._pattern.fullmatch(word) is not None


@cache
def public_names() -> PublicNames:
    """The names that stay in a redacted trace."""
    return PublicNames(_section("names"))


@cache
def _suffixes() -> frozenset[str]:
    return frozenset(_section("suffixes"))


def is_public_suffix(part: str) -> bool:
    """Whether ``part`` says what kind of file a name is of, or is a short number as in ``libz.so.1.2``."""
    return part in _suffixes() or (len(part) <= _MOST_VERSION_DIGITS and part.isascii() and part.isdigit())


def _section(name: str) -> list[str]:
    """The words of a section of the file, which begins with ``[NAME]``. What follows a # is a comment."""
    found, inside = [], False
    for line in files(__package__).joinpath(_FILE).read_text("utf-8").splitlines():
        text = line.partition("#")[0].strip()
        if text.startswith("[") and text.endswith("]"):
            inside = text == f"[{name}]"
        elif inside:
            found += text.split()
    return found
