"""printf messages of trace, computed in SQL."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from bpfrec.analyze.engine.sqltemplate import literal
from bpfrec.analyze.probes import c_syntax, c_types
from bpfrec.analyze.probes.c_to_sql import Scope, Value, convert, string_of, translate
from bpfrec.analyze.probes.c_types import CType
from bpfrec.analyze.probes.splitting import split
from bpfrec.formats.errors import ReportError

_CONVERSION = re.compile(
    r"%(?P<flags>[-+ #0]*)(?P<width>\d{0,3})(?P<precision>\.\d{1,3})?(?P<kind>(?:hh|h|ll|l|z|j)?[a-zA-Z%]|)"
)

_TYPES = {
    "d": c_types.INT,
    "i": c_types.INT,
    "u": c_types.UINT,
    "x": c_types.UINT,
    "X": c_types.UINT,
    "o": c_types.UINT,
    "c": CType(8, True),
    "p": c_types.ULONG,
}
_LENGTHS = {"hh": 8, "h": 16, "": 32, "l": 64, "ll": 64, "z": 64, "j": 64}


@dataclass(frozen=True)
class Conversion:
    """One conversion: how printf writes it, the C type it converts to (None: a string) and what it converts."""

    format: str
    ctype: CType | None
    tree: c_syntax.Expression


@dataclass(frozen=True)
class Message:
    """A format: literal text and conversions, in order."""

    parts: tuple[str | Conversion, ...]


def parse_message(text: str) -> Message | None:
    """Reads the action of a probe, ``"format", expression, ...``; None if it is empty.

    As in bcc, the format is taken as it stands, without escapes.

    Raises:
        ReportError: there is no format, a conversion cannot be answered, or there are more or fewer expressions than
            conversions.
    """
    if not text:
        return None
    match = re.match(r'"(.*?)"\s*(,|$)', text, re.DOTALL)
    if not match:
        raise ReportError(f"expected a format in double quotes: {text}", "As in: 'do_sys_open \"%s\", arg2'")
    rest = text[match.end() :]
    expressions = split(rest, ",") if rest.strip() else []
    parts: list[str | Conversion] = []
    position, used = 0, 0
    for found in _CONVERSION.finditer(match[1]):
        parts.append(match[1][position : found.start()])
        position = found.end()
        if found["kind"] == "%":
            parts.append("%")
            continue
        form, ctype = _conversion(found)
        if used >= len(expressions):
            raise ReportError(f"{found[0]} has no expression: the format has more conversions than expressions")
        parts.append(Conversion(form, ctype, c_syntax.parse_expression(expressions[used])))
        used += 1
    if used < len(expressions):
        raise ReportError(f"the format has {used} conversions but {len(expressions)} expressions follow")
    return Message(tuple(part for part in (*parts, match[1][position:]) if part))


def message_sql(message: Message | None, scope: Scope, string_size: int) -> str:
    """The SQL (VARCHAR) of ``message``; strings cut after ``string_size`` characters."""
    if message is None or not message.parts:
        return "''"
    parts = [literal(p) if isinstance(p, str) else _conversion_sql(p, scope, string_size) for p in message.parts]
    return parts[0] if len(parts) == 1 else f"concat({', '.join(parts)})"


def _conversion_sql(conversion: Conversion, scope: Scope, string_size: int) -> str:
    value = translate(conversion.tree, scope)
    if conversion.ctype is None:
        text = shown_string(value, string_size)
        return text if conversion.format == "%s" else f"printf({literal(conversion.format)}, {text})"
    number = convert(value, conversion.ctype)
    if conversion.format == "%c":
        return f"chr(CAST({convert(number, CType(7, False)).sql} AS INTEGER))"
    kind = "BIGINT" if conversion.ctype.signed else "UBIGINT"
    return f"coalesce(printf({literal(conversion.format)}, CAST({number.sql} AS {kind})), '<not read>')"


def shown_string(value: Value, string_size: int) -> str:
    """The SQL of the string ``value`` points at, cut after ``string_size`` characters; ``<why>`` if it was not read."""
    text = string_of(value)
    if text.startswith("'"):
        return f"left({text}, {string_size})"
    return f"coalesce(left({text}, {string_size}), '<' || coalesce({value.why}, 'not read') || '>')"


def shown_number(value: Value, ctype: CType) -> str:
    """The SQL of ``value`` as text, converted to ``ctype``; a ``bool`` is True or False, as bcc prints it."""
    number = convert(replace(value, text=None), ctype)
    if ctype == c_types.BOOL:
        return f"coalesce(if({number.sql} <> 0, 'True', 'False'), '<not read>')"
    return f"coalesce(CAST({number.sql} AS VARCHAR), '<not read>')"


def _conversion(found: re.Match[str]) -> tuple[str, CType | None]:
    kind = found["kind"]
    length, letter = kind[:-1], kind[-1:]
    if letter in {"K", "U"}:
        raise ReportError(
            f"%{letter} needs a symbol table for any address; a trace holds the symbols of recorded stacks",
            "Print the address with %llx, or the stack with -U.",
        )
    if letter == "s" and not length:
        return f"%{found['flags'].replace('0', '')}{found['width']}{found['precision'] or ''}s", None
    if letter not in _TYPES or (letter in "cp" and length):
        raise ReportError(
            f"unknown conversion in a format: {found[0]}", "Known are %s %c %d %u %x %o %p, with h, l and ll."
        )
    base = _TYPES[letter]
    ctype = base if letter in "cp" else CType(_LENGTHS[length], base.signed)
    plain = f"%{found['flags']}{found['width']}{found['precision'] or ''}"
    if letter == "c":
        return "%c", ctype
    return (f"{plain.replace('%', '%#', 1)}x" if letter == "p" else f"{plain}{'d' if letter == 'i' else letter}"), ctype
