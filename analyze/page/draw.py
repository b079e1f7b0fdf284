"""A trace to the text of its page."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bpfrec.analyze.facade import Trace
from bpfrec.analyze.page.document import document, inert, page_scripts
from bpfrec.analyze.page.model import model
from bpfrec.analyze.page.timeline import Room

MOST_BYTES = 10_000_000
"""Of a page. What does not fit is left out, and the page says how much."""


def page(trace: Trace, chosen: Mapping[str, Any], room: Room | None = None) -> str:
    """The page of the calls that ``chosen`` chooses, as options of ``CallFilter.of``; at most :data:`MOST_BYTES`."""
    room = room or Room()
    scripts = page_scripts()
    while True:
        made = model(trace, room, chosen)
        text = document(inert(made), made["title"], scripts)
        if len(text.encode()) <= MOST_BYTES or room == room.halved():
            return text
        room = room.halved()
