"""Text out of a trace, made safe to look at.

Whoever made the trace chose its names and paths; a terminal that obeys an escape sequence among them is theirs.
"""

from __future__ import annotations

import re

_UNSAFE = re.compile(r"[\x00-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ud800-\udfff]")
_UNSAFE_BUT_NEWLINE = re.compile(r"(?!\n)" + _UNSAFE.pattern)


def printable(text: str) -> str:
    r"""``text`` with control, bidirectional and invisible characters and lone surrogates as ``\xNN`` or ``\uNNNN``."""
    # All of them are among what Python calls not printable, and most text has none.
    return text if text.isprintable() else _UNSAFE.sub(_backslash, text)


def printable_lines(text: str) -> str:
    r"""The same, but newlines stay."""
    return _UNSAFE_BUT_NEWLINE.sub(_backslash, text)


def json_text(text: str) -> str:
    r"""JSON text with those characters as ``\uNNNN``; JSON's own line breaks stay."""
    if text.isprintable():
        return text
    return _UNSAFE_BUT_NEWLINE.sub(lambda m: f"\\u{ord(m[0]):04x}", text)


def _backslash(match: re.Match[str]) -> str:
    code = ord(match[0])
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"
