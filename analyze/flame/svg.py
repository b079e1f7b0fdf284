"""A flame graph as one SVG file: a picture as it is, and with its script to be zoomed and searched in a browser."""

from __future__ import annotations

from dataclasses import dataclass
from textwrap import wrap

from bpfrec.analyze.flame.layout import Flame, hidden_note, widest
from bpfrec.analyze.flame.palette import palette
from bpfrec.analyze.flame.template import resource, template
from bpfrec.analyze.flame.text import name_text, node_text, safe

WIDTH = 1200
_PADDING = 10
_ROW = 16
_CHARACTER = 6.63
"""Pixels of a character of the font, 11 px and monospaced."""
_MOST = 20_000
_NARROWEST_PX = 0.25
_LINE = 170


@dataclass(frozen=True)
class _Box:
    parent: int
    color: int
    title: str
    label: str
    x: float
    y: int
    width: float


@dataclass(frozen=True)
class _Swatch:
    color: int
    text: str
    x: float
    y: int


def svg(flame: Flame, title: str) -> str:
    """The file. Frames narrower than a quarter of a pixel, and all but the 20,000 widest, are left out; it says so."""
    inner = WIDTH - 2 * _PADDING
    drawn = widest(flame, _MOST, _NARROWEST_PX / inner)
    colors = palette(drawn)
    notes = [*drawn.notes, *filter(None, [hidden_note(drawn)])]
    lines = [line for note in notes for line in wrap(safe(note), _LINE)]
    top = 44 + 15 * len(lines)
    legend, bottom = _legend(colors.legend, top)
    top = bottom + 10
    levels = int(drawn.depth.max()) + 1
    scale = inner / drawn.total
    boxes = []
    columns = (drawn.frame, drawn.parent, drawn.depth, drawn.x, drawn.value)
    for node, (frame, parent, depth, x, value) in enumerate(zip(*(column.tolist() for column in columns), strict=True)):
        width = value * scale
        label = fitted(name_text(drawn.frames[frame]), width)
        y = top + (levels - 1 - depth) * _ROW
        text = node_text(drawn, node)
        boxes.append(_Box(parent, colors.of_frames[frame], text, label, _PADDING + x * scale, y, width))
    return template("flame.svg.jinja").render(
        title=safe(title),
        lines=lines,
        legend=legend,
        colors=colors.colors,
        boxes=boxes,
        width=WIDTH,
        height=top + levels * _ROW + 28,
        padding=_PADDING,
        row=_ROW,
        character=_CHARACTER,
        script=resource("svg.js"),
    )


def fitted(name: str, width: float) -> str:
    """As much of ``name`` as there is room for in so many pixels; '' where that is next to nothing."""
    room = int((width - 4) / _CHARACTER)
    if room < 3:
        return ""
    return name if len(name) <= room else name[: room - 2] + ".."


def _legend(entries: list[tuple[int, str]], top: int) -> tuple[list[_Swatch], int]:
    """Where the entries of the legend stand, and the y below them."""
    swatches = []
    x, y = float(_PADDING), top
    for color, text in entries:
        shown = safe(text)[:60]
        width = 18 + (len(shown) + 2) * _CHARACTER
        if x + width > WIDTH - _PADDING and x > _PADDING:
            x, y = float(_PADDING), y + 18
        swatches.append(_Swatch(color, shown, x, y))
        x += width
    return swatches, y + 14
