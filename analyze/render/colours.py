"""Colours for terminals: headers, errors, and ends that went wrong."""

from __future__ import annotations

from functools import cache

from bpfrec.analyze.render.layout import Painter

_ERRORS = frozenset(("ERROR", "errno"))
_GOOD_ENDS = frozenset(("", "-", "0"))


def painter() -> Painter:
    """What adds colours to the cells of a table, and to lines; see :data:`bpfrec.analyze.render.layout.Painter`."""
    from rich.color import ColorSystem  # noqa: PLC0415 - only terminals need it
    from rich.style import Style  # noqa: PLC0415

    header, bad = Style(bold=True), Style(color="red")

    @cache
    def painted(text: str, style: Style) -> str:
        words = text.strip()
        if not words:
            return text
        before, _, after = text.partition(words)
        return before + style.render(words, color_system=ColorSystem.STANDARD) + after

    def paint(name: str, text: str) -> str:
        if name == "":
            return painted(text, header)
        if name in _ERRORS and text.strip() not in ("NULL", "-"):
            return painted(text, bad)
        return painted(text, bad) if name == "END" and text.strip() not in _GOOD_ENDS else text

    return paint
