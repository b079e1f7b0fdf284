"""SQL that writes numbers as strace does: in hex, with a sign, as an address, as a device ..."""

from __future__ import annotations

from bpfrec.analyze.decode.sql_parts import sql
from bpfrec.analyze.engine.sqltemplate import Fragment


def number_text(form: str, value: Fragment, bits: int) -> Fragment:
    """SQL for the text of ``value``, a number of so many ``bits`` without a sign.

    ``form`` is how it is written: address, device, hex, int, ioc (the parts of an ioctl's number), octal or uint.
    """
    match form:
        case "int":
            return sql("numbers.int", value=value, sign=ubigint(1 << (bits - 1)))
        case "device":
            major, minor = (hex_text(sql(f"numbers.device_{part}", value=value)) for part in ("major", "minor"))
            return sql("numbers.device", major=major, minor=minor)
        case "ioc":
            parts = {part: hex_text(sql(f"numbers.ioc_{part}", value=value)) for part in ("type", "number", "size")}
            return sql("numbers.ioc", value=value, **parts)
    return sql(f"numbers.{form}", value=value)


def hex_text(value: Fragment) -> Fragment:
    """SQL for ``value`` in hex; 0 has no prefix."""
    return sql("numbers.hex", value=value)


def masked(value: Fragment, bits: int) -> Fragment:
    """SQL for the low ``bits`` of ``value``."""
    return sql("numbers.masked", value=value, mask=ubigint((1 << bits) - 1))


def ubigint(number: int) -> Fragment:
    """``number`` as SQL, of a type that DuckDB computes fast with: it takes a literal above 2^63 for a HUGEINT."""
    return Fragment(f"{number}::UBIGINT" if number >= 1 << 63 else number)
