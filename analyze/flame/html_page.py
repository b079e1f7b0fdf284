"""A flame graph as one HTML page that loads nothing: zoom, search, and a table for those who do not see it."""

from __future__ import annotations

import base64
import hashlib
from typing import Any

from bpfrec.analyze.flame.frame import Frame
from bpfrec.analyze.flame.layout import Flame, hidden_note, widest
from bpfrec.analyze.flame.palette import palette
from bpfrec.analyze.flame.template import resource, template
from bpfrec.analyze.flame.text import amount_text, name_text, safe, where_text

_MOST = 100_000
_TOP = 30


def html(flame: Flame, title: str) -> str:
    """The page; frames beyond the 100,000 widest are left out, and it says so.

    Its Content-Security-Policy permits the one script and the one style sheet that are in it, by their hashes, and no
    request: what a trace could smuggle in would not run. The data is JSON, which the script parses and writes as text.
    """
    drawn = widest(flame, _MOST)
    colors = palette(drawn)
    style = template("flame.css.jinja").render(colors=colors.colors).strip()
    script = f"{resource('flame.js')}\n{resource('html.js')}"
    return template("flame.html.jinja").render(
        title=safe(title),
        notes=[safe(note) for note in (*drawn.notes, *filter(None, [hidden_note(drawn)]))],
        legend=[(color, safe(text)) for color, text in colors.legend],
        top=_top(flame),
        summary=f"{amount_text(flame.total, flame.unit)} in all",
        style=style,
        script=script,
        style_hash=content_hash(style),
        script_hash=content_hash(script),
        data=flame_data(drawn),
    )


def flame_data(drawn: Flame) -> dict[str, Any]:
    """The graph as JSON for ``flame.js``: its frames, and its nodes as columns, those nearer to the root first."""
    colors = palette(drawn)
    present = sorted(set(drawn.frame.tolist()))
    place = {frame: number for number, frame in enumerate(present)}
    frames = [drawn.frames[frame] for frame in present]
    return {
        "unit": drawn.unit,
        "colors": colors.colors,
        "legend": [[color, safe(text)] for color, text in colors.legend],
        "names": [name_text(frame) for frame in frames],
        "wheres": [where_text(frame) for frame in frames],
        "color": [colors.of_frames[frame] for frame in present],
        "frame": [place[frame] for frame in drawn.frame.tolist()],
        "parent": drawn.parent.tolist(),
        "x": drawn.x.tolist(),
        "value": drawn.value.tolist(),
    }


def content_hash(text: str) -> str:
    """The source expression by which a Content-Security-Policy permits one inline script or style sheet."""
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _top(flame: Flame) -> list[tuple[str, str, str, str]]:
    """The functions that come to most by themselves: name, where, amount, share."""
    own: dict[Frame, int] = {}
    for place, value in zip(flame.frame.tolist(), flame.own.tolist(), strict=True):
        if value:
            frame = flame.frames[place]
            own[frame] = own.get(frame, 0) + value
    most = sorted(own.items(), key=lambda item: (-item[1], item[0].order))[:_TOP]
    return [
        (name_text(frame), where_text(frame), amount_text(value, flame.unit), f"{100 * value / flame.total:.2f}%")
        for frame, value in most
    ]
