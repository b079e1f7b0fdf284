"""Text that somebody else chose, made safe to look at: a terminal that obeys an escape sequence in it is theirs."""

from __future__ import annotations

import re

UNSAFE = re.compile(r"[\x00-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ud800-\udfff]")
"""Control, bidirectional and invisible characters, and lone surrogates."""

UNSAFE_BUT_NEWLINE = re.compile(r"(?!\n)" + UNSAFE.pattern)


def printable(text: str) -> str:
    r"""``text`` with control, bidirectional and invisible characters and lone surrogates as ``\xNN`` or ``\uNNNN``."""
    # All of them are among what Python calls not printable, and most text has none.
    return text if text.isprintable() else UNSAFE.sub(_backslash, text)


def printable_lines(text: str) -> str:
    r"""The same, but newlines stay."""
    return UNSAFE_BUT_NEWLINE.sub(_backslash, text)


def _backslash(match: re.Match[str]) -> str:
    code = ord(match[0])
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"
