"""The file format of speedscope (https://github.com/jlfwong/speedscope/blob/main/src/lib/file-format-spec.ts)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from bpfrec.analyze.flame.folded import own_stacks
from bpfrec.analyze.flame.frame import Frame, Kind
from bpfrec.analyze.flame.layout import Flame
from bpfrec.analyze.flame.text import safe

_SCHEMA = "https://www.speedscope.app/file-format-schema.json"


def speedscope(flame: Flame, title: str, version: str) -> Iterator[str]:
    """The pieces of one file: a "sampled" profile, a sample for each call stack, weighted by what it comes to.

    ``version`` of this program. Where its source file is not known, the file of a frame is its module.
    """
    head = {"$schema": _SCHEMA, "exporter": f"bpfrec@{version}", "name": title}
    profile = {
        "type": "sampled",
        "name": title,
        "unit": "nanoseconds" if flame.unit == "ns" else "none",
        "startValue": 0,
        "endValue": flame.total,
    }
    frames = [_frame(frame) for frame in flame.frames if frame.kind is not Kind.ALL]
    yield f'{json.dumps(head)[:-1]}, "shared": {{"frames": {json.dumps(frames)}}},\n'
    yield f'"profiles": [{json.dumps(profile)[:-1]},\n"samples": ['
    weights: list[int] = []
    for node, stack in own_stacks(flame):
        yield ("," if weights else "") + f"\n{json.dumps(stack)}"
        weights.append(int(flame.own[node]))
    yield f'],\n"weights": {json.dumps(weights)}}}]}}'


def _frame(frame: Frame) -> dict[str, Any]:
    made: dict[str, Any] = {"name": safe(frame.name)}
    file = frame.file or frame.module
    if file:
        made["file"] = file
    if frame.file and frame.line is not None:
        made["line"] = frame.line
    return made
