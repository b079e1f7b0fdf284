"""Numbers and strings as a script writes them."""

from __future__ import annotations

import re

from bpfrec.analyze.bpftrace.errors import Problem, Span

_UNITS = {"ns": 1, "us": 10**3, "ms": 10**6, "s": 10**9, "m": 60 * 10**9, "h": 3600 * 10**9, "d": 86400 * 10**9}
_NUMBER = re.compile(r"(0[xX][0-9a-fA-F_]+|\d[\d_]*(?:[eE]\d+)?)([a-zA-Z]*)")
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", '"': '"', "\\": "\\", "a": "\a", "b": "\b", "f": "\f", "v": "\v"}
_LARGEST = 2**64 - 1


def integer(text: str, span: Span) -> tuple[int, bool]:
    """The value of a number as written, and whether it is unsigned: by its suffix, or as it is a duration.

    Raises:
        Problem: it does not fit into 64 bits.
    """
    match = _NUMBER.fullmatch(text)
    if not match:
        raise Problem(span, f"invalid integer literal: {text}")
    digits, suffix = match[1].replace("_", ""), match[2]
    if digits[:2] in ("0x", "0X"):
        value = int(digits, 16)
    elif "e" in digits.lower():
        mantissa, exponent = re.split("[eE]", digits)
        if int(exponent) > 19 or (exponent != "0" and not 1 <= int(mantissa) <= 9):
            # bpftrace takes one digit before the e alone.
            raise Problem(span, f"invalid scientific notation: {text}")
        value = int(mantissa) * 10 ** int(exponent)
    elif len(digits) > 1 and digits.startswith("0"):
        if not set(digits) <= set("01234567"):
            raise Problem(span, f"invalid octal number: {text}")
        value = int(digits, 8)
    else:
        value = int(digits)
    value *= _UNITS.get(suffix, 1)
    if value > _LARGEST:
        raise Problem(span, f"Failed to parse {text}: it does not fit into 64 bits")
    return value, suffix in _UNITS or "u" in suffix.lower()


def unescape(text: str) -> str:
    """The string between the quotes of ``text``, which has them; bytes above 127 that escapes make are surrogates."""

    def one(match: re.Match[str]) -> str:
        body = match[1]
        if body[0] == "x" and len(body) > 1:
            return _byte(int(body[1:], 16))
        if body[0] in "01234567":
            return _byte(int(body, 8) & 0xFF)
        return _ESCAPES.get(body, body)

    return re.sub(r"\\(x[0-9a-fA-F]{1,2}|[0-7]{1,3}|[\s\S])", one, text[1:-1])


def _byte(value: int) -> str:
    return chr(value) if value < 0x80 else chr(0xDC00 + value)


def parameter_value(text: str) -> int | str:
    """What ``$1`` is: a number where it reads as one, else text."""
    try:
        return (
            int(text, 0)
            if not (len(text) > 1 and text.lstrip("-").startswith("0") and text.isdigit())
            else int(text, 8)
        )
    except ValueError:
        return text
