"""Numbers, times and sizes as users write them: ``12``; ``1.5``, ``500ms``, ``5m``, ``1h30m``; ``64K``, ``1.5MiB``."""

from __future__ import annotations

import math
import re

SECONDS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
"""Seconds by the unit's name."""

_MOST_DIGITS = 20
_NUMBER = r"[0-9]+(?:\.[0-9]*)?|\.[0-9]+"
_TIME = re.compile(rf"({_NUMBER})\s*(ns|us|µs|ms|s|m|h|d)")
_SIZE = re.compile(r"([0-9]{1,300}(?:\.[0-9]+)?)\s*([KMGT]?)(?:i?B)?", re.IGNORECASE)

UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}
"""Bytes by the letter of the unit."""


def whole_number(text: str, most: int = (1 << 64) - 1) -> int | None:
    """The number that ``text`` means: decimal digits of ASCII, up to ``most``; None if it is anything else.

    ``str.isdigit()`` alone is true for ``²``, which ``int()`` refuses, as it refuses thousands of digits.
    """
    if not (text.isascii() and text.isdigit() and len(text) <= _MOST_DIGITS):
        return None
    number = int(text)
    return number if number <= most else None


def seconds_in(text: str, unit: str = "s") -> float:
    """Seconds that ``text`` means: a number, or numbers with units (``1h30m``). A number alone is in ``unit``.

    Raises:
        ValueError: it is neither.
    """
    text = text.strip()
    sign, body = (-1.0, text[1:]) if text.startswith("-") else (1.0, text.removeprefix("+"))
    parts = _TIME.findall(body)
    if parts and _TIME.sub("", body).strip() == "":
        value = sign * sum(float(number) * SECONDS[name] for number, name in parts)
    else:
        value = float(text) * SECONDS[unit]
    if not math.isfinite(value):
        raise ValueError(text)
    return value


def bytes_in(text: str) -> int:
    """Bytes that ``text`` means: a number, with K, M, G or T for powers of 1024.

    Raises:
        ValueError: it is no size.
    """
    match = _SIZE.fullmatch(text.strip())
    if not match:
        raise ValueError(text)
    return int(float(match[1]) * UNITS[match[2].upper()])
