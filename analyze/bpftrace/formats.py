"""Format strings of printf(): their conversions, which values they take, and how a value is written."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache

from bpfrec.analyze.bpftrace.dialect import Dialect

_OLD = re.compile(
    r"%(?P<flags>-?)(?P<width>\d*)(?P<precision>(?:\.\d+)?)(?P<length>hh|h|ll|l|j|z|t|)(?P<form>[diuxXopcs]|rx|rh|r)"
)
_NEW = re.compile(
    r"%(?P<flags>[-+ #0]*)(?P<width>\*|\d*)(?P<precision>(?:\.(?:\*|\d+))?)(?P<length>hh|h|ll|l|j|z|t|)"
    r"(?P<form>[diuxXopcs]|rx|rh|gr|r)"
)
_BITS = {"hh": 8, "h": 16, "": 32, "l": 64, "ll": 64, "j": 64, "z": 64, "t": 64}

INTEGERS = frozenset("diuxXoc")


@dataclass(frozen=True)
class Conversion:
    """One conversion: ``form`` d, s, x ..., how many bits of a number it shows, and what Python's % takes for it."""

    form: str
    bits: int
    flags: str
    width: str
    precision: str
    spec: str

    @property
    def stars(self) -> int:
        """Values that say its width and precision."""
        return (self.width == "*") + (self.precision == ".*")


@dataclass(frozen=True)
class Format:
    """A format: the texts around its conversions, one more than these."""

    texts: tuple[str, ...]
    conversions: tuple[Conversion, ...]


@cache
def parse_format(text: str, dialect: Dialect) -> Format:
    """The format in ``text``: what is no conversion in that version is text."""
    pattern = _OLD if dialect.old else _NEW
    texts, conversions, start, at = [""], [], 0, 0
    while (percent := text.find("%", at)) >= 0:
        if text.startswith("%%", percent):
            at = percent + 2
            continue
        match = pattern.match(text, percent)
        if match is None:
            at = percent + 1
            continue
        texts[-1] += _text(text[start:percent])
        flags = match["flags"].replace(" ", "")
        if dialect.old and match["width"].startswith("0"):
            flags += "0"
        width = match["width"].lstrip("0") if dialect.old else match["width"]
        form = match["form"]
        conversions.append(
            Conversion(
                form,
                _BITS[match["length"]],
                flags,
                width,
                match["precision"],
                f"%{flags}{width}{match['precision']}{'d' if form in 'iu' else form if form in 'dxXos' else 's'}",
            )
        )
        texts.append("")
        start = at = match.end()
    # Behind the last conversion, 0.17 prints the text as it stands.
    texts[-1] += text[start:] if dialect.old else _text(text[start:])
    return Format(tuple(texts), tuple(conversions))


def _text(text: str) -> str:
    return text.replace("%%", "%")


def integer(conversion: Conversion, value: int, stars: tuple[int, ...] = ()) -> str:
    """A number as C's printf writes it by ``conversion``; ``stars``: its width and precision."""
    value &= (1 << conversion.bits) - 1
    form = conversion.form
    if form in "di" and value >> (conversion.bits - 1):
        value -= 1 << conversion.bits
    if form == "c":
        byte = value & 0xFF
        text = chr(byte) if byte < 0x80 else chr(0xDC00 + byte)
        return conversion.spec % ((*stars, text) if stars else text)
    spec = conversion.spec
    if "0" in conversion.flags and (conversion.precision or "-" in conversion.flags):
        # C ignores the zero beside a precision.
        kept = conversion.flags.replace("0", "")
        spec = f"%{kept}{conversion.width}{conversion.precision}{spec[-1]}"
    if form == "o" and "#" in conversion.flags:
        text = f"0{value:o}" if value else "0"
        return f"%{conversion.flags.replace('#', '').replace('0', '')}{conversion.width}s" % (
            (*stars, text) if stars else text
        )
    return spec % ((*stars, value) if stars else value)


def pointer(conversion: Conversion, value: int, old: bool) -> str:
    """An address as %p writes it."""
    shown = f"0x{value:x}" if value else "(nil)" if old else "0"
    return f"%{conversion.flags.replace('0', '')}{conversion.width}s" % shown


def string(conversion: Conversion, text: str, old: bool, stars: tuple[int, ...] = ()) -> str:
    """A text as %s writes it; today's bpftrace ignores a precision."""
    cut = text
    if conversion.precision and conversion.precision != ".*" and old:
        cut = text[: int(conversion.precision[1:])]
    if conversion.width == "*" and stars:
        width = stars[0]
        return cut.ljust(-width) if width < 0 or "-" in conversion.flags else cut.rjust(width)
    if not conversion.width:
        return cut
    return cut.ljust(int(conversion.width)) if "-" in conversion.flags else cut.rjust(int(conversion.width))


def raw(conversion: Conversion, data: bytes) -> str:
    r"""Bytes as %r (text, others as \xNN), %rx (with blanks) or %rh (without ``\x``) writes them."""
    if conversion.form == "rx":
        return "".join(f"\\x{byte:02x}" for byte in data)
    if conversion.form == "rh":
        return " ".join(f"{byte:02x}" for byte in data)
    return "".join(chr(b) if 0x20 <= b < 0x7F else f"\\x{b:02x}" for b in data)
