"""The bytes that STRCMP compares with ``-B`` of bcc's trace: ``{0x7f, 'E', 'L', 'F', 0}``, a list as C has it."""

from __future__ import annotations

import re

from bpfrec.formats.errors import ReportError

_BYTE = r"(?:0[xX][0-9a-fA-F]+|0[0-7]*|[1-9][0-9]*|'.')"
_LIST = re.compile(rf"\s*\{{\s*{_BYTE}(?:\s*,\s*{_BYTE})*\s*,?\s*\}}\s*", re.DOTALL)


def listed(text: str) -> str:
    """Two capital hex digits for each byte of the list in ``text`` that is compared: all but the last, as in bcc.

    bcc makes an array of the list and leaves out its last byte, which is zero if the array is made of a string.

    Raises:
        ReportError: it is no list of bytes.
    """
    found = [_byte(item) for item in re.findall(_BYTE, text, re.DOTALL)] if _LIST.fullmatch(text) else []
    if not found or max(found) > 255:
        raise ReportError(
            f"with -B, STRCMP compares a list of bytes, and {text!r} is none",
            "Write it as in C; the last byte is not compared: STRCMP(\"{0x7f, 'E', 'L', 'F', 0}\", arg2)",
        )
    return "".join(f"{byte:02X}" for byte in found[:-1])


def _byte(item: str) -> int:
    if item.startswith("'"):
        return ord(item[1])
    return int(item, 8 if re.fullmatch("0[0-7]*", item) else 0)
