"""``--buffer``: a size in bytes, or in KiB, MiB or GiB with a suffix, such as 512K."""

from __future__ import annotations

import re

import click

from bpfrec.bpf.event_rings import SMALLEST_RING
from bpfrec.formats.units import UNITS

_SIZE = re.compile(r"([0-9]+)([KMG]?)(?:i?B)?", re.IGNORECASE)
_LARGEST = 1 << 36


class RingSize(click.ParamType):  # type: ignore[type-arg, unused-ignore]
    """A size in bytes, rounded up to a power of two: perf rings have no other sizes."""

    name = "size"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Returns the size in bytes: 67108864 for ``64M``."""
        if isinstance(value, int):
            return value
        match = _SIZE.fullmatch(str(value).strip())
        size = int(match[1]) * UNITS[match[2].upper()] if match else 0
        if not SMALLEST_RING <= size <= _LARGEST:
            self.fail(f"{value!r} is not a size between {SMALLEST_RING >> 10}K and 64G, such as 64M", param, ctx)
        return 1 << (size - 1).bit_length()


def as_option(size: int) -> str:
    """Writes ``size`` (bytes, at least 1 KiB) as a user would: the inverse of :class:`RingSize`."""
    return f"{size >> 20}M" if size >= 1 << 20 else f"{size >> 10}K"
