"""The argument of ``--buffer``: a size in bytes, or with a suffix in KiB, MiB or GiB."""

from __future__ import annotations

import re

import click

from bpfrec.bpf.event_rings import SMALLEST_RING

_UNITS = {"": 0, "K": 10, "M": 20, "G": 30}
_SIZE = re.compile(r"([0-9]+)([KMG]?)(?:i?B)?", re.IGNORECASE)
_LARGEST = 1 << 36


class RingSize(click.ParamType):  # type: ignore[type-arg, unused-ignore]
    """A size in bytes, rounded up to a power of two, as the size of a perf ring has to be."""

    name = "size"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """The bytes that ``value`` stands for; ``64M`` is 67108864."""
        if isinstance(value, int):
            return value
        match = _SIZE.fullmatch(str(value).strip())
        size = int(match[1]) << _UNITS[match[2].upper()] if match else 0
        if not SMALLEST_RING <= size <= _LARGEST:
            self.fail(f"{value!r} is not a size between {SMALLEST_RING >> 10}K and 64G, such as 64M", param, ctx)
        return 1 << (size - 1).bit_length()


def as_option(size: int) -> str:
    """``size`` (bytes, at least 1 KiB) in the form that :class:`RingSize` takes."""
    return f"{size >> 20}M" if size >= 1 << 20 else f"{size >> 10}K"
