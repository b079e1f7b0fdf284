"""Names of the kernel's constants that a script may use, as its headers give them on x86-64."""

from __future__ import annotations

from functools import cache

from bpfrec.formats.kernel.decoding import constants, families
from bpfrec.formats.kernel.errnos import errno_numbers


@cache
def _values() -> dict[str, int]:
    values: dict[str, int] = {"NULL": 0}
    for family in sorted(families()):
        values |= constants(family)
    return values | errno_numbers()


def constant(name: str) -> int | None:
    """The value of a constant; None where no table has it. Names in capitals alone are constants."""
    return _values().get(name) if name.upper() == name else None
