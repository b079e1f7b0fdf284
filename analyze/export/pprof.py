"""A profile for pprof, gzipped: https://github.com/google/pprof/blob/main/proto/profile.proto."""

from __future__ import annotations

import gzip

from bpfrec.analyze.export.protobuf import integer, nested, packed, text
from bpfrec.analyze.flame.folded import own_stacks
from bpfrec.analyze.flame.frame import Frame
from bpfrec.analyze.flame.layout import Flame
from bpfrec.analyze.flame.text import safe

# Fields of Profile.
_SAMPLE_TYPE, _SAMPLE, _MAPPING, _LOCATION, _FUNCTION, _STRINGS, _TIME, _DURATION = 1, 2, 3, 4, 5, 6, 9, 10


def pprof(flame: Flame, what: str, start_ns: int, duration_ns: int) -> bytes:
    """Returns the profile of ``flame``: a sample for each call path, worth what it comes to itself.

    ``what`` is counted, as "calls"; ``start_ns``: wall clock, ns since the epoch.
    """
    strings: dict[str, int] = {"": 0}
    parts = [nested(_SAMPLE_TYPE, *_value_type(strings, what, "nanoseconds" if flame.unit == "ns" else "count"))]
    frames = list(flame.frames)
    for number, frame in enumerate(frames, 1):
        parts += [_function(strings, number, frame), _location(number, frame)]
    # own_stacks numbers frames from the root; pprof has the innermost location first, and numbers from 1.
    for node, path in own_stacks(flame):
        parts.append(
            nested(_SAMPLE, packed(1, [place + 1 for place in reversed(path)]), packed(2, [int(flame.own[node])]))
        )
    parts += [text(_STRINGS, value) for value in strings]
    parts += [integer(_TIME, start_ns), integer(_DURATION, duration_ns)]
    return gzip.compress(b"".join(parts), mtime=0)


def _string(strings: dict[str, int], value: str) -> int:
    return strings.setdefault(value, len(strings))


def _value_type(strings: dict[str, int], what: str, unit: str) -> list[bytes]:
    return [integer(1, _string(strings, what)), integer(2, _string(strings, unit))]


def _function(strings: dict[str, int], number: int, frame: Frame) -> bytes:
    name = _string(strings, safe(frame.name))
    file = _string(strings, safe(frame.file or frame.module or ""))
    return nested(_FUNCTION, integer(1, number), integer(2, name), integer(3, name), integer(4, file))


def _location(number: int, frame: Frame) -> bytes:
    line = nested(4, integer(1, number), integer(2, frame.line or 0))
    return nested(_LOCATION, integer(1, number), line)
