"""What renderers of flame graphs write: names, amounts, shares."""

from __future__ import annotations

import re

from bpfrec.analyze.flame.frame import Frame, Kind
from bpfrec.analyze.flame.layout import Flame
from bpfrec.analyze.render.escape import printable

_NO_CHARACTER = re.compile(r"[^\t\n\r -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def safe(text: str) -> str:
    """``text``, safe to show, and to be written in XML, which has no place for some characters."""
    return _NO_CHARACTER.sub("\ufffd", printable(text))


def name_text(frame: Frame) -> str:
    """The frame's name, and its line, safe."""
    return safe(frame.label)


def where_text(frame: Frame) -> str:
    """Its module, source file and line, safe; '' where nothing is known."""
    return safe(frame.where)


def folded_name(frame: Frame) -> str:
    """The name in a folded stack: no ``;``, which ends it, and the marks of perf's stacks for kernel and JIT code."""
    mark = {Kind.KERNEL: "_[k]", Kind.JIT: "_[j]"}.get(frame.kind, "")
    return name_text(frame).replace(";", ":") + mark


def amount_text(value: int, unit: str) -> str:
    """A value with its unit; times in milliseconds."""
    if unit == "ns":
        return f"{value / 1e6:,.3f} ms"
    return f"{value:,} {unit.removesuffix('s') if value == 1 else unit}"


def node_text(flame: Flame, node: int) -> str:
    """What a node is and comes to, in two lines."""
    frame = flame.frames[flame.frame[node]]
    value = int(flame.value[node])
    named = " ".join(filter(None, (name_text(frame), where_text(frame))))
    return f"{named}\n{amount_text(value, flame.unit)}, {100 * value / flame.total:.2f}%"
