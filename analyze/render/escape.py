"""Text out of a trace, made safe to look at.

Whoever made the trace chose its names and paths; a terminal that obeys an escape sequence among them is theirs.
"""

from __future__ import annotations

from bpfrec.formats.printable import UNSAFE_BUT_NEWLINE, printable, printable_lines

__all__ = ["json_text", "printable", "printable_lines"]


def json_text(text: str) -> str:
    r"""JSON text with those characters as ``\uNNNN``; JSON's own line breaks stay."""
    if text.isprintable():
        return text
    return UNSAFE_BUT_NEWLINE.sub(lambda m: f"\\u{ord(m[0]):04x}", text)
