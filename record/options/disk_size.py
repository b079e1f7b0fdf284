"""``--max-size``: a size on the disk, such as 2G."""

from __future__ import annotations

import re

import click

from bpfrec.formats.units import UNITS

_SIZE = re.compile(r"([0-9]+(?:\.[0-9]+)?)([KMGT])(?:i?B)?", re.IGNORECASE)

SMALLEST_SIZE = 64 << 20
"""The least that ``--max-size`` can be, in bytes: the rings alone may hold that much."""


class DiskSize(click.ParamType):  # type: ignore[type-arg, unused-ignore]
    """A size in bytes, written as 256M or 2G."""

    name = "size"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Returns the size in bytes: 2147483648 for ``2G``."""
        if isinstance(value, int):
            return value
        size = size_in(str(value))
        if size is None or size < SMALLEST_SIZE:
            self.fail(f"{value!r} is not a size of {SMALLEST_SIZE >> 20}M or more, such as 2G", param, ctx)
        return size


def size_in(text: str) -> int | None:
    """The bytes that ``text`` means, a number with a unit; None: it is no size."""
    match = _SIZE.fullmatch(text.strip())
    return int(float(match[1]) * UNITS[match[2].upper()]) if match else None
