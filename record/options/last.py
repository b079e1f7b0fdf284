"""``--last``: how much of a recording is kept, as a time such as 60s or as a size such as 256M."""

from __future__ import annotations

import re
from dataclasses import dataclass

import click

from bpfrec.formats.units import seconds_in
from bpfrec.record.options.disk_size import SMALLEST_SIZE, size_in

_SIZE = re.compile(r".*[0-9][ ]*[KMGT](?:i?B)?", re.DOTALL)

LEAST_SECONDS = 1.0
"""The shortest time that ``--last`` can be."""


@dataclass(frozen=True)
class Last:
    """The last ``seconds`` of a recording, or as much as takes ``size`` bytes of the disk; the other one is None."""

    seconds: float | None = None
    size: int | None = None


class LastPart(click.ParamType):  # type: ignore[type-arg, unused-ignore]
    """A time, or a size with a capital K, M, G or T: ``5m`` are five minutes, ``5M`` would be five mebibytes."""

    name = "time or size"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> Last:
        """Returns what is kept."""
        if isinstance(value, Last):
            return value
        text = str(value).strip()
        if _SIZE.fullmatch(text):
            size = size_in(text)
            if size is None or size < SMALLEST_SIZE:
                self.fail(f"{value!r} is not a size of {SMALLEST_SIZE >> 20}M or more, such as 256M", param, ctx)
            return Last(size=size)
        try:
            seconds = seconds_in(text)
        except ValueError:
            self.fail(f"{value!r} is no time and no size: give 60s, 5m or 256M", param, ctx)
        if seconds < LEAST_SECONDS:
            self.fail(f"{value!r} is not a time of {LEAST_SECONDS:g}s or more, such as 60s", param, ctx)
        return Last(seconds=seconds)
